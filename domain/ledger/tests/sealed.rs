//! Sealed bundles: the whole log under a checkpoint, parts of it under proofs, and what a verifier kept.

mod workbench;

use countersign_ledger::tree::inclusion_proof;
use countersign_ledger::{
    Caveat, Checkpoint, CheckpointNote, CommitHash, Fault, Kept, Line, ProofLine, Receipt, Report,
    Scope, TreeHead, Verdict, verify_bundle_against,
};
use std::collections::BTreeMap;
use trust::keys::PrivateKey;
use workbench::sealed::{
    SEALED, SealedLog, log_key, proofs, set_proofs, without_blobs_of, witness_key,
};
use workbench::tiles::grown_with;
use workbench::{Bundle, Heads, Workbench, id};

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.fault.code()).collect()
}

#[test]
fn a_sealed_log_is_intact_without_a_caveat() {
    let log = SealedLog::grown().unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    assert_eq!(report.caveats, []);
    let sealed = report.sealed.unwrap();
    assert_eq!((sealed.size, sealed.sealed_at, sealed.is_witnessed), (40, Some(SEALED + 40), true));
    assert_eq!(sealed.cosigned[0].unix_seconds, SEALED + 41);
}

#[test]
fn what_an_unsealed_log_cannot_show_a_checkpoint_does() {
    let log = SealedLog::grown().unwrap();
    let whole = log.whole().unwrap();
    // The last line cut off and the manifest made to fit; the same under the log's unsealed form is intact.
    let mut cut = whole.clone();
    cut.lines.pop();
    let mut cut = without_blobs_of(&cut);
    let report = log.verify(&cut).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["missing", "root_unchecked"]));
    log.manifest(&mut cut, 39, &Scope::Log).unwrap();
    let report = log.verify(&cut).unwrap();
    assert_eq!(report.exit_code(), 7);
    assert_eq!(report.first_bad().unwrap().fault, Fault::TreeSize { stated: 39, sealed: 40 });
    // The last commit of an aggregate left out and everything renumbered: each line is good by itself.
    let mut bench = log.bench.clone();
    let at = bench.lines.iter().rposition(|line| line.sequence == 38).unwrap();
    let subject = bench.lines[at].subject.clone();
    assert!(bench.lines[at + 1..].iter().all(|line| line.subject != subject));
    bench.lines.remove(at);
    for line in &mut bench.lines[at..] {
        line.sequence -= 1;
    }
    let shorter = bench.bundle().unwrap();
    assert_eq!(log.bench.verify(&without_blobs_of(&shorter)).unwrap().exit_code(), 0);
    let mut forged = without_blobs_of(&shorter);
    forged.files.insert(
        "checkpoint".to_owned(),
        log.note(&log.heads[39]).unwrap().to_string().into_bytes(),
    );
    let report = log.verify(&forged).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch"]));
}

#[test]
fn two_good_lines_that_changed_places_are_found_by_the_root() {
    let log = SealedLog::grown().unwrap();
    // Neighbours of different aggregates: swapped with their sequences, so that every chain still holds.
    let mut bundle = log.whole().unwrap();
    let [first, second] = [19, 20].map(|at: usize| Line::parse(&bundle.lines[at]).unwrap());
    assert_ne!(first.subject, second.subject);
    let swapped = [
        Line { sequence: first.sequence, ..second.clone() },
        Line { sequence: second.sequence, ..first },
    ];
    for (at, line) in [19, 20].into_iter().zip(swapped) {
        bundle.lines[at] = line.encode().unwrap();
    }
    let report = log.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch"]));
}

#[test]
fn lines_after_the_checkpoint_are_not_part_of_a_sealed_bundle() {
    let log = SealedLog::grown().unwrap();
    let mut bundle = log.whole().unwrap();
    let earlier = log.note(&log.heads[39]).unwrap().to_string();
    bundle.files.insert("checkpoint".to_owned(), earlier.into_bytes());
    log.manifest(&mut bundle, 39, &Scope::Log).unwrap();
    let report = log.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["beyond_end"]));
}

#[test]
fn a_condemned_message_is_a_leaf_with_its_real_hash() {
    let mut bench = Workbench::grown(12).unwrap();
    bench.lines[7].payload[40] ^= 1;
    let log = SealedLog::of(bench).unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!(report.exit_code(), 7);
    assert!(codes(&report).contains(&"hash_wrong"));
    assert!(!codes(&report).contains(&"root_mismatch"), "{:?}", report.findings);
}

