//! What the verifier answers to an attack, and whether it says where.

use super::attempt::{Attempt, Place};
use super::log::Log;
use ledger::{
    Caveat, CheckpointNote, Fault, Finding, Kept, Policy, Receipt, Report, Scope, Verdict,
    VerifiedCheckpoint, verify_bundle_against,
};

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Detected, where it is; or silent where there is nothing.
    Right,
    /// Not detected.
    Missed(String),
    /// Detected, and said to be elsewhere.
    Mislocated(String),
    /// An alarm where there is nothing.
    FalseAlarm(String),
}

/// Shows the attempt to the verifier of `countersign audit verify`, with everything that it kept.
pub fn judge(log: &Log, attempt: &Attempt) -> anyhow::Result<Outcome> {
    let policy = attempt.policy.as_ref().unwrap_or(&log.policy);
    let Some((checkpoints, receipts)) = kept(log, attempt, policy)? else {
        return Ok(refused(&attempt.place, "a file that was kept is refused"));
    };
    let kept = Kept { bundle: None, checkpoints: &checkpoints, receipts: &receipts };
    match verify_bundle_against(&attempt.bundle, policy, &log.shard, &kept) {
        Err(error) => Ok(refused(&attempt.place, &format!("{error:?}"))),
        Ok(report) => Ok(judged(&attempt.place, &report, &checkpoints)),
    }
}

type Files = (Vec<VerifiedCheckpoint>, Vec<Receipt>);

/// Everything that was kept; `None` if a file of it is refused, as the command line refuses it.
fn kept(log: &Log, attempt: &Attempt, policy: &Policy) -> anyhow::Result<Option<Files>> {
    let (mut checkpoints, mut receipts) = (attempt.checkpoints.clone(), attempt.receipts.clone());
    let trusted = policy.log(&log.origin)?;
    if let Some(note) = &attempt.note {
        match CheckpointNote::parse(note).and_then(|note| note.verify(trusted)) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(_) => return Ok(None),
        }
    }
    if let Some(receipt) = &attempt.receipt {
        match serde_json::from_slice(receipt) {
            Ok(receipt) => receipts.push(receipt),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some((checkpoints, receipts)))
}

/// Without a report the file that could not be read is named by the error.
fn refused(place: &Place, why: &str) -> Outcome {
    match place {
        Place::Named(codes) if codes.contains(&"refused") => Outcome::Right,
        Place::Silent => Outcome::FalseAlarm(why.to_owned()),
        _ => Outcome::Mislocated(why.to_owned()),
    }
}

fn judged(place: &Place, report: &Report, kept: &[VerifiedCheckpoint]) -> Outcome {
    let is_intact = report.verdict == Verdict::Intact;
    let said =
        || format!("{:?} {:?} agreed to {}", report.first_bad(), report.caveats, report.agreed_to);
    match place {
        Place::Silent if is_intact && report.findings.is_empty() => Outcome::Right,
        Place::Silent => Outcome::FalseAlarm(said()),
        Place::Said(caveat) if report.caveats.contains(caveat) => Outcome::Right,
        Place::Clock(_) if !report.caveats.contains(&Caveat::ClocksDisagree) => {
            Outcome::Missed(said())
        }
        // A clock that lies must not look like tampering.
        Place::Clock(_) if !is_intact => Outcome::FalseAlarm(said()),
        Place::Clock(sequence) if report.times.first_disputed == Some(*sequence) => Outcome::Right,
        Place::Clock(_) => Outcome::Mislocated(said()),
        _ if is_intact => Outcome::Missed(said()),
        _ if report.first_bad().is_some_and(|first| is_at(place, first, report, kept)) => {
            Outcome::Right
        }
        _ => Outcome::Mislocated(said()),
    }
}

fn is_at(place: &Place, first: &Finding, report: &Report, kept: &[VerifiedCheckpoint]) -> bool {
    // Lines of a part are numbered from 1, so that only sequences count there.
    let line = first.line.filter(|_| report.scope == Scope::Log);
    let is_on = |sequence: u64| first.sequence == Some(sequence) || line == Some(sequence);
    match place {
        Place::At(sequence) => is_on(*sequence),
        Place::Either(one, other) => is_on(*one) || is_on(*other),
        Place::Between(touched) => brackets(*touched, first, report, kept),
        Place::Link { touched, next } => is_on(*next) || brackets(*touched, first, report, kept),
        Place::Proof { line, sequence } => match &first.fault {
            Fault::ProofDamaged { line: damaged, .. } => damaged == line,
            _ => first.sequence == Some(*sequence),
        },
        Place::Named(codes) => codes.contains(&first.fault.code()),
        Place::Said(_) | Place::Clock(_) | Place::Silent => false,
    }
}

