//! The golden vectors of the tree: `vectors/tree.json`, and everybody who must agree about them.
//!
//! `cargo test -p countersign-ledger --test tree_vectors -- --ignored` writes them again; a difference is a new format.
//! They are checked by this crate, by `ct-merkle` and `signed_note`, and by `independent_tree.py`.

mod workbench;

use anyhow::{Context as _, ensure};
use countersign_ledger::Witness;
use countersign_ledger::tree::{consistency_proof, inclusion_proof};
use countersign_ledger::{
    Checkpoint, CheckpointNote, CommitHash, LeafRecord, LogPolicy, NodeHash, ProofLine, TreeHead,
    cosign,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle_sha2::Sha256;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use trust::encoding::{from_base64, to_base64};
use trust::keys::PrivateKey;
use workbench::tiles::{grown, hash};
use workbench::{ORIGIN, Workbench};

const SIZE: u64 = 1025;
const SEALED: u64 = 1_795_000_000;
const LOG_SEED: &[u8; 32] = b"countersign ledger golden sealer";
const WITNESS_SEEDS: [(&str, &[u8; 32]); 2] = [
    ("witness.example/one", b"countersign ledger golden witn 1"),
    ("witness.example/two", b"countersign ledger golden witn 2"),
];
/// Around every power of two and both ends of tiles.
const SIZES: [u64; 15] = [1, 2, 3, 4, 7, 8, 63, 64, 255, 256, 257, 511, 513, 1024, 1025];

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/tree.json")
}

fn read() -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path())?)?)
}

fn policy() -> anyhow::Result<LogPolicy> {
    let mut policy = Workbench::empty()?.policy().logs.remove(0);
    policy.keys = vec![PrivateKey::from_seed(LOG_SEED).public().into()];
    let witness = |(name, seed): (&str, &[u8; 32])| {
        Witness::always(name, PrivateKey::from_seed(seed).public())
    };
    policy.witnesses = WITNESS_SEEDS.map(witness).to_vec();
    policy.witness_quorum = 2;
    Ok(policy)
}

fn cosigned(head: &TreeHead) -> anyhow::Result<CheckpointNote> {
    let checkpoint = Checkpoint::new(ORIGIN.parse()?, head);
    let mut note = checkpoint.seal(&PrivateKey::from_seed(LOG_SEED), SEALED)?;
    for (name, seed) in WITNESS_SEEDS {
        let text = note.note().text().to_owned();
        let key = PrivateKey::from_seed(seed);
        note.add(cosign(&text, &name.parse()?, &key, SEALED.saturating_add(1)))?;
    }
    Ok(note)
}

fn golden() -> anyhow::Result<Value> {
    let (heads, tiles) = grown(SIZE)?;
    let head = |size: u64| heads.get(usize::try_from(size)?).context("a head");
    let (mut inclusions, mut consistencies, mut checkpoints) = (vec![], vec![], vec![]);
    for size in SIZES {
        for other in SIZES.into_iter().filter(|other| *other <= size) {
            let (_, inclusion) = inclusion_proof(other.saturating_sub(1), head(size)?, &tiles)?;
            inclusions.push(serde_json::from_slice::<Value>(&ProofLine { inclusion }.encode()?)?);
            consistencies.push(json!(consistency_proof(other, head(size)?, &tiles)?.1));
        }
        checkpoints.push(json!(cosigned(head(size)?)?));
    }
    let policy = policy()?;
    Ok(json!({
        "note": "Leaves, roots, proofs, checkpoints and cosignatures of PROTOCOL.md section 1. Never use these keys.",
        "origin": ORIGIN,
        "leaf_record": "u64 big-endian sequence || h; RFC 6962 hashing; zeros for a lost sequence",
        "commit_payload": "payload <sequence>; every 97th is lost",
        "h": (1..=SIZE).map(|sequence| hex::encode(hash(sequence).as_bytes())).collect::<Vec<_>>(),
        "roots": heads.iter().map(|head| head.root).collect::<Vec<_>>(),
        "inclusions": inclusions,
        "consistencies": consistencies,
        "seed": to_base64(LOG_SEED),
        "witness_seeds": WITNESS_SEEDS.map(|(_, seed)| to_base64(seed)),
        "sealed_at": SEALED,
        "cosigned_at": SEALED.saturating_add(1),
        "keys": policy.keys,
        "witnesses": policy.witnesses,
        "checkpoints": checkpoints,
    }))
}

#[test]
fn the_golden_tree_is_made_the_same_way_still() {
    assert!(golden().unwrap() == read().unwrap(), "tree.json differs");
}

#[test]
#[ignore = "writes the golden vectors"]
fn write_the_golden_tree() {
    // One member a line: proofs are read as a whole or not at all.
    let golden = golden().unwrap();
    let members = golden.as_object().unwrap().iter().map(|(name, value)| {
        let value = match value.as_array() {
            Some(items) => {
                let items: Vec<_> = items.iter().map(|item| format!("\n    {item}")).collect();
                format!("[{}\n  ]", items.join(","))
            }
            None => value.to_string(),
        };
        format!("\n  {}: {value}", json!(name))
    });
    let members: Vec<_> = members.collect();
    fs::write(path(), format!("{{{}\n}}\n", members.join(","))).unwrap();
}