#[test]
fn a_gap_leaf_stands_only_where_the_policy_names_the_sequence() {
    // Sequence 7 was lost before it was sealed: its leaf is a gap.
    let mut bench = Workbench::grown(14).unwrap();
    bench.lines.remove(6);
    bench.blobs.clear();
    bench.lines.retain(|line| !String::from_utf8_lossy(&line.payload).contains("$blob"));
    let mut lost: Vec<u64> = (1..=14).collect();
    lost.retain(|n| bench.lines.iter().all(|line| line.sequence != *n));
    let hashes: BTreeMap<u64, _> =
        bench.lines.iter().map(|line| (line.sequence, CommitHash::of(&line.payload))).collect();
    let leaf = |n: u64| hashes.get(&n).copied().unwrap_or(CommitHash::ZERO);
    let (heads, tiles) = grown_with(14, leaf).unwrap();
    let mut log = SealedLog { heads, tiles, ..SealedLog::of(bench).unwrap() };
    let bundle = log.whole().unwrap();
    let report = log.verify(&bundle).unwrap();
    assert_eq!(report.exit_code(), 8);
    assert!(codes(&report).contains(&"root_unchecked"), "{:?}", report.findings);
    log.policy.logs[0].gaps = lost.clone();
    let report = log.verify(&bundle).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    // Named as lost, and the checkpoint seals a message there: somebody took it out.
    let whole = SealedLog::grown().unwrap();
    let mut bundle = whole.whole().unwrap();
    bundle.lines.remove(36);
    let mut policy = whole.policy.clone();
    policy.logs[0].gaps = vec![37];
    let shard = &whole.bench.shard;
    let report = verify_bundle_against(&bundle, &policy, shard, &Kept::default()).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch"]));
}

#[test]
fn a_checkpoint_that_the_policy_does_not_believe_is_named() {
    let log = SealedLog::grown().unwrap();
    let bundle = log.whole().unwrap();
    let with = |note: CheckpointNote| {
        let mut bundle = bundle.clone();
        bundle.files.insert("checkpoint".to_owned(), note.to_string().into_bytes());
        log.verify(&bundle).unwrap()
    };
    let claim = || Checkpoint::new(log.bench.origin.clone(), &log.head());
    let report = with(claim().seal(&witness_key(), SEALED).unwrap());
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["checkpoint_unsigned"]));
    assert_eq!((report.caveats, report.sealed), (vec![Caveat::NotSealed], None));
    let report = with(claim().seal(&log_key(), SEALED).unwrap());
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["witness_quorum"]));
    assert_eq!(report.caveats, [Caveat::NotWitnessed]);
    // It still binds the log that signed it.
    let other = TreeHead { size: 40, root: log.heads[39].root };
    let report =
        with(Checkpoint::new(log.bench.origin.clone(), &other).seal(&log_key(), SEALED).unwrap());
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch", "witness_quorum"]));
    let mut alone = log.policy.clone();
    alone.logs[0].witness_quorum = 0;
    let report =
        verify_bundle_against(&bundle, &alone, &log.bench.shard, &Kept::default()).unwrap();
    assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![Caveat::NotWitnessed]));
}

#[test]
fn no_changed_byte_of_a_sealed_bundle_stays_unseen() {
    let log = SealedLog::of(Workbench::grown(5).unwrap()).unwrap();
    let bundle = log.whole().unwrap();
    for (name, bytes) in &bundle.files {
        if name == "bundle.json" {
            continue;
        }
        for at in 0..bytes.len() {
            let mut spoilt = bundle.clone();
            spoilt.files.get_mut(name).unwrap()[at] ^= 1;
            let report = log.verify(&spoilt).unwrap();
            assert_ne!(report.verdict, Verdict::Intact, "{name} byte {at}");
        }
    }
}

#[test]
fn a_range_is_proven_line_by_line() {
    let log = SealedLog::grown().unwrap();
    for (from, to) in [(1, 1), (1, 40), (17, 31), (40, 40)] {
        let report = log.verify(&log.range(from, to).unwrap()).unwrap();
        assert_eq!(report.verdict, Verdict::Intact, "{from}-{to} {:?}", report.findings);
        assert_eq!(report.caveats, [Caveat::LaterUnknown]);
        assert_eq!(report.lines, to - from + 1);
    }
    let mut bundle = log.range(17, 31).unwrap();
    bundle.lines.remove(4);
    let report = log.verify(&bundle).unwrap();
    assert_eq!(report.exit_code(), 8);
    assert!(codes(&report).contains(&"missing") && codes(&report).contains(&"proof_unused"));
    log.manifest(&mut bundle, 40, &Scope::Range { from: 17, to: 30 }).unwrap();
    let report = log.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)[0]), (7, "out_of_scope"));
}

