//! Attack 18: malformed proofs and checkpoints against the verifier itself. `tests/checkpoint.rs` has the two known
//! ones by name: `cve_2022_36111_a_receipt_is_asked_again_of_the_sealed_tree` and
//! `cve_2022_39199_origin_and_key_are_never_the_servers_choice`; `tests/hostile.rs` and `fuzz/` throw any bytes.

use crate::workbench::sealed::{SealedLog, log_key, proofs, set_proofs, witness_key};
use crate::world::{COMMITS, TOUCHED, codes, first, index, with_checkpoint, world};
use anyhow::Context as _;
use countersign_ledger::tree::{consistency_proof, inclusion_proof};
use countersign_ledger::{
    Checkpoint, CheckpointError, CheckpointNote, Consistency, Inclusion, NodeHash, ProofError,
    ProofLine, TreeHead, Verdict, cosign, leaf_hash,
};

const FROM: u64 = 410;

type Spoil = fn(&mut Inclusion, NodeHash);

/// A range of the log whose proof of 417 is another.
fn with_proof(line: &[u8]) -> anyhow::Result<(u8, &'static str, Option<u64>)> {
    let world = world()?;
    let mut bundle = world.log.range(FROM, 425)?;
    let mut all = proofs(&bundle);
    *all.get_mut(usize::try_from(TOUCHED - FROM)?).context("a proof")? = line.to_vec();
    set_proofs(&mut bundle, &all);
    Ok(first(&world.verify(&bundle)?))
}

fn genuine() -> anyhow::Result<Inclusion> {
    let log = &world()?.log;
    Ok(inclusion_proof(TOUCHED - 1, &log.head(), &log.tiles)?.1)
}

#[test]
fn attack_18_a_proof_with_a_hash_too_many_too_few_or_wrong_proves_nothing() {
    let hash = NodeHash::from_bytes([7; 32]);
    let changes: [(&str, Spoil); 6] = [
        ("proof_length", |proof, hash| proof.path.push(hash)),
        ("proof_length", |proof, _| proof.path.truncate(proof.path.len() - 1)),
        ("proof_length", |proof, _| proof.path.clear()),
        ("proof_root", |proof, hash| proof.path[0] = hash),
        ("proof_root", |proof, _| proof.path.swap(0, 1)),
        ("proof_bounds", |proof, _| proof.tree_size += 1),
    ];
    for (code, change) in changes {
        let mut inclusion = genuine().unwrap();
        change(&mut inclusion, hash);
        let line = ProofLine { inclusion }.encode().unwrap();
        assert_eq!(with_proof(&line).unwrap(), (7, code, Some(TOUCHED)));
    }
}

