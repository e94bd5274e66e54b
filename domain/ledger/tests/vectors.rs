//! The golden vectors: exact bytes that every version must go on making and reading.
//!
//! `cargo test -p countersign-ledger --test vectors -- --ignored` writes them again; a difference is a new format.

mod workbench;

use anyhow::{Context as _, ensure};
use countersign_ledger::{
    CommitHash, Entry, EntryKind, Line, Policy, Receipt, RequestDigest, Verdict, verify_bundle,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use trust::encoding::to_base64;
use workbench::{Bundle, GOLDEN_SEED, Heads, Workbench};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Every file of the vectors, made anew.
fn golden() -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let bench = Workbench::grown(8)?;
    let bundle = bench.bundle()?;
    let mut heads = Heads::default();
    let mut commits = Vec::new();
    let mut receipts = Vec::new();
    for line in &bench.lines {
        let commit = heads.take_in(&bench.identity(), &line.stored())?;
        commits.push(json!({
            "sequence": line.sequence,
            "subject": line.subject,
            "payload": std::str::from_utf8(&line.payload)?,
            "hash": line.hash,
            "signature": line.signature,
            "line": String::from_utf8(line.encode()?)?,
        }));
        receipts.push(Receipt::sign(&commit, &bench.writer));
    }
    let vectors = json!({
        "note": "Ed25519 seed, commits, receipts and lines of PROTOCOL.md section 1. Never use this key.",
        "seed": to_base64(GOLDEN_SEED),
        "spki": bench.writer.public(),
        "key_id": bench.writer.id(),
        "log": bench.origin,
        "shard": bench.shard,
        "request": {"body": "{}", "digest": RequestDigest::of(b"{}")},
        "empty_payload_hash": CommitHash::of(b""),
        "commits": commits,
        "receipts": receipts,
    });
    let mut text = serde_json::to_vec_pretty(&vectors)?;
    text.push(b'\n');
    let mut files = BTreeMap::from([
        ("ledger.json".to_owned(), text),
        ("policy.json".to_owned(), bench.policy().encode()?),
        ("bundle/commits.ndjson".to_owned(), bundle.commits()),
    ]);
    files.extend(bundle.files.into_iter().map(|(name, bytes)| (format!("bundle/{name}"), bytes)));
    Ok(files)
}

fn read_bundle(root: &Path) -> anyhow::Result<Bundle> {
    let mut bundle = Bundle { lines: vec![], files: BTreeMap::new(), others: vec![] };
    let commits = fs::read(root.join("commits.ndjson"))?;
    bundle.lines = commits.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    bundle.files.insert("bundle.json".to_owned(), fs::read(root.join("bundle.json"))?);
    bundle.others.push(Entry { name: "blobs".to_owned(), kind: EntryKind::Directory });
    for entry in fs::read_dir(root.join("blobs"))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a UTF-8 name")?;
        bundle.files.insert(format!("blobs/{name}"), fs::read(entry.path())?);
    }
    Ok(bundle)
}

fn write_bundle(bundle: &Bundle, root: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(root.join("blobs"))?;
    fs::write(root.join("commits.ndjson"), bundle.commits())?;
    for (name, bytes) in &bundle.files {
        fs::write(root.join(name), bytes)?;
    }
    Ok(())
}

#[test]
fn the_golden_vectors_are_made_the_same_way_still() {
    for (name, bytes) in golden().unwrap() {
        let checked_in = fs::read(folder().join(&name)).unwrap();
        if name == "ledger.json" {
            // Its own order of members depends on how serde_json was built; what it holds does not.
            let [old, new] = [checked_in, bytes].map(|text| serde_json::from_slice::<Value>(&text));
            assert_eq!(old.unwrap(), new.unwrap());
        } else {
            assert!(checked_in == bytes, "{name} differs");
        }
    }
}

