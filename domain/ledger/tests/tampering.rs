//! Whatever is done to the lines of a bundle is found, and the right line is named; an untouched log is intact.

mod workbench;

use countersign_ledger::{CommitHash, Fault, Reason, Report, Verdict, Verifier, sign_hash};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;
use trust::keys::PrivateKey;
use workbench::{Bundle, Workbench, id};

/// One log for all properties: making it costs more than verifying it.
static GROWN: LazyLock<Option<(Workbench, Bundle)>> = LazyLock::new(|| {
    let bench = Workbench::grown(14).ok()?;
    let bundle = bench.bundle().ok()?;
    Some((bench, bundle))
});

fn grown() -> anyhow::Result<(&'static Workbench, Bundle)> {
    let (bench, bundle) = GROWN.as_ref().ok_or_else(|| anyhow::anyhow!("a grown log"))?;
    Ok((bench, bundle.clone()))
}

/// The lines only, as a follower of a live log sees them.
fn verify_lines(bench: &Workbench, bundle: &Bundle, end: u64) -> anyhow::Result<Report> {
    let verifier = Verifier::new(&bench.policy(), &bench.origin, &bench.shard)?;
    let mut verifier = verifier.ending_at(end);
    countersign_ledger::verify_commits(&mut verifier, &mut bundle.commits().as_slice())?;
    Ok(verifier.finish_without_blobs())
}

fn named(report: &Report) -> (Verdict, Option<u64>) {
    (report.verdict, report.first_bad().and_then(|finding| finding.line))
}

/// Where the value of `received_at` stands in a line.
fn received_at(line: &[u8]) -> anyhow::Result<std::ops::Range<usize>> {
    let label = br#""received_at":""#;
    let at = line.windows(label.len()).position(|window| window == label);
    let start = at.ok_or_else(|| anyhow::anyhow!("received_at"))? + label.len();
    Ok(start..start + "2026-11-20T07:00:00.000000Z".len())
}

#[test]
fn an_untouched_log_is_intact() {
    for commits in [1, 2, 3, 8, 40] {
        let bench = Workbench::grown(commits).unwrap();
        let report = bench.verify(&bench.bundle().unwrap()).unwrap();
        assert_eq!(report.findings, vec![], "{commits} commits");
        assert_eq!((report.verdict, report.exit_code()), (Verdict::Intact, 0));
        assert_eq!((report.commits, report.last_sequence), (commits, commits));
        assert_eq!(report.blobs_checked, report.blobs_named);
        let caveat = report.caveats[0].to_string();
        assert!(caveat.starts_with("not sealed: the end is unprovable"), "{caveat}");
        for unprovable in ["every aggregate's chain", "whole aggregates", "order between"] {
            assert!(caveat.contains(unprovable), "{unprovable} is not in {caveat}");
        }
    }
}

#[test]
fn every_byte_of_a_short_log_counts() {
    let bench = Workbench::grown(3).unwrap();
    let bundle = bench.bundle().unwrap();
    for (index, line) in bundle.lines.iter().enumerate() {
        let free = received_at(line).unwrap();
        for at in (0..line.len()).filter(|at| !free.contains(at)) {
            let mut flipped = bundle.clone();
            flipped.lines[index][at] ^= 1 << (at % 8);
            let report = verify_lines(&bench, &flipped, 3).unwrap();
            let number = u64::try_from(index + 1).unwrap();
            assert_eq!(named(&report), (Verdict::Tampered, Some(number)), "byte {at}");
        }
    }
}

#[test]
fn a_received_at_is_free_within_its_form() {
    let (bench, bundle) = grown().unwrap();
    let other = bundle.clone().with_line(4, |line| {
        line.received_at = line.received_at.plus_seconds(86_400);
    });
    assert_eq!(bench.verify(&other.unwrap()).unwrap().verdict, Verdict::Intact);
    let mut broken = bundle;
    let at = received_at(&broken.lines[4]).unwrap().start;
    broken.lines[4][at] = b'x';
    assert_eq!(named(&bench.verify(&broken).unwrap()), (Verdict::Tampered, Some(5)));
}