#[test]
fn every_line_of_a_part_needs_its_proof_and_every_proof_its_line() {
    let log = SealedLog::grown().unwrap();
    let bundle = log.range(17, 31).unwrap();
    let all = proofs(&bundle);
    let verify = |proofs: &[Vec<u8>]| {
        let mut bundle = bundle.clone();
        set_proofs(&mut bundle, proofs);
        log.verify(&bundle).unwrap()
    };
    let report = verify(&[]);
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["unproven"; 15]));
    let mut fewer = all.clone();
    fewer.remove(3);
    let report = verify(&fewer);
    assert_eq!(report.exit_code(), 8);
    assert_eq!(report.first_bad().unwrap().sequence, Some(20));
    let mut more = all.clone();
    let (_, inclusion) = inclusion_proof(34, &log.head(), &log.tiles).unwrap();
    more.push(ProofLine { inclusion }.encode().unwrap());
    let report = verify(&more);
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["proof_unused"]));
    let mut damaged = all.clone();
    damaged[0].insert(1, b' ');
    assert_eq!((verify(&damaged).exit_code(), codes(&verify(&damaged))[0]), (7, "proof_damaged"));
    let mut other_size = all.clone();
    let (_, inclusion) = inclusion_proof(16, &log.heads[39], &log.tiles).unwrap();
    other_size[0] = ProofLine { inclusion }.encode().unwrap();
    assert_eq!(codes(&verify(&other_size)), ["proof_bounds"]);
    let mut wrong = all.clone();
    let mut inclusion = ProofLine::parse(&all[2]).unwrap().inclusion;
    inclusion.path.swap(0, 1);
    wrong[2] = ProofLine { inclusion }.encode().unwrap();
    let report = verify(&wrong);
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["proof_root"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(19));
    let mut without = bundle.clone();
    without.files.remove("checkpoint");
    let report = log.verify(&without).unwrap();
    assert_eq!(report.exit_code(), 8);
    assert!(codes(&report).contains(&"file_missing") && codes(&report).contains(&"unchecked"));
}

#[test]
fn a_transplanted_line_has_no_proof_at_its_new_place() {
    let log = SealedLog::grown().unwrap();
    let bundle = log.range(17, 31).unwrap();
    let other = Line::parse(&bundle.lines[6]).unwrap();
    let spoilt =
        bundle.with_line(5, |line| *line = Line { sequence: line.sequence, ..other }).unwrap();
    let report = log.verify(&spoilt).unwrap();
    assert_eq!(report.exit_code(), 7);
    assert!(codes(&report).contains(&"proof_root"), "{:?}", report.findings);
}

#[test]
fn everything_about_one_change_is_complete_to_its_last_version() {
    let log = SealedLog::grown().unwrap();
    let bundle = log.change(3).unwrap();
    let report = log.verify(&bundle).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    let version = report.complete_to_version.unwrap();
    assert!(version > 2);
    let said = format!("complete to version {version} at checkpoint 40; later unknown");
    assert_eq!(report.completeness(), Some(said));
    // Its tail may be left out, and the report says how far it goes; its middle may not.
    let mut shorter = bundle.clone();
    shorter.lines.pop();
    let mut all = proofs(&bundle);
    all.pop();
    set_proofs(&mut shorter, &all);
    let report = log.verify(&without_blobs_of(&shorter)).unwrap();
    assert_eq!(report.complete_to_version, Some(version - 1));
    let mut gappy = bundle.clone();
    gappy.lines.remove(2);
    let mut all = proofs(&bundle);
    all.remove(2);
    set_proofs(&mut gappy, &all);
    let report = log.verify(&without_blobs_of(&gappy)).unwrap();
    assert_eq!((report.exit_code(), report.complete_to_version), (8, Some(1)));
    assert!(codes(&report).iter().all(|code| *code == "unlinked"), "{:?}", report.findings);
    let none = log.part(&Scope::Change(id("chg", 99).unwrap()), |line| line.sequence == 1).unwrap();
    let report = log.verify(&none).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["scope_empty"]));
}

