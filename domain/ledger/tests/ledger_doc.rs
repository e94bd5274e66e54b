//! `docs/ledger.md` is true: every example in it is computed again, and every code in it is one of ours.
//!
//! An example is a fenced block whose first line ends with `example=<name>`.

mod workbench;

use anyhow::{Context as _, ensure};
use countersign_ledger::tree::{NodeHash, ProofLine, Tree, consistency_proof, inclusion_proof};
use countersign_ledger::{
    Caveat, Checkpoint, CheckpointNote, Commit, CommitHash, Consistency, Envelope, Fork,
    LeafRecord, Line, LogPolicy, Policy, Receipt, Verdict, blob_refs, cosign, leaf_hash,
    verify_bundle,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trust::keys::PrivateKey;
use workbench::tiles::{Tiles, keep};
use workbench::{Bundle, GOLDEN_SEED, Heads, Workbench};

const LOG_SEED: &[u8; 32] = b"countersign ledger golden sealer";
const WITNESS_SEED: &[u8; 32] = b"countersign ledger golden witn 1";
const WITNESS: &str = "witness.example/one";
const SEALED: u64 = 1_795_158_004;

fn document() -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(std::fs::read_to_string(root.join("../../docs/ledger.md"))?)
}

/// The examples by name, each with the newline at its end.
struct Examples(BTreeMap<String, String>);

impl Examples {
    fn read() -> anyhow::Result<Self> {
        let (text, mut found) = (document()?, BTreeMap::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("```").and_then(|l| l.split_once(" example="))
            else {
                continue;
            };
            let block = lines.by_ref().take_while(|line| *line != "```");
            let block = block.fold(String::new(), |text, line| text + line + "\n");
            ensure!(found.insert(name.1.to_owned(), block).is_none(), "{} twice", name.1);
        }
        Ok(Self(found))
    }

    fn raw(&self, name: &str) -> anyhow::Result<&str> {
        Ok(self.0.get(name).with_context(|| format!("no example {name}"))?)
    }

    fn text(&self, name: &str) -> anyhow::Result<&str> {
        self.raw(name)?.strip_suffix('\n').context("a newline")
    }

    fn lines(&self, name: &str) -> anyhow::Result<Vec<&str>> {
        Ok(self.raw(name)?.lines().collect())
    }
}

/// The log of the document, grown from its payloads.
struct Story {
    examples: Examples,
    bench: Workbench,
    commits: Vec<Commit>,
    policy: Policy,
    tree: Tree,
    tiles: Tiles,
}

impl Story {
    fn told() -> anyhow::Result<Self> {
        let examples = Examples::read()?;
        let mut bench = Workbench::empty()?;
        let (mut heads, mut commits) = (Heads::default(), Vec::new());
        for n in 1..=3 {
            let payload = examples.text(&format!("payload-{n}"))?;
            let signed = Envelope::parse(payload.as_bytes())?.sign(&bench.shard, &bench.writer)?;
            ensure!(signed.payload == payload.as_bytes(), "payload {n} is what a writer makes");
            bench.put(&signed)?;
            let line = bench.lines.last().context("a line")?;
            commits.push(heads.take_in(&bench.identity(), &line.stored())?);
        }
        bench.store(examples.text("blob")?.as_bytes())?;
        let policy = Policy::parse(examples.raw("policy")?.as_bytes())?;
        let (mut tree, mut tiles) = (Tree::empty(), Tiles::new());
        for commit in &commits {
            keep(&mut tiles, tree.push(commit.sequence, &commit.hash)?);
        }
        keep(&mut tiles, tree.edge_tiles(0));
        Ok(Self { examples, bench, commits, policy, tree, tiles })
    }

    fn log(&self) -> anyhow::Result<&LogPolicy> {
        self.policy.logs.first().context("the log")
    }

    fn bundle(&self) -> anyhow::Result<Bundle> {
        let mut bundle = self.bench.bundle()?;
        for (file, example) in [("bundle.json", "manifest"), ("checkpoint", "checkpoint")] {
            let bytes = self.examples.raw(example)?.as_bytes().to_vec();
            bundle.files.insert(file.to_owned(), bytes);
        }
        if let Some(line) = bundle.lines.get_mut(2) {
            *line = self.examples.raw("line-3")?.as_bytes().to_vec();
        }
        Ok(bundle)
    }
}

fn texts<T: ToString>(items: impl Iterator<Item = T>) -> Vec<String> {
    items.map(|item| item.to_string()).collect()
}