#[test]
fn the_same_content_in_another_spelling_is_found() {
    let (bench, bundle) = grown().unwrap();
    let respelled: [fn(&str) -> String; 5] = [
        |line| line.replacen(':', ": ", 1),
        |line| line.replacen("cs.log", "\\u0063s.log", 1),
        |line| format!(" {line}"),
        |line| line.replace('\n', "\r\n"),
        |line| line.replacen("\"hash\"", "\"more\":1,\"hash\"", 1),
    ];
    for respell in respelled {
        let mut changed = bundle.clone();
        let line = String::from_utf8(changed.lines[6].clone()).unwrap();
        changed.lines[6] = respell(&line).into_bytes();
        assert_ne!(changed.lines[6], line.into_bytes());
        assert_eq!(named(&bench.verify(&changed).unwrap()), (Verdict::Tampered, Some(7)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_flipped_byte_is_found_and_its_line_named(
        pick in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let (bench, mut bundle) = grown().unwrap();
        let index = pick.index(bundle.lines.len());
        let line = &mut bundle.lines[index];
        let at = at.index(line.len());
        let free = received_at(line).unwrap();
        prop_assume!(!free.contains(&at));
        line[at] ^= change;
        let number = u64::try_from(index + 1).unwrap();
        prop_assert_eq!(named(&bench.verify(&bundle).unwrap()), (Verdict::Tampered, Some(number)));
    }

    #[test]
    fn swapped_lines_are_found(a in 0..14_usize, b in 0..14_usize) {
        prop_assume!(a < b);
        let (bench, mut bundle) = grown().unwrap();
        bundle.lines.swap(a, b);
        let (verdict, line) = named(&bench.verify(&bundle).unwrap());
        prop_assert_eq!(verdict, Verdict::Tampered);
        prop_assert!(line == Some(a as u64 + 1) || line == Some(b as u64 + 1), "{:?}", line);
    }

    #[test]
    fn a_repeated_line_is_found(from in 0..14_usize, to in 0..=14_usize) {
        let (bench, mut bundle) = grown().unwrap();
        let line = bundle.lines[from].clone();
        bundle.lines.insert(to, line);
        prop_assert_eq!(bench.verify(&bundle).unwrap().verdict, Verdict::Tampered);
    }

    #[test]
    fn a_deleted_line_is_missing_and_nothing_else_looks_forged(index in 0..14_usize) {
        let (bench, bundle) = grown().unwrap();
        let report = verify_lines(bench, &bundle.without_line(index), 14).unwrap();
        let sequence = index as u64 + 1;
        prop_assert_eq!(report.verdict, Verdict::Incomplete, "{:?}", report.findings);
        let missing = Fault::Missing { first: sequence, last: sequence };
        prop_assert_eq!(&report.first_bad().unwrap().fault, &missing);
    }

    #[test]
    fn a_deleted_line_whose_place_is_closed_up_is_found(index in 0..13_usize) {
        let (bench, mut bundle) = grown().unwrap();
        bundle = bundle.without_line(index);
        for later in index..bundle.lines.len() {
            bundle = bundle.with_line(later, |line| line.sequence -= 1).unwrap();
        }
        let report = verify_lines(bench, &bundle, 13).unwrap();
        // Without a tree, the last commit of an aggregate can be taken out unseen.
        let is_last_of_its_aggregate = !bench.lines[index + 1..]
            .iter()
            .any(|line| line.subject == bench.lines[index].subject);
        if is_last_of_its_aggregate && index > 0 {
            prop_assert_eq!(report.verdict, Verdict::Intact);
        } else {
            prop_assert_eq!(report.verdict, Verdict::Tampered);
        }
    }

    #[test]
    fn a_cut_off_end_is_named(keep in 0..14_usize) {
        let (bench, mut bundle) = grown().unwrap();
        bundle.lines.truncate(keep);
        let report = verify_lines(bench, &bundle, 14).unwrap();
        let missing = Fault::Missing { first: keep as u64 + 1, last: 14 };
        prop_assert_eq!(report.verdict, Verdict::Incomplete);
        prop_assert_eq!(&report.first_bad().unwrap().fault, &missing);
    }

    #[test]
    fn a_file_cut_inside_a_line_is_tampering(cut in any::<proptest::sample::Index>()) {
        let (bench, mut bundle) = grown().unwrap();
        let last = bundle.lines.last_mut().unwrap();
        let keep = 1 + cut.index(last.len() - 1);
        last.truncate(keep);
        prop_assert_eq!(named(&bench.verify(&bundle).unwrap()), (Verdict::Tampered, Some(14)));
    }
}

#[test]
fn a_line_that_claims_more_than_the_log_is_found() {
    let (bench, bundle) = grown().unwrap();
    let beyond = bundle.with_line(13, |line| line.sequence = 90).unwrap();
    let report = bench.verify(&beyond).unwrap();
    assert_eq!(named(&report), (Verdict::Tampered, Some(14)));
    assert_eq!(report.first_bad().unwrap().fault, Fault::BeyondEnd { tree_size: 14 });
}

#[test]
fn an_inserted_commit_by_a_stranger_is_condemned_and_the_rest_stays_good() {
    let mut bench = Workbench::grown(5).unwrap();
    let envelope =
        bench.envelope("acme", "change", id("chg", 9).unwrap(), "schema.approved", json!({}));
    let mut envelope = envelope.unwrap();
    let stranger = PrivateKey::from_seed(&[9; 32]);
    envelope.writer = stranger.id();
    bench.put(&envelope.sign(&bench.shard, &stranger).unwrap()).unwrap();
    bench.append("acme", "change", id("chg", 2).unwrap(), "schema.approved", json!({})).unwrap();
    let report = bench.verify(&bench.bundle().unwrap()).unwrap();
    assert_eq!((report.tampering, report.commits, report.exit_code()), (1, 6, 7));
    let first = report.first_bad().unwrap();
    assert_eq!((first.sequence, &first.fault), (Some(6), &Fault::Condemned(Reason::Writer)));
}

#[test]
fn an_edited_commit_with_a_recomputed_hash_fails_its_signature() {
    let (bench, bundle) = grown().unwrap();
    let edited = bundle.with_line(3, |line| {
        let text = String::from_utf8_lossy(&line.payload).replace("submit_change", "submit_chance");
        line.payload = text.into_bytes();
        line.hash = CommitHash::of(&line.payload).to_string();
    });
    let report = bench.verify(&edited.unwrap()).unwrap();
    assert_eq!(report.first_bad().unwrap().fault, Fault::Condemned(Reason::SignatureWrong));
    assert_eq!(named(&report), (Verdict::Tampered, Some(4)));
}

#[test]
fn a_writer_who_rewrites_a_commit_breaks_the_link_of_the_next_one() {
    let (bench, bundle) = grown().unwrap();
    let edited = bundle.with_line(1, |line| {
        let text = String::from_utf8_lossy(&line.payload).replace("submit_change", "submit_chance");
        line.payload = text.into_bytes();
        let hash = CommitHash::of(&line.payload);
        line.hash = hash.to_string();
        line.signature = sign_hash(&bench.writer, &hash).to_string();
    });
    let report = bench.verify(&edited.unwrap()).unwrap();
    let next = bench.lines[2..].iter().find(|line| line.subject == bench.lines[1].subject).unwrap();
    let first = report.first_bad().unwrap();
    assert_eq!(first.sequence, Some(next.sequence));
    assert_eq!(first.fault, Fault::Condemned(Reason::Prev));
}

#[test]
fn a_log_that_does_not_begin_with_log_opened_is_found() {
    let mut bench = Workbench::empty().unwrap();
    bench.append("acme", "change", id("chg", 1).unwrap(), "schema.requested", json!({})).unwrap();
    let report = bench.verify(&bench.bundle().unwrap()).unwrap();
    assert_eq!(report.first_bad().unwrap().fault, Fault::NotOpened);
}

#[test]
fn what_is_printed_about_hostile_lines_is_escaped() {
    let (bench, bundle) = grown().unwrap();
    let hostile = bundle.with_line(3, |line| line.subject.push_str("\u{1b}[2J\u{202e}"));
    let sentence = bench.verify(&hostile.unwrap()).unwrap().first_bad().unwrap().to_string();
    assert!(sentence.contains("\\u{1b}[2J\\u{202e}"), "{sentence}");
}

#[test]
fn many_findings_are_counted_and_some_are_listed() {
    let bench = Workbench::opened().unwrap();
    let mut verifier = Verifier::new(&bench.policy(), &bench.origin, &bench.shard).unwrap();
    for _ in 0..2_500 {
        verifier.line(b"nonsense\n");
    }
    let report = verifier.finish();
    assert_eq!((report.tampering, report.findings.len()), (2_500, 1_000));
}
