//! Attacks 1 and 2: bytes are edited, plainly or with the writer's stolen key.

use crate::world::{
    COMMITS, TOUCHED, World, brackets, codes, edited, first, index, relinked_by_the_writer,
    unsealed, world,
};
use countersign_ledger::{Caveat, Line, Report, Verdict, Verifier};
use std::ops::Range;

/// Lines of which every byte is edited: the first, the last, each kind of aggregate, one with a blob.
const SAMPLED: [u64; 8] = [1, 2, 14, 105, 417, 500, 999, 1_000];

/// The value of `received_at`, which nobody attests.
fn received_at(line: &[u8]) -> anyhow::Result<Range<usize>> {
    let label = br#""received_at":""#;
    let at = line.windows(label.len()).position(|window| window == label);
    let start = at.ok_or_else(|| anyhow::anyhow!("received_at"))? + label.len();
    Ok(start..start + "2026-11-20T07:00:00.000000Z".len())
}

/// A wrong number is told from missing lines by the line that follows.
fn after(before: &Verifier, line: &[u8], next: Option<&Vec<u8>>) -> Report {
    let mut verifier = before.clone();
    verifier.line(line);
    if let Some(next) = next {
        verifier.line(next);
    }
    verifier.finish_without_blobs()
}

fn is_found_at(report: &Report, number: u64) -> bool {
    let line = report.first_bad().and_then(|finding| finding.line);
    report.verdict == Verdict::Tampered && line == Some(number)
}

/// Any byte but for those of the value of `received_at`, chosen by the line's number.
fn some_byte(line: &[u8], number: usize) -> anyhow::Result<usize> {
    let (free, at) = (received_at(line)?, (number * 7_919) % line.len());
    Ok(if free.contains(&at) { free.end } else { at })
}

#[test]
fn attack_01_every_byte_of_a_line_counts() {
    let world = world().unwrap();
    let mut verifier = world.verifier().unwrap();
    let mut edits = 0;
    for (number, line) in (1..).zip(&world.whole.lines) {
        let next = world.whole.lines.get(index(number + 1).unwrap());
        let free = received_at(line).unwrap();
        for at in (0..line.len()).filter(|at| SAMPLED.contains(&number) && !free.contains(at)) {
            let mut spoilt = line.clone();
            spoilt[at] ^= 1 << (at % 8);
            assert!(
                is_found_at(&after(&verifier, &spoilt, next), number),
                "line {number} byte {at}"
            );
            edits += 1;
        }
        verifier.line(line);
    }
    assert!(edits > 8_000, "{edits}");
}

#[test]
fn attack_01_an_edited_byte_of_every_line_is_found_at_its_sequence() {
    let world = world().unwrap();
    let mut verifier = world.verifier().unwrap();
    for (number, line) in world.whole.lines.iter().enumerate() {
        for edit in 0..4 {
            let mut spoilt = line.clone();
            let at = some_byte(line, number + 1 + 251 * edit).unwrap();
            spoilt[at] ^= 1 << ((number + edit) % 8);
            let report = after(&verifier, &spoilt, world.whole.lines.get(number + 1));
            assert!(is_found_at(&report, number as u64 + 1), "line {} byte {at}", number + 1);
        }
        verifier.line(line);
    }
    assert_eq!(verifier.finish_without_blobs().verdict, Verdict::Intact);
}

/// That the tests above may stop after the edited line: the whole bundle's first finding is the same.
#[test]
fn attack_01_the_lines_after_an_edited_one_take_no_blame_from_it() {
    let world = world().unwrap();
    for number in (3..COMMITS).step_by(83) {
        let mut bundle = world.whole.clone();
        let line = &mut bundle.lines[index(number).unwrap()];
        let at = some_byte(line, usize::try_from(number).unwrap()).unwrap();
        line[at] ^= 1;
        assert!(is_found_at(&world.verify(&bundle).unwrap(), number), "line {number} byte {at}");
    }
}

#[test]
fn attack_01_a_payload_with_a_recomputed_hash_fails_its_signature() {
    let world = world().unwrap();
    let spoilt = world.whole.clone().with_line(index(TOUCHED).unwrap(), |line: &mut Line| {
        let at = line.payload.len() / 2;
        line.payload[at] ^= 1;
        line.hash = countersign_ledger::CommitHash::of(&line.payload).to_string();
    });
    let (exit, code, sequence) = first(&world.verify(&spoilt.unwrap()).unwrap());
    assert_eq!((exit, sequence), (7, Some(TOUCHED)));
    assert!(["signature_wrong", "malformed"].contains(&code), "{code}");
}

/// With the writer's key and one commit only, the chain breaks at the next version.
#[test]
fn attack_02_an_edit_with_the_writers_key_breaks_the_next_link() {
    let world = world().unwrap();
    let forged = forged(world).unwrap();
    let next = world.next_of_its_aggregate(TOUCHED).unwrap().sequence;
    let report = world.verify(&unsealed(&forged).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "prev_mismatch", Some(next)));
}

/// With the writer's key and patience, everything that commits show is good: only a checkpoint is against it.
#[test]
fn attack_02_a_recomputed_chain_is_seen_by_the_checkpoint_alone() {
    let world = world().unwrap();
    let forged = relinked_by_the_writer(forged(world).unwrap()).unwrap();
    let report = world.verify(&unsealed(&forged).unwrap()).unwrap();
    assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![Caveat::NotSealed]));
    let bundle = world.under_genuine(&forged).unwrap();
    let report = world.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch"]));
    // Kept checkpoints say where: after 400, and not after 500.
    let report = world.verify_kept(&bundle).unwrap();
    assert_eq!(first(&report), (7, "fork", Some(500)));
    assert_eq!(report.agreed_to, 400);
    assert!(brackets(&report, TOUCHED));
}

fn forged(world: &World) -> anyhow::Result<crate::workbench::Workbench> {
    edited(&world.log.bench, TOUCHED, &world.log.bench.writer, |envelope| {
        envelope.actor.id = crate::workbench::id("prn", 666).unwrap_or(envelope.actor.id.clone());
    })
}