#[test]
fn keys_hashes_signatures_and_the_receipt_are_as_told() {
    let story = Story::told().unwrap();
    let Story { examples, bench, commits, policy, .. } = &story;
    let [writer, log, witness] = [GOLDEN_SEED, LOG_SEED, WITNESS_SEED].map(PrivateKey::from_seed);
    let text = document().unwrap();
    for (seed, key) in [(GOLDEN_SEED, &writer), (LOG_SEED, &log), (WITNESS_SEED, &witness)] {
        let row = format!("`{}` | `{}` |", std::str::from_utf8(seed).unwrap(), key.public());
        assert!(text.contains(&row), "{row}");
    }
    let lengths: Vec<_> = bench.lines.iter().map(|line| line.payload.len()).collect();
    let [a, b, c] = lengths[..] else { panic!("three payloads") };
    assert!(text.contains(&format!("They have {a}, {b} and {c} bytes.")));
    let log_policy = &policy.logs[0];
    assert_eq!(log_policy.writers, bench.identity().writers);
    assert_eq!(
        (log_policy.keys[0].key, log_policy.witnesses[0].key),
        (log.public(), witness.public())
    );
    assert_eq!(examples.text("writer-id").unwrap(), writer.id().to_string());
    let hashes = texts(commits.iter().map(|commit| commit.hash));
    assert_eq!(examples.lines("hashes").unwrap(), hashes);
    let signatures = texts(bench.lines.iter().map(|line| &line.signature));
    assert_eq!(examples.lines("signatures").unwrap(), signatures);
    let line = Line::parse(examples.raw("line-3").unwrap().as_bytes()).unwrap();
    let received_at = line.received_at;
    assert_eq!(line, Line { received_at, ..bench.lines[2].clone() });
    let receipt: Receipt = serde_json::from_str(examples.text("receipt").unwrap()).unwrap();
    assert_eq!(receipt, Receipt::sign(&commits[2], &writer));
    let message = hex::decode(examples.text("receipt-message").unwrap()).unwrap();
    assert!(text.contains(&format!("signs these {} bytes", message.len())));
    assert_eq!(writer.sign_named(&message).to_string(), receipt.signature);
    let data = &commits[1].envelope.events[0].data;
    assert_eq!(blob_refs(data)[0].check(examples.text("blob").unwrap().as_bytes()), Ok(()));
}

#[test]
fn leaves_roots_tiles_and_proofs_are_as_told() {
    let story = Story::told().unwrap();
    let Story { examples, commits, tree, tiles, .. } = &story;
    let record = |commit: &Commit| LeafRecord { sequence: commit.sequence, hash: commit.hash };
    let records = texts(commits.iter().map(|commit| hex::encode(record(commit).to_bytes())));
    assert_eq!(examples.lines("records").unwrap(), records);
    let leaves: Vec<_> = commits.iter().map(|commit| record(commit).node()).collect();
    let hex_of = |node: &NodeHash| hex::encode(node.as_bytes());
    assert_eq!(examples.lines("leaves").unwrap(), texts(leaves.iter().map(hex_of)));
    let two = NodeHash::above(&leaves[0], &leaves[1]);
    let roots = [leaves[0], two, NodeHash::above(&two, &leaves[2])];
    assert_eq!(examples.lines("roots").unwrap(), texts(roots.iter().map(hex_of)));
    assert_eq!(tree.root(), roots[2]);
    for (example, path) in [("tile", "tile/0/000.p/3"), ("entries", "tile/entries/000.p/3")] {
        let bytes = &tiles[&path.parse().unwrap()];
        assert_eq!(examples.text(example).unwrap(), hex::encode(bytes));
        assert!(document().unwrap().contains(&format!("`{path}`, {} bytes", bytes.len())));
    }
    let (_, inclusion) = inclusion_proof(1, &tree.head(), tiles).unwrap();
    let line = ProofLine { inclusion }.encode().unwrap();
    assert_eq!(examples.raw("proof-line").unwrap().as_bytes(), line);
    let consistency: Consistency =
        serde_json::from_str(examples.text("consistency").unwrap()).unwrap();
    let (past, proof) = consistency_proof(2, &tree.head(), tiles).unwrap();
    assert_eq!((past.root, proof), (roots[1], consistency));
    let gap = LeafRecord::gap(3);
    let leaf = leaf_hash(3, &CommitHash::ZERO);
    let root = NodeHash::above(&roots[1], &leaf);
    let told = [hex::encode(gap.to_bytes()), hex_of(&leaf), hex_of(&root)];
    assert_eq!(examples.lines("gap").unwrap(), told);
}

