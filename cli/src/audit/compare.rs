//! `audit compare`: two copies of one log, or checkpoints of it: the first difference, and what it proves.
//!
//! Two checkpoints that the log's key signed and that contradict each other are a proof of a fork that anybody can
//! check under the log's key alone: `--out` keeps it.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use ledger::bundle::{CHECKPOINT_FILE, COMMITS_FILE};
use ledger::line::MAX_LINE_BYTES;
use ledger::tree::{StoredTile, TilePath, consistency_proof};
use ledger::{
    BundleError, BundleSource, CheckpointNote, CommitHash, EntryKind, Fork, Line, LogPolicy,
    Origin, Tree, TreeHead,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _};

/// One side: a bundle, or a checkpoint alone.
pub struct Side {
    /// How it is called.
    pub name: String,
    /// The bundle, if it is one.
    pub bundle: Option<Box<dyn BundleSource>>,
    /// The checkpoint, if there is one.
    pub note: Option<CheckpointNote>,
}

/// The outcome.
struct Outcome {
    verdict: &'static str,
    exit: Exit,
    sentence: String,
    at: Option<u64>,
    fork: Option<Fork>,
}

impl Side {
    /// A bundle and its checkpoint.
    pub fn of_bundle(name: String, bundle: Box<dyn BundleSource>) -> Result<Self, CliError> {
        let entries = bundle.entries().map_err(BundleError::List)?;
        let has = |name: &str| {
            entries.iter().any(|entry| entry.name == name && entry.kind == EntryKind::File)
        };
        let mut note = None;
        if has(CHECKPOINT_FILE) {
            let mut bytes = Vec::new();
            let limit = u64::try_from(ledger::note::MAX_NOTE_BYTES).unwrap_or(u64::MAX);
            let reader = bundle.open(CHECKPOINT_FILE).map_err(unreadable)?;
            reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
            note = Some(CheckpointNote::parse(&bytes).map_err(CliError::Checkpoint)?);
        }
        Ok(Self { name, bundle: Some(bundle), note })
    }

    /// The log that it says it is of.
    pub fn origin(&self) -> Option<Origin> {
        let noted = self.note.as_ref().map(|note| note.claim().origin.clone());
        noted.or_else(|| {
            let bundle = self.bundle.as_deref()?;
            ledger::verify::manifest_of(bundle).ok().map(|manifest| manifest.log)
        })
    }

    /// Every hash, and with it the tree and its tiles.
    fn tree(&self) -> Result<Option<Copy>, CliError> {
        let Some(bundle) = &self.bundle else { return Ok(None) };
        let mut copy = Copy::default();
        let mut reader = bundle.open(COMMITS_FILE).map_err(unreadable)?;
        let longest = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if (&mut reader).take(longest).read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
                return Ok(Some(copy));
            }
            // What is damaged is the business of verify; what comes after it has no place here.
            let Ok(line) = Line::parse(&bytes) else { return Ok(Some(copy)) };
            let hash = CommitHash::of(&line.payload);
            let Ok(tiles) = copy.tree.push(line.sequence, &hash) else { return Ok(Some(copy)) };
            copy.tiles.extend(tiles.into_iter().map(|StoredTile { path, bytes }| (path, bytes)));
            copy.hashes.push(hash);
        }
    }
}

fn unreadable(source: std::io::Error) -> CliError {
    CliError::Bundle(BundleError::Read { name: COMMITS_FILE.to_owned(), source })
}

struct Copy {
    tree: Tree,
    tiles: BTreeMap<TilePath, Vec<u8>>,
    hashes: Vec<CommitHash>,
}

impl Default for Copy {
    fn default() -> Self {
        Self { tree: Tree::empty(), tiles: BTreeMap::new(), hashes: Vec::new() }
    }
}