/// A root names no line. The checkpoints that were kept bracket what was touched, as closely as they can: all before it
/// agree, and the first one after it does not, or has nothing to agree with.
fn brackets(touched: u64, first: &Finding, report: &Report, kept: &[VerifiedCheckpoint]) -> bool {
    let end = match &first.fault {
        Fault::Fork { size, .. }
        | Fault::RootMismatch { size, .. }
        | Fault::KeptUnchecked { size } => *size,
        _ => return false,
    };
    let sizes = || kept.iter().map(|checkpoint| checkpoint.head().size);
    let before = sizes().filter(|size| *size < touched).max().unwrap_or_default();
    let after = sizes().filter(|size| *size >= touched).min();
    (before..touched).contains(&report.agreed_to) && after == Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger_storm::forger::index;

    fn log() -> Log {
        Log::new(60, 3).unwrap()
    }

    /// The judgement of a kind, whatever the words.
    fn kind(log: &Log, attempt: &Attempt) -> &'static str {
        match judge(log, attempt).unwrap() {
            Outcome::Right => "right",
            Outcome::Missed(_) => "missed",
            Outcome::Mislocated(_) => "mislocated",
            Outcome::FalseAlarm(_) => "false alarm",
        }
    }

    fn edited(log: &Log, place: Place) -> Attempt {
        let mut line = log.lines[index(20).unwrap()].clone();
        line.payload[9] ^= 1;
        Attempt::new(log.with_line(20, &line).unwrap(), place)
    }

    #[test]
    fn nothing_found_is_missed_and_something_found_is_an_alarm() {
        let log = log();
        let untouched = |place| Attempt::new(log.whole().unwrap(), place).kept(&log);
        assert_eq!(kind(&log, &untouched(Place::Silent)), "right");
        let somewhere = [Place::At(20), Place::Between(20), Place::Clock(20)];
        for place in somewhere {
            assert_eq!(kind(&log, &untouched(place.clone())), "missed", "{place:?}");
        }
        assert_eq!(kind(&log, &untouched(Place::Said(Caveat::NotWitnessed))), "missed");
        assert_eq!(kind(&log, &edited(&log, Place::Silent)), "false alarm");
        assert_eq!(kind(&log, &edited(&log, Place::Clock(20))), "missed");
    }

    #[test]
    fn another_place_is_the_wrong_one() {
        let log = log();
        assert_eq!(kind(&log, &edited(&log, Place::At(20))), "right");
        let others = [
            Place::At(21),
            Place::Either(19, 21),
            Place::Link { touched: 3, next: 21 },
            Place::Named(&["missing"]),
        ];
        for place in others {
            assert_eq!(kind(&log, &edited(&log, place.clone())), "mislocated", "{place:?}");
        }
    }

    /// A bracket has to be the closest that the kept checkpoints give.
    #[test]
    fn a_bracket_that_is_too_wide_or_elsewhere_is_the_wrong_one() {
        let log = log();
        let other =
            |envelope: &mut ledger::Envelope| "other".clone_into(&mut envelope.correlation_id);
        let lines = log.relinked(log.edited(20, other).unwrap()).unwrap();
        let forged = |touched| {
            Attempt::new(log.under_genuine(&lines).unwrap(), Place::Between(touched)).kept(&log)
        };
        assert_eq!(kind(&log, &forged(20)), "right");
        assert_eq!(kind(&log, &forged(2)), "mislocated");
        assert_eq!(kind(&log, &forged(58)), "mislocated");
        // Whoever keeps nothing has the whole log for a bracket: the storm must not take that for the closest.
        let mut nothing_kept = forged(20);
        nothing_kept.checkpoints.clear();
        assert_eq!(kind(&log, &nothing_kept), "mislocated");
    }
}