#[test]
fn the_golden_checkpoints_verify() {
    let vectors = read().unwrap();
    let policy = policy().unwrap();
    for (size, note) in SIZES.iter().zip(vectors["checkpoints"].as_array().unwrap()) {
        let note = CheckpointNote::parse(note.as_str().unwrap().as_bytes()).unwrap();
        let verified = note.verify(&policy).unwrap();
        assert_eq!((verified.head().size, verified.is_witnessed()), (*size, true));
        assert_eq!((verified.sealed_at(), verified.cosigned().len()), (SEALED, 2));
        let root = &vectors["roots"][usize::try_from(*size).unwrap()];
        assert_eq!(json!(verified.head().root), *root);
    }
}

fn bytes_of(path: &Value) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for hash in path.as_array().context("a path")? {
        bytes.extend(from_base64(hash.as_str().context("base64")?)?);
    }
    Ok(bytes)
}

#[test]
fn ct_merkle_agrees_about_every_root_and_proof() {
    let vectors = read().unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots = vec![None];
    for (sequence, h) in (1..).zip(vectors["h"].as_array().unwrap()) {
        let h = hex::decode(h.as_str().unwrap()).unwrap().try_into().unwrap();
        let record = LeafRecord { sequence, hash: CommitHash::from_bytes(h) };
        tree.push(record.to_bytes().to_vec());
        let root = tree.root();
        let index = usize::try_from(sequence).unwrap();
        assert_eq!(vectors["roots"][index], json!(to_base64(root.as_bytes())), "{sequence}");
        for proof in vectors["inclusions"].as_array().unwrap() {
            if number(&proof["tree_size"]) == sequence {
                let leaf = number(&proof["leaf_index"]);
                let theirs = tree.prove_inclusion(usize::try_from(leaf).unwrap());
                assert_eq!(theirs.as_bytes(), bytes_of(&proof["path"]).unwrap(), "{proof}");
            }
        }
        roots.push(Some(root));
        for proof in vectors["consistencies"].as_array().unwrap() {
            if number(&proof["to"]) == sequence {
                let from = number(&proof["from"]);
                let theirs = tree.prove_consistency(usize::try_from(sequence - from).unwrap());
                assert_eq!(theirs.as_bytes(), bytes_of(&proof["path"]).unwrap(), "{proof}");
                let earlier = roots[usize::try_from(from).unwrap()].as_ref().unwrap();
                let whole = roots[index].as_ref().unwrap();
                assert!(whole.verify_consistency(earlier, &theirs).is_ok());
            }
        }
    }
    assert_eq!(vectors["roots"][0], json!(NodeHash::EMPTY));
    assert_eq!(roots.len(), 1026);
}

#[test]
fn signed_note_agrees_about_the_golden_checkpoints() {
    let vectors = read().unwrap();
    let key = PrivateKey::from_seed(LOG_SEED).public();
    let typed = [&[1], key.point().as_slice()].concat();
    let id = signed_note::key_id(ORIGIN, &typed);
    let vkey = format!("{ORIGIN}+{id:08x}+{}", to_base64(&typed));
    for note in vectors["checkpoints"].as_array().unwrap() {
        let note = signed_note::Note::from_bytes(note.as_str().unwrap().as_bytes()).unwrap();
        let key = signed_note::StandardVerifier::new(&vkey).unwrap();
        let known = signed_note::VerifierList::new(vec![Box::new(key)]);
        let (verified, others) = note.verify(&known).unwrap();
        assert_eq!((verified.len(), others.len()), (1, 3));
    }
}

/// What `independent_tree.py` says about these vectors.
fn independent(vectors: &Value, name: &str) -> anyhow::Result<(i32, String)> {
    let file = std::env::temp_dir().join(format!("cs-tree-{}-{name}.json", std::process::id()));
    fs::write(&file, vectors.to_string())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent_tree.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(&file)
        .output()
        .context("python3 is needed to run the independent script")?;
    fs::remove_file(&file)?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok((output.status.code().context("an exit code")?, said))
}

#[test]
fn an_independent_script_agrees_about_the_golden_tree() {
    let vectors = read().unwrap();
    let (code, said) = independent(&vectors, "whole").unwrap();
    assert_eq!(code, 0, "{said}");
    for (pointer, value) in [
        ("/h/40", json!("00".repeat(32))),
        ("/roots/700", vectors["roots"][701].clone()),
        ("/inclusions/30/path/0", json!(NodeHash::EMPTY)),
        ("/inclusions/30/leaf_index", json!(1)),
        ("/consistencies/40/path/0", json!(NodeHash::EMPTY)),
        ("/checkpoints/3", vectors["checkpoints"][4].clone()),
        ("/keys/0", vectors["witnesses"][0]["spki"].clone()),
        ("/witnesses/0/name", json!("witness.example/three")),
    ] {
        let mut spoilt = vectors.clone();
        *spoilt.pointer_mut(pointer).unwrap() = value;
        let (code, said) = independent(&spoilt, "spoilt").unwrap();
        assert_eq!(code, 7, "{pointer}: {said}");
    }
    ensure_notes_are_checked(&vectors).unwrap();
}

fn ensure_notes_are_checked(vectors: &Value) -> anyhow::Result<()> {
    for (from, to) in
        [("\n\n", "\nmore\n\n"), ("\u{2014} main", "\u{2014} mair"), ("\n3\n", "\n4\n")]
    {
        let mut spoilt = vectors.clone();
        let note = spoilt.pointer_mut("/checkpoints/2").context("a checkpoint")?;
        *note = json!(note.as_str().context("a note")?.replacen(from, to, 1));
        let (code, said) = independent(&spoilt, "note")?;
        ensure!(code == 7, "{from:?}: {said}");
    }
    Ok(())
}
