//! Attacks 10 and 11: genuine commits in places where they do not belong, and messages that no writer wrote.

use crate::workbench::sealed::SealedLog;
use crate::workbench::{Bundle, Workbench, id};
use crate::world::{COMMITS, TOUCHED, World, codes, edited, first, index, rewrite, world};
use anyhow::Context as _;
use countersign_ledger::{CommitHash, Envelope, Line, sign_hash};
use serde_json::json;
use trust::keys::PrivateKey;

type Bypass = fn(&mut Line, &PrivateKey);

/// A line in another's place, under that one's number.
fn in_place(world: &World, sequence: u64, line: Line) -> anyhow::Result<Bundle> {
    let mut bundle = world.whole.clone();
    let place = bundle.lines.get_mut(index(sequence)?).context("a line")?;
    *place = Line { sequence, ..line }.encode()?;
    Ok(bundle)
}

#[test]
fn attack_10_a_commit_does_not_belong_to_another_tenant() {
    let world = world().unwrap();
    let mut line = world.line(TOUCHED).unwrap().clone();
    let moved = line.subject.replace(".acme.", ".globex.");
    assert_ne!(moved, line.subject);
    line.subject = moved;
    let report = world.verify(&in_place(world, TOUCHED, line).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "subject_mismatch", Some(TOUCHED)));
}

#[test]
fn attack_10_a_commit_does_not_belong_to_another_aggregate() {
    let world = world().unwrap();
    let other = world.line(TOUCHED + 1).unwrap();
    let line = Line { subject: other.subject.clone(), ..world.line(TOUCHED).unwrap().clone() };
    let report = world.verify(&in_place(world, TOUCHED, line).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "subject_mismatch", Some(TOUCHED)));
}

/// The same writer, tenant and aggregate in another log.
#[test]
fn attack_10_a_commit_does_not_belong_to_another_log() {
    let world = world().unwrap();
    let mut there = Workbench::empty().unwrap();
    there.origin = "other.log.example".parse().unwrap();
    let mut line = world.line(TOUCHED).unwrap().clone();
    let mut envelope = Envelope::parse(&line.payload).unwrap();
    envelope.log = there.origin.clone();
    rewrite(&mut line, envelope, &there, &there.writer).unwrap();
    let report = world.verify(&in_place(world, TOUCHED, line).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "log_mismatch", Some(TOUCHED)));
}

#[test]
fn attack_10_a_commit_does_not_belong_at_a_later_sequence() {
    let world = world().unwrap();
    let earlier = world.line(TOUCHED).unwrap().clone();
    let report = world.verify(&in_place(world, TOUCHED + 300, earlier).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "version_mismatch", Some(TOUCHED + 300)));
}

/// A part about one change, with a genuine line of elsewhere under the proof of the one that it replaces.
#[test]
fn attack_10_a_transplanted_line_has_no_proof() {
    let world = world().unwrap();
    let mut bundle = world.log.range(410, 425).unwrap();
    let line = Line { sequence: TOUCHED, ..world.line(900).unwrap().clone() };
    bundle.lines[7] = line.encode().unwrap();
    let report = world.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), first(&report).2), (7, Some(TOUCHED)));
    assert!(codes(&report).contains(&"proof_root"), "{:?}", report.findings);
}

/// Valid NATS credentials, the right expectation, and no gateway: the sealer seals what is there, and every reader
/// condemns it by name. The log around it stays good.
#[test]
fn attack_11_a_message_that_went_around_the_writer_is_condemned() {
    let bench = crate::world::grown(300).unwrap();
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let messages: [(&str, Bypass); 7] = [
        ("hash_missing", |line, _| line.hash.clear()),
        ("hash_wrong", |line, _| line.hash = CommitHash::of(b"other").to_string()),
        ("signature_missing", |line, _| line.signature.clear()),
        ("signature_wrong", |line, key| {
            line.signature = sign_hash(key, &CommitHash::of(&line.payload)).to_string();
        }),
        ("signature_wrong", |line, _| "nonsense".clone_into(&mut line.signature)),
        ("malformed", |line, _| {
            line.payload = b"{}".to_vec();
            line.hash = CommitHash::of(&line.payload).to_string();
        }),
        ("malformed", |line, _| {
            line.payload = b"\xff\x00".to_vec();
            line.hash = CommitHash::of(&line.payload).to_string();
        }),
    ];
    for (reason, bypass) in messages {
        let mut log = bench.clone();
        let (change, data) = (id("chg", 3).unwrap(), json!({"bypassed": true}));
        log.append("acme", "change", change, "schema.requested", data).unwrap();
        bypass(log.lines.last_mut().unwrap(), &stranger);
        let log = SealedLog::of(log).unwrap();
        let report = log.verify(&log.whole().unwrap()).unwrap();
        assert_eq!((first(&report), codes(&report).len()), ((7, reason, Some(301)), 1));
        assert_eq!((report.commits, report.agreed_to), (300, 301), "it is a leaf, and no commit");
    }
}

#[test]
fn attack_11_a_stranger_who_signs_well_is_no_writer() {
    let world = world().unwrap();
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let forged = edited(&world.log.bench, COMMITS, &stranger, |_| {}).unwrap();
    let log = SealedLog::of(forged).unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!(first(&report), (7, "writer_invalid", Some(COMMITS)));
    assert!(!codes(&report).contains(&"root_mismatch"), "{:?}", report.findings);
}