/// Compares, shows, and answers how it ends: 0 one history, 7 two, 8 not comparable.
pub fn compare(
    one: &Side,
    other: &Side,
    policy: &LogPolicy,
    output: &Output,
) -> Result<(Exit, Option<Vec<u8>>), CliError> {
    let outcome = outcome(one, other, policy)?;
    let note = |side: &Side| side.note.as_ref().map(ToString::to_string);
    let proof = outcome.fork.as_ref().map(Fork::encode).transpose();
    let proof = proof.map_err(|error| CliError::Other(error.into()))?;
    let value = json!({
        "verdict": outcome.verdict, "first_difference": outcome.at, "detail": outcome.sentence,
        "one": {"name": one.name, "checkpoint": note(one)},
        "other": {"name": other.name, "checkpoint": note(other)},
        "fork": outcome.fork.as_ref().map(serde_json::to_value).transpose()
            .map_err(anyhow::Error::from)?.unwrap_or(Value::Null),
    });
    let at = outcome.at.map_or_else(|| "none".to_owned(), |at| at.to_string());
    let members = [
        ("verdict", outcome.verdict),
        ("first difference", at.as_str()),
        ("detail", &outcome.sentence),
    ];
    output.document(&Document::record(value, outcome.verdict, &members))?;
    Ok((outcome.exit, proof))
}

fn outcome(one: &Side, other: &Side, policy: &LogPolicy) -> Result<Outcome, CliError> {
    let (first, second) = (one.tree()?, other.tree()?);
    let mut at = None;
    let mut sentence = String::new();
    if let (Some(first), Some(second)) = (&first, &second) {
        let both = first.hashes.iter().zip(&second.hashes);
        let common = both.take_while(|(one, other)| one == other).count();
        let shorter = first.hashes.len().min(second.hashes.len());
        sentence = format!("the first {common} messages are the same");
        if common < shorter {
            at = u64::try_from(common + 1).ok();
            sentence.push_str("; the next one differs");
        }
    }
    let fork = match (&one.note, &other.note) {
        (Some(left), Some(right)) => {
            let (earlier, later, trees) = if left.claim().size <= right.claim().size {
                (left, right, [&second, &first])
            } else {
                (right, left, [&first, &second])
            };
            contradiction(earlier, later, trees, policy)?
        }
        _ => None,
    };
    let (verdict, exit) = match (&fork, at) {
        (Some(Ok(_)), _) => ("forked", Exit::VerificationFailed),
        (_, Some(_)) => ("different", Exit::VerificationFailed),
        (Some(Err(why)), None) => {
            sentence.push_str(if sentence.is_empty() { "" } else { "; " });
            sentence.push_str(why);
            ("not comparable", Exit::VerificationIncomplete)
        }
        (None, None) if first.is_none() && second.is_none() && one.note.is_none() => {
            ("not comparable", Exit::VerificationIncomplete)
        }
        (None, None) => ("one history", Exit::Ok),
    };
    let fork = fork.and_then(Result::ok);
    if fork.is_some() {
        sentence.push_str("; the log's key signed both: a proof of a fork");
    }
    Ok(Outcome { verdict, exit, sentence, at, fork })
}

/// The fork that two checkpoints prove; none if they are of one history; why not, if that cannot be told.
fn contradiction(
    earlier: &CheckpointNote,
    later: &CheckpointNote,
    trees: [&Option<Copy>; 2],
    policy: &LogPolicy,
) -> Result<Option<Result<Fork, &'static str>>, CliError> {
    for note in [earlier, later] {
        note.is_signed_by(&policy.origin, &policy.keys).map_err(CliError::Checkpoint)?;
    }
    let (past, head) = (earlier.claim().head(), later.claim().head());
    if past.size == head.size {
        let fork = Fork::at_one_size(earlier.clone(), later.clone(), policy);
        return Ok(fork.ok().map(Ok));
    }
    if past.size == 0 {
        return Ok(None);
    }
    for copy in trees.into_iter().flatten() {
        if let Some(proof) = copy.past(past.size, &head) {
            let fork = Fork::against_the_past(earlier.clone(), later.clone(), proof, policy);
            return Ok(fork.ok().map(Ok));
        }
    }
    Ok(Some(Err("no copy here holds the messages under the later checkpoint")))
}

impl Copy {
    /// The root at an earlier size and its proof, if these messages are those under the later checkpoint.
    fn past(&self, size: u64, head: &TreeHead) -> Option<(TreeHead, ledger::Consistency)> {
        if self.tree.size() != head.size {
            return None;
        }
        let mut tiles = self.tiles.clone();
        let edge = self.tree.edge_tiles(0);
        tiles.extend(edge.into_iter().map(|StoredTile { path, bytes }| (path, bytes)));
        consistency_proof(size, head, &tiles).ok()
    }
}