#[test]
fn the_checkpoint_is_what_the_log_and_the_witness_sign() {
    let story = Story::told().unwrap();
    let (examples, origin) = (&story.examples, story.bench.origin.clone());
    let (log, witness) = (PrivateKey::from_seed(LOG_SEED), PrivateKey::from_seed(WITNESS_SEED));
    let mut note = Checkpoint::new(origin, &story.tree.head()).seal(&log, SEALED).unwrap();
    let (alone, text) = (note.to_string(), note.note().text().to_owned());
    let cosignature = cosign(&text, &WITNESS.parse().unwrap(), &witness, SEALED + 1);
    assert_eq!(examples.raw("witness-answer").unwrap(), format!("{cosignature}\n"));
    let proof: Consistency = serde_json::from_str(examples.text("consistency").unwrap()).unwrap();
    let request = format!("old 2\n{}\n\n{alone}", proof.path[0]);
    assert_eq!(examples.raw("witness-request").unwrap(), request);
    let cosigned = format!("cosignature/v1\ntime {}\n{text}", SEALED + 1);
    assert_eq!(examples.raw("cosigned").unwrap(), cosigned);
    assert_eq!(witness.sign(cosigned.as_bytes()), cosignature.signature[8..]);
    note.add(cosignature).unwrap();
    assert_eq!(examples.raw("checkpoint").unwrap(), note.to_string());
    for signature in note.note().signatures() {
        let key_id = format!("`{}` (", hex::encode(signature.key_hash));
        assert!(document().unwrap().contains(&key_id), "{key_id}");
    }
    let verified = note.verify(story.log().unwrap()).unwrap();
    assert_eq!((verified.sealed_at(), verified.is_witnessed()), (SEALED, true));
}

#[test]
fn the_bundle_is_intact_and_without_its_checkpoint_unsealed() {
    let story = Story::told().unwrap();
    let verify = |bundle: &Bundle| verify_bundle(bundle, &story.policy, &story.bench.shard, None);
    let mut bundle = story.bundle().unwrap();
    let report = verify(&bundle).unwrap();
    assert_eq!((report.verdict, report.commits), (Verdict::Intact, 3), "{:?}", report.findings);
    assert_eq!((report.caveats, report.blobs_checked), (vec![], 1));
    let edited = bundle.clone().with_line(1, |line| line.payload[100] ^= 1).unwrap();
    assert_eq!(verify(&edited).unwrap().verdict, Verdict::Tampered);
    bundle.files.remove("checkpoint");
    let report = verify(&bundle).unwrap();
    assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![Caveat::NotSealed]));
}

#[test]
fn the_fork_is_one() {
    let story = Story::told().unwrap();
    let told = story.examples.raw("fork").unwrap().as_bytes();
    let fork = Fork::parse(told).unwrap();
    assert_eq!(fork.encode().unwrap(), told);
    assert_eq!(fork.verify(story.log().unwrap()), Ok(()));
    let root = |note: &CheckpointNote| hex::encode(note.claim().root.as_bytes());
    assert_eq!(root(fork.earlier()), story.examples.lines("roots").unwrap()[2]);
    assert_eq!(root(fork.later()), story.examples.lines("gap").unwrap()[2]);
}

/// The arms `Self::Name... => "code"` of a source, each with its name and code.
fn coded(source: &str) -> impl Iterator<Item = (&str, &str)> {
    source.lines().filter_map(|line| {
        let (arm, code) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
        Some((arm.split(['(', ' ']).next()?, code.strip_suffix("\",")?))
    })
}

/// The codes of a table: rows that start with `before`, a code and what `after` takes.
fn rows<'a>(text: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (code, rest) = line.strip_prefix("| `")?.split_once('`')?;
        rest.starts_with(after).then_some(code)
    })
}

#[test]
fn every_code_is_told_with_its_severity() {
    let text = document().unwrap();
    let (fault, condemned) =
        (include_str!("../src/verify/fault.rs"), include_str!("../src/condemn.rs"));
    let of_parts = [include_str!("../src/checkpoint.rs"), include_str!("../src/tree/proof.rs")];
    let steps: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            cells.next()?.parse::<u8>().ok()?;
            cells.next()?.strip_prefix('`')?.strip_suffix('`')
        })
        .collect();
    assert_eq!(steps, coded(condemned).map(|(_, code)| code).collect());
    let (_, severity) = fault.split_once("pub fn severity").unwrap();
    let (incomplete, _) = severity.split_once("=> Severity::Incompleteness").unwrap();
    let is_incomplete = |name: &str| {
        let named = |arm: &str| arm.trim_end().ends_with(&format!("Self::{name}"));
        incomplete.split(['(', '{', '|', '\n', ',']).any(named)
    };
    let (mut seven, mut eight) = (BTreeSet::new(), BTreeSet::from(["witness_quorum"]));
    for (name, code) in coded(fault) {
        if is_incomplete(name) {
            eight.insert(code)
        } else {
            seven.insert(code)
        };
    }
    let parts = of_parts.into_iter().flat_map(coded).map(|(_, code)| code);
    seven.extend(parts.filter(|code| *code != "witness_quorum"));
    assert_eq!(rows(&text, " | 7 |").collect::<BTreeSet<_>>(), seven);
    assert_eq!(rows(&text, " | 8 |").collect::<BTreeSet<_>>(), eight);
}
