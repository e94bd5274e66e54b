//! The independent verifier over sealed bundles and parts: it shares no code with the crate, and must agree.

mod workbench;

use countersign_ledger::{Checkpoint, CheckpointNote, ProofLine, TreeHead};
use workbench::Workbench;
use workbench::independent::both;
use workbench::sealed::{
    SEALED, SealedLog, log_key, proofs, set_proofs, without_blobs_of, witness_key,
};

#[test]
fn an_independent_verifier_agrees_about_sealed_bundles() {
    let log = SealedLog::of(Workbench::grown(20).unwrap()).unwrap();
    let whole = log.whole().unwrap();
    assert_eq!(both(&log, "whole", &whole).unwrap(), 0);
    let note = |note: &CheckpointNote| {
        let mut bundle = whole.clone();
        bundle.files.insert("checkpoint".to_owned(), note.to_string().into_bytes());
        bundle
    };
    let other = TreeHead { size: 20, root: log.heads[19].root };
    assert_eq!(both(&log, "root", &note(&log.note(&other).unwrap())).unwrap(), 7);
    let claim = || Checkpoint::new(log.bench.origin.clone(), &log.head());
    let alone = claim().seal(&log_key(), SEALED).unwrap();
    assert_eq!(both(&log, "alone", &note(&alone)).unwrap(), 8);
    let stranger = claim().seal(&witness_key(), SEALED).unwrap();
    assert_eq!(both(&log, "stranger", &note(&stranger)).unwrap(), 7);
    let mut cut = whole.clone();
    cut.lines.pop();
    assert_eq!(both(&log, "cut", &without_blobs_of(&cut)).unwrap(), 8);
    for at in [3, 22, 30, 60, 80, 130, 160, 250, 330] {
        let mut spoilt = whole.clone();
        spoilt.files.get_mut("checkpoint").unwrap()[at] ^= 1;
        // A changed name of the witness is a stranger's line: nothing false, but the quorum is not met.
        let code = if at == 330 { 8 } else { 7 };
        assert_eq!(both(&log, &format!("note-{at}"), &spoilt).unwrap(), code, "byte {at}");
    }
}

#[test]
fn an_independent_verifier_agrees_about_parts() {
    let log = SealedLog::of(Workbench::grown(20).unwrap()).unwrap();
    let range = log.range(5, 13).unwrap();
    assert_eq!(both(&log, "range", &range).unwrap(), 0);
    assert_eq!(both(&log, "change", &log.change(3).unwrap()).unwrap(), 0);
    let mut gappy = range.clone();
    gappy.lines.remove(2);
    assert_eq!(both(&log, "gappy", &without_blobs_of(&gappy)).unwrap(), 8);
    let mut unproven = range.clone();
    set_proofs(&mut unproven, &proofs(&range)[1..]);
    assert_eq!(both(&log, "unproven", &unproven).unwrap(), 8);
    let mut wrong = proofs(&range);
    let mut inclusion = ProofLine::parse(&wrong[3]).unwrap().inclusion;
    inclusion.path.swap(0, 1);
    wrong[3] = ProofLine { inclusion }.encode().unwrap();
    let mut spoilt = range.clone();
    set_proofs(&mut spoilt, &wrong);
    assert_eq!(both(&log, "wrong", &spoilt).unwrap(), 7);
    let mut change = log.change(3).unwrap();
    let mut fewer = proofs(&change);
    fewer.remove(1);
    set_proofs(&mut change, &fewer);
    change.lines.remove(1);
    assert_eq!(both(&log, "versions", &without_blobs_of(&change)).unwrap(), 8);
    let mut unsealed = range;
    unsealed.files.remove("checkpoint");
    assert_eq!(both(&log, "unsealed", &unsealed).unwrap(), 8);
}