#[test]
#[ignore = "writes the golden vectors"]
fn write_the_golden_vectors() {
    for (name, bytes) in golden().unwrap() {
        let path = folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn the_golden_bundle_and_its_receipts_are_intact() {
    let bundle = read_bundle(&folder().join("bundle")).unwrap();
    let policy = Policy::parse(&fs::read(folder().join("policy.json")).unwrap()).unwrap();
    let shard = "main".parse().unwrap();
    let report = verify_bundle(&bundle, &policy, &shard, None).unwrap();
    assert_eq!((report.verdict, report.commits), (Verdict::Intact, 8));
    let vectors: Value =
        serde_json::from_slice(&fs::read(folder().join("ledger.json")).unwrap()).unwrap();
    let receipts = vectors["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 8);
    for (receipt, line) in receipts.iter().zip(&bundle.lines) {
        let receipt: Receipt = serde_json::from_value(receipt.clone()).unwrap();
        assert_eq!(receipt.verify(&policy.logs[0].writers), Ok(()));
        assert_eq!(receipt.hash.to_string(), Line::parse(line).unwrap().hash);
    }
}

/// Judges a copy of the golden bundle after `change` with both verifiers, which must agree; the exit code.
fn independent(name: &str, change: impl FnOnce(&mut Bundle)) -> anyhow::Result<i32> {
    with_gaps(name, &[], change)
}

/// The same, where the policy names lost sequences.
fn with_gaps(name: &str, gaps: &[u64], change: impl FnOnce(&mut Bundle)) -> anyhow::Result<i32> {
    let root = std::env::temp_dir().join(format!("cs-ledger-{}-{name}", std::process::id()));
    let mut bundle = read_bundle(&folder().join("bundle"))?;
    change(&mut bundle);
    write_bundle(&bundle, &root)?;
    let mut policy = Policy::parse(&fs::read(folder().join("policy.json"))?)?;
    policy.logs.iter_mut().for_each(|log| log.gaps = gaps.to_vec());
    fs::write(root.join("policy"), policy.encode()?)?;
    let ours = verify_bundle(&bundle, &policy, &"main".parse()?, None)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent_verifier.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(&root)
        .arg(root.join("policy"))
        .output()
        .context("python3 is needed to run the independent verifier")?;
    fs::remove_dir_all(&root)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(said.contains("not sealed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().context("an exit code")?;
    ensure!(code == i32::from(ours.exit_code()), "{said} but {:?}", ours.findings);
    Ok(code)
}

#[test]
fn an_independent_verifier_agrees_about_the_golden_bundle() {
    assert_eq!(independent("whole", |_| {}).unwrap(), 0);
    assert_eq!(independent("cut", |bundle| bundle.lines.truncate(6)).unwrap(), 8);
    assert_eq!(independent("gone", |bundle| drop(bundle.lines.remove(3))).unwrap(), 8);
    assert_eq!(independent("swapped", |bundle| bundle.lines.swap(3, 4)).unwrap(), 7);
    assert_eq!(
        independent("twice", |bundle| {
            let line = bundle.lines[4].clone();
            bundle.lines.insert(5, line);
        })
        .unwrap(),
        7
    );
    for at in [2, 14, 40, 120, 200, 330, 400, 900] {
        let flip = |bundle: &mut Bundle| bundle.lines[4][at] ^= 4;
        assert_eq!(independent(&format!("flip-{at}"), flip).unwrap(), 7, "byte {at}");
    }
}

#[test]
fn an_independent_verifier_agrees_about_gaps_that_the_policy_names() {
    // Sequence 2 is the first version of an aggregate that goes on at sequence 7.
    let lost = |sequences: &'static [u64]| {
        move |bundle: &mut Bundle| {
            let kept = bundle.lines.iter().filter(|line| {
                let sequence = Line::parse(line).map(|line| line.sequence);
                sequence.is_ok_and(|sequence| !sequences.contains(&sequence))
            });
            bundle.lines = kept.cloned().collect();
        }
    };
    assert_eq!(with_gaps("named", &[2], lost(&[2])).unwrap(), 0);
    assert_eq!(with_gaps("unnamed", &[], lost(&[2])).unwrap(), 8);
    assert_eq!(with_gaps("half", &[2], lost(&[2, 3])).unwrap(), 8);
    assert_eq!(with_gaps("here", &[2], |_| {}).unwrap(), 8);
}