#[test]
fn a_kept_checkpoint_shows_a_rewritten_past() {
    let log = SealedLog::grown().unwrap();
    let kept = [log.kept(17).unwrap(), log.kept(40).unwrap()];
    let held = Kept { checkpoints: &kept, ..Kept::default() };
    let report = log.verify_against(&log.whole().unwrap(), &held).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    // The same keys, another history from sequence 12 on.
    let mut bench = Workbench::grown(11).unwrap();
    for n in 12..=40 {
        let data = serde_json::json!({"other": n});
        bench.append("acme", "change", id("chg", 77).unwrap(), "schema.requested", data).unwrap();
    }
    let other = SealedLog::of(bench).unwrap();
    let whole = other.whole().unwrap();
    assert_eq!(other.verify(&whole).unwrap().verdict, Verdict::Intact);
    let report = other.verify_against(&whole, &held).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["fork", "fork"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(17));
    // Of an unsealed log the kept checkpoint seals the beginning.
    let unsealed = other.bench.bundle().unwrap();
    let report = other.verify_against(&unsealed, &held).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["fork", "fork"]));
    // Of a part only the same size can be compared.
    let report = other.verify_against(&other.range(3, 9).unwrap(), &held).unwrap();
    assert_eq!(
        (report.exit_code(), codes(&report)),
        (7, vec!["fork", "kept_checkpoint_unchecked"])
    );
    let short = SealedLog::of(Workbench::grown(20).unwrap()).unwrap();
    let report = log.verify_against(&short.whole().unwrap(), &held).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["kept_checkpoint_unchecked"]));
}

#[test]
fn a_kept_receipt_is_asked_again_as_a_leaf() {
    let log = SealedLog::grown().unwrap();
    let mut heads = Heads::default();
    let identity = log.bench.identity();
    let mut receipts = Vec::new();
    for line in &log.bench.lines {
        let commit = heads.take_in(&identity, &line.stored()).unwrap();
        receipts.push(Receipt::sign(&commit, &log.bench.writer));
    }
    let ask = |bundle: &Bundle, receipts: &[Receipt]| {
        log.verify_against(bundle, &Kept { receipts, ..Kept::default() }).unwrap()
    };
    let whole = log.whole().unwrap();
    assert_eq!(ask(&whole, &receipts).verdict, Verdict::Intact);
    // What the writer promised at sequence 9 is another commit of the log.
    let mut bench = Workbench::grown(8).unwrap();
    let data = serde_json::json!({"promised": true});
    let commit = bench.append("acme", "change", id("chg", 5).unwrap(), "schema.requested", data);
    let promised = Receipt::sign(&commit.unwrap(), &bench.writer);
    let report = ask(&whole, std::slice::from_ref(&promised));
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["receipt_contradicted"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(9));
    let report = ask(&log.range(20, 30).unwrap(), &receipts[..1]);
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["receipt_missing"]));
    // Its signature covers log, sequence and hash; of the rest the commit knows.
    let retold: [fn(&mut Receipt); 3] = [
        |receipt| receipt.version += 1,
        |receipt| receipt.time = receipt.time.plus_seconds(1),
        |receipt| receipt.aggregate.kind = "approval".parse().unwrap(),
    ];
    for retell in retold {
        let mut receipt = receipts[8].clone();
        retell(&mut receipt);
        let report = ask(&whole, &[receipt]);
        assert_eq!((report.exit_code(), codes(&report)), (7, vec!["receipt_invalid"]));
        assert_eq!(report.first_bad().unwrap().sequence, Some(9));
    }
    let mut unsigned = promised;
    unsigned.sequence = 10;
    let report = ask(&whole, &[unsigned]);
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["receipt_invalid"]));
}

/// From 256 lines on the writer's key is prepared, and answers as strictly as before, for each line by itself.
#[test]
fn a_forged_signature_is_found_where_it_is_however_many_were_good() {
    let bench = Workbench::grown(320).unwrap();
    let bundle = bench.bundle().unwrap();
    assert_eq!(bench.verify(&bundle).unwrap().verdict, Verdict::Intact);
    let other = Line::parse(&bundle.lines[310]).unwrap().signature;
    let swapped = bundle.clone().with_line(300, |line| line.signature = other).unwrap();
    let report = bench.verify(&swapped).unwrap();
    assert_eq!(report.first_bad().unwrap().sequence, Some(301));
    assert_eq!(codes(&report)[0], "signature_wrong");
    let stranger = PrivateKey::from_seed(&[99; 32]);
    let forged = bundle.with_line(301, |line| {
        let hash = CommitHash::of(&line.payload);
        line.signature = countersign_ledger::sign_hash(&stranger, &hash).to_string();
    });
    let report = bench.verify(&forged.unwrap()).unwrap();
    assert_eq!(report.first_bad().unwrap().sequence, Some(302));
    assert_eq!(codes(&report)[0], "signature_wrong");
}
