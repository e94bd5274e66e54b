//! Attack 14: clocks lie. No time is exact, and the report says within which bounds a commit was taken in.

use crate::workbench::sealed::{SEALED, SealedLog, log_key, witness_key};
use crate::workbench::{ORIGIN, Workbench};
use crate::world::{TOUCHED, World, edited, relinked_by_the_writer, with_checkpoint, world};
use anyhow::Context as _;
use countersign_ledger::{
    Bounds, Caveat, Checkpoint, CheckpointNote, Kept, Report, TreeHead, Verdict, cosign,
};

const DAY: i64 = 86_400;

/// A writer whose clock was off at 417, sealed honestly.
fn off_by(seconds: i64) -> anyhow::Result<SealedLog> {
    let bench = &world()?.log.bench;
    let forged = edited(bench, TOUCHED, &bench.writer, |envelope| {
        envelope.time = envelope.time.plus_seconds(seconds);
    })?;
    SealedLog::of(relinked_by_the_writer(forged)?)
}

fn verified(log: &SealedLog, sizes: &[usize]) -> anyhow::Result<Report> {
    let kept = sizes.iter().map(|size| log.kept(*size)).collect::<anyhow::Result<Vec<_>>>()?;
    log.verify_against(&log.whole()?, &Kept { checkpoints: &kept, ..Kept::default() })
}

#[test]
fn attack_14_honest_clocks_are_not_disputed() {
    let world = world().unwrap();
    let report = world.verify_kept(&world.whole).unwrap();
    assert_eq!((report.verdict, &report.caveats), (Verdict::Intact, &vec![]));
    assert_eq!((report.times.disputed, report.times.first_disputed), (0, None));
    assert_eq!(report.times.checkpoints.len(), 11);
}

/// Before the next checkpoint that seals it, after the one before it less the merge delay: bounds, and nothing exact.
#[test]
fn attack_14_a_commit_has_bounds_and_no_exact_time() {
    let log = &world().unwrap().log;
    let report = verified(log, &[400, 500]).unwrap();
    let bounds = report.times.bounds(TOUCHED);
    let (not_before, not_after) = (Some(SEALED + 400 - 60), Some(SEALED + 500));
    assert_eq!(bounds, Bounds { not_before, not_after });
    // With the bundle's own checkpoint alone the bounds are wider, and one end may be open.
    let report = verified(log, &[]).unwrap();
    let expected = Bounds { not_before: None, not_after: Some(SEALED + 1_000) };
    assert_eq!(report.times.bounds(TOUCHED), expected);
    let unsealed = log.bench.verify(&log.bench.bundle().unwrap()).unwrap();
    let expected = Bounds { not_before: None, not_after: None };
    assert_eq!(unsealed.times.bounds(TOUCHED), expected, "nobody says anything");
}

#[test]
fn attack_14_a_writer_a_day_ahead_or_behind_is_outside_of_its_bounds() {
    for seconds in [DAY, -DAY] {
        let log = off_by(seconds).unwrap();
        let report = verified(&log, &[400, 500]).unwrap();
        assert_eq!(report.verdict, Verdict::Intact, "a wrong clock is no tampering");
        assert_eq!(report.caveats, [Caveat::ClocksDisagree], "and it is said");
        assert_eq!((report.times.disputed, report.times.first_disputed), (1, Some(TOUCHED)));
    }
    // Of a clock behind, only a checkpoint that came before the commit can tell.
    let report = verified(&off_by(-DAY).unwrap(), &[]).unwrap();
    assert_eq!((report.caveats, report.times.disputed), (vec![], 0));
}

/// The server's clock is nobody's word: whatever it says, nothing follows from it.
#[test]
fn attack_14_when_the_server_took_it_in_decides_nothing() {
    let world = world().unwrap();
    for seconds in [3_600, -3_600, 30 * DAY] {
        let mut bench: Workbench = world.log.bench.clone();
        for line in &mut bench.lines {
            line.received_at = line.received_at.plus_seconds(seconds);
        }
        let report = world.verify(&world.under_genuine(&bench).unwrap()).unwrap();
        assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![]));
        assert_eq!(report.times, world.verify(&world.whole).unwrap().times);
    }
}

/// A checkpoint over the true tree, at times that the log and its witness choose.
fn sealed_at(world: &World, size: usize, log: u64, witness: u64) -> anyhow::Result<CheckpointNote> {
    let head: &TreeHead = world.log.heads.get(size).context("a head")?;
    let mut note = Checkpoint::new(ORIGIN.parse()?, head).seal(&log_key(), log)?;
    let text = note.note().text().to_owned();
    note.add(cosign(&text, &"witness.example".parse()?, &witness_key(), witness))?;
    Ok(note)
}

/// A log that dates its checkpoint a day later than its witness saw it, to make room for what it wrote afterwards; and
/// one that dates it back, to have been there first.
#[test]
fn attack_14_a_log_whose_clock_lies_is_bound_by_its_witness() {
    let world = world().unwrap();
    let (day, true_time) = (86_400, SEALED + 1_000);
    let late = sealed_at(world, 1_000, true_time + day, true_time + 1).unwrap();
    let report = world.verify(&with_checkpoint(world.whole.clone(), &late)).unwrap();
    assert_eq!(
        report.times.bounds(1_000).not_after,
        Some(true_time + 1),
        "the earlier word counts"
    );
    let early = sealed_at(world, 1_000, true_time - day, true_time + 1).unwrap();
    let report = world.verify(&with_checkpoint(world.whole.clone(), &early)).unwrap();
    assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![Caveat::ClocksDisagree]));
    assert_eq!((report.times.disputed, report.times.first_disputed), (1_000, Some(1)));
}
