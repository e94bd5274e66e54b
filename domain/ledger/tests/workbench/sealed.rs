//! A log under a checkpoint, whole and in parts.

use super::tiles::{Tiles, grown_with};
use super::{Bundle, Workbench, id, resumed};
use anyhow::Context as _;
use countersign_ledger::tree::inclusion_proof;
use countersign_ledger::{
    Checkpoint, CheckpointNote, CommitHash, Kept, Line, Manifest, NodeHash, Policy, ProofLine,
    Report, Scope, TreeHead, VerifiedCheckpoint, Witness, cosign,
};
use std::collections::BTreeMap;
use trust::keys::PrivateKey;

/// When a log of no commit would have been sealed: each commit takes a second, and is sealed at once.
pub const SEALED: u64 = 1_795_158_000;
pub const SIZE: usize = 40;

pub fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[11; 32])
}

pub fn witness_key() -> PrivateKey {
    PrivateKey::from_seed(&[12; 32])
}

/// A sealed log with everything that can be made of it.
pub struct SealedLog {
    pub bench: Workbench,
    pub policy: Policy,
    pub heads: Vec<TreeHead>,
    pub tiles: Tiles,
}

impl SealedLog {
    pub fn of(bench: Workbench) -> anyhow::Result<Self> {
        let mut policy = bench.policy();
        let log = policy.logs.first_mut().context("the log")?;
        log.keys = vec![log_key().public().into()];
        log.witnesses = vec![Witness::always("witness.example", witness_key().public())];
        log.witness_quorum = 1;
        let hashes: BTreeMap<u64, _> =
            bench.lines.iter().map(|line| (line.sequence, CommitHash::of(&line.payload))).collect();
        let size = u64::try_from(bench.lines.len())?;
        let leaf = |n: u64| hashes.get(&n).copied().unwrap_or(CommitHash::ZERO);
        let (heads, tiles) = grown_with(size, leaf)?;
        Ok(Self { bench, policy, heads, tiles })
    }

    pub fn grown() -> anyhow::Result<Self> {
        Self::of(Workbench::grown(u64::try_from(SIZE)?)?)
    }

    pub fn head(&self) -> TreeHead {
        self.heads.last().copied().unwrap_or(TreeHead { size: 0, root: NodeHash::EMPTY })
    }

    /// The note of a head, cosigned by the witness.
    pub fn note(&self, head: &TreeHead) -> anyhow::Result<CheckpointNote> {
        let checkpoint = Checkpoint::new(self.bench.origin.clone(), head);
        let sealed_at = SEALED + head.size;
        let mut note = checkpoint.seal(&log_key(), sealed_at)?;
        let text = note.note().text().to_owned();
        note.add(cosign(&text, &"witness.example".parse()?, &witness_key(), sealed_at + 1))?;
        Ok(note)
    }

    pub fn kept(&self, size: usize) -> anyhow::Result<VerifiedCheckpoint> {
        let head = self.heads.get(size).context("a head")?;
        Ok(self.note(head)?.verify(self.policy.logs.first().context("the log")?)?)
    }

    pub fn manifest(&self, bundle: &mut Bundle, size: u64, scope: &Scope) -> anyhow::Result<()> {
        let created = "2026-11-20T07:00:00.000000Z".parse()?;
        let manifest = Manifest::sealed(self.bench.origin.clone(), size, scope, created);
        bundle.files.insert("bundle.json".to_owned(), manifest.encode()?);
        Ok(())
    }

    pub fn whole(&self) -> anyhow::Result<Bundle> {
        let mut bundle = self.bench.bundle()?;
        self.manifest(&mut bundle, self.head().size, &Scope::Log)?;
        let note = self.note(&self.head())?.to_string();
        bundle.files.insert("checkpoint".to_owned(), note.into_bytes());
        Ok(bundle)
    }

    /// The lines that a part takes, each with its proof and its blobs.
    pub fn part(&self, scope: &Scope, takes: impl Fn(&Line) -> bool) -> anyhow::Result<Bundle> {
        let mut bundle = self.whole()?;
        let mut proofs = Vec::new();
        bundle.lines.clear();
        let mut named = String::new();
        for line in self.bench.lines.iter().filter(|line| takes(line)) {
            bundle.lines.push(line.encode()?);
            named.push_str(&String::from_utf8_lossy(&line.payload));
            let (_, inclusion) = inclusion_proof(line.sequence - 1, &self.head(), &self.tiles)?;
            proofs.extend(ProofLine { inclusion }.encode()?);
        }
        bundle.files.retain(|name, _| match name.strip_prefix("blobs/") {
            Some(sha256) => named.contains(sha256),
            None => true,
        });
        bundle.files.insert("proofs.ndjson".to_owned(), proofs);
        self.manifest(&mut bundle, self.head().size, scope)?;
        Ok(bundle)
    }

    pub fn range(&self, from: u64, to: u64) -> anyhow::Result<Bundle> {
        self.part(&Scope::Range { from, to }, |line| (from..=to).contains(&line.sequence))
    }

    pub fn change(&self, number: u64) -> anyhow::Result<Bundle> {
        let id = id("chg", number)?;
        self.part(&Scope::Change(id.clone()), |line| {
            line.subject.ends_with(&format!(".acme.change.{id}")) || line.sequence == 1
        })
    }

    pub fn verify(&self, bundle: &Bundle) -> anyhow::Result<Report> {
        self.verify_against(bundle, &Kept::default())
    }

    pub fn verify_against(&self, bundle: &Bundle, kept: &Kept<'_>) -> anyhow::Result<Report> {
        resumed::verify(bundle, &self.policy, &self.bench.shard, kept)
    }
}

pub fn proofs(bundle: &Bundle) -> Vec<Vec<u8>> {
    let file = bundle.files.get("proofs.ndjson").map(Vec::as_slice).unwrap_or_default();
    file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

pub fn set_proofs(bundle: &mut Bundle, proofs: &[Vec<u8>]) {
    bundle.files.insert("proofs.ndjson".to_owned(), proofs.concat());
}

/// Without the blobs that no line names any more.
pub fn without_blobs_of(bundle: &Bundle) -> Bundle {
    let lines = bundle.lines.iter().filter_map(|line| Line::parse(line).ok());
    let named: String =
        lines.map(|line| String::from_utf8_lossy(&line.payload).into_owned()).collect();
    let mut bundle = bundle.clone();
    bundle
        .files
        .retain(|name, _| name.strip_prefix("blobs/").is_none_or(|sha256| named.contains(sha256)));
    bundle
}