#[test]
fn attack_18_a_proof_line_about_no_tree_is_damaged() {
    let text = String::from_utf8(ProofLine { inclusion: genuine().unwrap() }.encode().unwrap());
    let text = text.unwrap();
    for (from, to) in [
        (r#""tree_size":1000"#, r#""tree_size":0"#),
        (r#""tree_size":1000"#, r#""tree_size":9007199254740992"#),
        (r#""tree_size":1000"#, r#""tree_size":18446744073709551615"#),
        (r#""tree_size":1000"#, r#""tree_size":-1"#),
        (r#""tree_size":1000"#, r#""tree_size":1e3"#),
        (r#""leaf_index":416"#, r#""leaf_index":417"#),
        (r#""leaf_index":416"#, r#""leaf_index":0416"#),
        (r#""sequence":417"#, r#""sequence":0"#),
        (r#""sequence":417"#, r#""sequence":417,"sequence":417"#),
    ] {
        let line = text.replace(from, to);
        assert_ne!(line, text);
        let (exit, code, _) = with_proof(line.as_bytes()).unwrap();
        assert_eq!((exit, code), (7, "proof_damaged"), "{to}");
    }
}

#[test]
fn attack_18_a_proof_of_another_line_or_another_tree_proves_nothing() {
    let world = world().unwrap();
    let (_, inclusion) = inclusion_proof(TOUCHED, &world.log.head(), &world.log.tiles).unwrap();
    let line = ProofLine { inclusion }.encode().unwrap();
    // It waits for its own line, which then has two.
    let (exit, code, sequence) = with_proof(&line).unwrap();
    assert_eq!((exit, code, sequence), (8, "unproven", Some(TOUCHED)));
    let head = world.log.heads[500];
    let (_, inclusion) = inclusion_proof(TOUCHED - 1, &head, &world.log.tiles).unwrap();
    let line = ProofLine { inclusion }.encode().unwrap();
    assert_eq!(with_proof(&line).unwrap(), (7, "proof_bounds", Some(TOUCHED)));
}

/// Sizes at the edge of the numbers, asked directly.
#[test]
fn attack_18_no_proof_is_about_nothing_or_about_more_than_any_tree_has() {
    let world = world().unwrap();
    let (root, inclusion) = (world.log.head().root, genuine().unwrap());
    let hash = countersign_ledger::CommitHash::of(&world.line(TOUCHED).unwrap().payload);
    let leaf = leaf_hash(TOUCHED, &hash);
    assert_eq!(inclusion.verify(&leaf, &root), Ok(()));
    assert_eq!(inclusion.verify_commit(0, &hash, &root), Err(ProofError::Bounds));
    for (leaf_index, tree_size) in
        [(0, 0), (TOUCHED - 1, 0), (1_000, 1_000), (0, 1 << 53), (u64::MAX, u64::MAX)]
    {
        let proof = Inclusion { leaf_index, tree_size, path: inclusion.path.clone() };
        assert_eq!(proof.verify(&leaf, &root), Err(ProofError::Bounds), "{leaf_index} {tree_size}");
    }
    let (past, proof) = consistency_proof(700, &world.log.head(), &world.log.tiles).unwrap();
    assert_eq!(proof.verify(&past.root, &root), Ok(()));
    for (from, to) in [(0, 0), (0, 1_000), (1_000, 700), (700, 1 << 53), (u64::MAX, u64::MAX)] {
        let proof = Consistency { from, to, path: proof.path.clone() };
        assert_eq!(proof.verify(&past.root, &root), Err(ProofError::Bounds), "{from} {to}");
    }
    let mut longer = proof.clone();
    longer.path.push(root);
    assert_eq!(longer.verify(&past.root, &root), Err(ProofError::Length));
    assert_eq!(proof.verify(&root, &past.root), Err(ProofError::Root));
    let same = Consistency { from: 1_000, to: 1_000, path: vec![] };
    assert_eq!(same.verify(&past.root, &root), Err(ProofError::Root), "equal sizes, two roots");
}

fn with_note(note: &[u8]) -> anyhow::Result<(u8, &'static str)> {
    let world = world()?;
    let mut bundle = world.whole.clone();
    bundle.files.insert("checkpoint".to_owned(), note.to_vec());
    let (exit, code, _) = first(&world.verify(&bundle)?);
    Ok((exit, code))
}

#[test]
fn attack_18_a_checkpoint_of_no_size_or_of_another_log_is_not_believed() {
    let world = world().unwrap();
    let origin = || world.log.bench.origin.clone();
    let genuine = world.log.note(&world.log.head()).unwrap();
    for (from, to, code) in [
        ("\n1000\n", "\n0\n", "checkpoint_size"),
        ("\n1000\n", "\n9007199254740992\n", "checkpoint_size"),
        ("\n1000\n", "\n18446744073709551616\n", "checkpoint_text"),
        ("\n1000\n", "\n01000\n", "checkpoint_text"),
        ("\n1000\n", "\n999\n", "checkpoint_signature_wrong"),
        ("main.log.example\n1", "other.log.example\n1", "checkpoint_origin"),
    ] {
        let note = genuine.to_string().replacen(from, to, 1);
        assert_eq!(with_note(note.as_bytes()).unwrap(), (7, code), "{to}");
    }
    // Signed well, by the log's key, for another log; and by another key, for this one.
    let elsewhere = Checkpoint::new("other.log.example".parse().unwrap(), &world.log.head());
    let note = elsewhere.seal(&log_key(), 1).unwrap().to_string();
    assert_eq!(with_note(note.as_bytes()).unwrap(), (7, "checkpoint_origin"));
    let note = Checkpoint::new(origin(), &world.log.head()).seal(&witness_key(), 1).unwrap();
    assert_eq!(with_note(note.to_string().as_bytes()).unwrap(), (7, "checkpoint_unsigned"));
    let empty = TreeHead { size: 0, root: NodeHash::EMPTY };
    let note = Checkpoint::new(origin(), &empty).seal(&log_key(), 1).unwrap().to_string();
    let (exit, _) = with_note(note.as_bytes()).unwrap();
    assert_ne!(exit, 0, "a checkpoint of nothing seals nothing");
}

/// One witness's line many times is one witness; one false line among good ones spoils the note.
#[test]
fn attack_18_doubled_and_false_signatures_do_not_count() {
    let world = world().unwrap();
    let policy = &world.log.policy.logs[0];
    let note = world.log.note(&world.log.head()).unwrap();
    let text = note.note().text().to_owned();
    let mut asks_for_two = policy.clone();
    asks_for_two.witnesses.push(countersign_ledger::Witness::always(
        "second.example",
        trust::keys::PrivateKey::from_seed(&[90; 32]).public(),
    ));
    asks_for_two.witness_quorum = 2;
    let mut doubled = note.clone();
    let name = "witness.example".parse().unwrap();
    for later in 1..=20 {
        doubled.add(cosign(&text, &name, &witness_key(), 1_795_159_000 + later)).unwrap();
    }
    let refused = doubled.clone().verify(&asks_for_two);
    assert_eq!(refused, Err(CheckpointError::Quorum { found: 1, needed: 2 }));
    assert_eq!(doubled.verify(policy).unwrap().cosigned().len(), 1);
    let mut repeated = note.to_string();
    repeated.push_str(&note.note().signatures()[2].to_string());
    repeated.push('\n');
    let repeated = CheckpointNote::parse(repeated.as_bytes()).unwrap();
    assert_eq!(repeated.verify(policy).unwrap().cosigned().len(), 1);
    let mut spoilt = note.clone();
    let mut line = cosign(&text, &name, &witness_key(), 1_795_159_000);
    line.signature[20] ^= 1;
    spoilt.add(line).unwrap();
    let bundle = with_checkpoint(world.whole.clone(), &spoilt);
    assert_eq!(first(&world.verify(&bundle).unwrap()).1, "checkpoint_signature_wrong");
}

/// Lines of keys that the policy does not know are ignored, as the format asks: nobody attests them.
#[test]
fn attack_18_a_strangers_line_on_a_checkpoint_changes_nothing() {
    let world = world().unwrap();
    let mut note = world.log.note(&world.log.head()).unwrap();
    let text = note.note().text().to_owned();
    let stranger = trust::keys::PrivateKey::from_seed(&[91; 32]);
    note.add(cosign(&text, &"stranger.example".parse().unwrap(), &stranger, 1)).unwrap();
    let report = world.verify(&with_checkpoint(world.whole.clone(), &note)).unwrap();
    assert_eq!(report.verdict, Verdict::Intact);
}

/// Proofs of a shorter log under the checkpoint of a longer one, and the other way round.
#[test]
fn attack_18_proofs_and_checkpoint_must_be_of_one_tree() {
    let world = world().unwrap();
    let shorter = SealedLog::of(crate::world::grown(500).unwrap()).unwrap();
    let mut bundle = shorter.range(FROM, 425).unwrap();
    let note = world.log.note(&world.log.head()).unwrap();
    world.log.manifest(&mut bundle, COMMITS, &"range:410-425".parse().unwrap()).unwrap();
    let report = world.verify(&with_checkpoint(bundle, &note)).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["proof_bounds"; 16]));
    assert_eq!(index(FROM).unwrap() + 1, usize::try_from(FROM).unwrap());
}
