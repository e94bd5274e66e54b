//! Judges the streams: every weakening of what PROTOCOL.md section 1 asks of the log, and every other difference.

use super::AccountFacts;
use crate::doctor::finding::{Finding, or_ok};
use nats::inspect::{Inspected, StreamFound};
use nats::{Difference, Weakness};
use std::collections::BTreeSet;

/// The codes, in the order of their good findings.
const LOSES: &str = "doctor.stream_loses";
const ERASABLE: &str = "doctor.stream_erasable";
const SOURCES: &str = "doctor.stream_sources";
const DIFFERS: &str = "doctor.stream_differs";
/// How many declared sequences are named.
const MOST_TOLD: usize = 10;

/// Judges the streams of every account. `gaps` are the sequences of the log that its configuration names as lost, and
/// `mend` secures the record and starts over.
pub fn judge(accounts: &[AccountFacts], gaps: &BTreeSet<u64>, mend: &str) -> Vec<Finding> {
    let streams = || accounts.iter().flat_map(|one| one.streams.iter().map(|it| (one.account, it)));
    let missing = streams().filter(|(_, stream)| stream.found.is_none());
    let missing = missing.map(|(account, Inspected { name, .. })| {
        let sentence = format!("the stream {name} of account {account} is missing");
        Finding::problem("doctor.stream_missing", sentence, mend)
    });
    let found: Vec<(&str, &StreamFound)> =
        streams().filter_map(|(account, stream)| Some((account, stream.found.as_ref()?))).collect();
    let number = found.len();
    let mut findings = or_ok(
        missing.collect(),
        "doctor.stream_missing",
        format!("all {number} streams are there"),
    );
    let weakened: Vec<Finding> = found
        .iter()
        .flat_map(|(account, stream)| {
            stream.differences.iter().map(|one| weakened(account, &stream.name, one, mend))
        })
        .collect();
    for (code, good) in [
        (LOSES, "no stream drops messages by age, number or size"),
        (ERASABLE, "no stream lets messages be deleted, purged, rolled up or expire"),
        (SOURCES, "every stream takes messages from where it should, and from nowhere else"),
        (DIFFERS, "every other setting of the streams is as wanted"),
    ] {
        let wrong = weakened.iter().filter(|finding| finding.code == code).cloned().collect();
        findings.extend(or_ok(wrong, code, good));
    }
    findings.extend(shortened(&found, gaps, mend));
    findings
}

/// A difference of one field, by what it lets happen.
fn weakened(account: &str, stream: &str, difference: &Difference, mend: &str) -> Finding {
    let said = |value: &str| if value == "null" { "nothing".to_owned() } else { value.to_owned() };
    let (field, existing) = (&difference.field, said(&difference.existing));
    let wanted = said(&difference.wanted);
    let said = format!(
        "the stream {stream} of account {account} has {field} = {existing}, but {wanted} is wanted"
    );
    let Some(weakness) = Weakness::of(field) else { return Finding::warning(DIFFERS, said, mend) };
    let code = match weakness {
        Weakness::Loses => LOSES,
        Weakness::Erasable => ERASABLE,
        Weakness::Sources => SOURCES,
    };
    Finding::problem(code, format!("{said}: {weakness}"), mend)
}

/// A record starts with 1 and has no holes but those that are declared.
fn shortened(found: &[(&str, &StreamFound)], gaps: &BTreeSet<u64>, mend: &str) -> Vec<Finding> {
    let records = found.iter().filter(|(_, stream)| {
        ["CS_LOG_", "CS_BLOBS_", "CS_CHECKPOINTS_"].iter().any(|is| stream.name.starts_with(is))
    });
    let told = records.filter_map(|(account, stream)| {
        let StreamFound { name, messages, first_sequence, last_sequence, .. } = stream;
        let declared = declared(stream, gaps);
        let lost = last_sequence.saturating_sub(*messages);
        let is_whole = messages == last_sequence && *first_sequence <= 1;
        if is_whole {
            return None;
        }
        let held = format!(
            "the stream {name} of account {account} holds {messages} messages from {first_sequence} to \
             {last_sequence}"
        );
        let known = u64::try_from(declared.len()).unwrap_or(u64::MAX);
        let numbers: Vec<_> = declared.iter().take(MOST_TOLD).map(u64::to_string).collect();
        let more = if declared.len() > MOST_TOLD { ", ..." } else { "" };
        let (known_text, numbers) = (format!("{known} that the configuration declares lost"), numbers.join(", "));
        Some(if known > 0 && known == lost {
            let sentence = format!("{held}, all but {known_text}: {numbers}{more}");
            Finding::note("doctor.log_shortened", sentence)
        } else if known > 0 {
            let sentence = format!(
                "{held}: something of the record is gone, beside {known_text} ({numbers}{more})"
            );
            Finding::problem("doctor.log_shortened", sentence, mend)
        } else {
            let sentence = format!("{held}: something of the record is gone");
            Finding::problem("doctor.log_shortened", sentence, mend)
        })
    });
    or_ok(told.collect(), "doctor.log_shortened", "the record starts with 1 and has no holes")
}

/// Which of the declared sequences the log really lacks; other streams have other sequences.
fn declared(stream: &StreamFound, gaps: &BTreeSet<u64>) -> Vec<u64> {
    if !stream.name.starts_with("CS_LOG_") {
        return Vec::new();
    }
    let lacks = |sequence: u64| {
        sequence <= stream.last_sequence
            && (sequence < stream.first_sequence || stream.deleted.contains(&sequence))
    };
    gaps.iter().copied().filter(|sequence| lacks(*sequence)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    fn stream(differences: Vec<Difference>) -> StreamFound {
        StreamFound {
            name: "CS_LOG_main".to_owned(),
            differences,
            messages: 4,
            first_sequence: 1,
            last_sequence: 4,
            deleted: Vec::new(),
        }
    }

    fn judged(found: Option<StreamFound>, gaps: &[u64]) -> Vec<Finding> {
        let streams = vec![Inspected { name: "CS_LOG_main".to_owned(), found }];
        let gaps = gaps.iter().copied().collect();
        judge(&[AccountFacts { account: "LOG", streams }], &gaps, "countersign dev --reset")
    }

    fn wrong(found: Option<StreamFound>) -> Vec<(&'static str, Severity)> {
        wrong_but(found, &[])
    }

    fn wrong_but(found: Option<StreamFound>, gaps: &[u64]) -> Vec<(&'static str, Severity)> {
        let findings = judged(found, gaps).into_iter();
        let wrong = findings.filter(|finding| finding.severity != Severity::Ok);
        wrong.map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn streams_as_wanted_are_fine() {
        assert!(wrong(Some(stream(Vec::new()))).is_empty());
        assert_eq!(judged(Some(stream(Vec::new())), &[]).len(), 6);
    }

    #[test]
    fn every_weakening_has_its_code() {
        for (field, code, severity) in [
            ("max_msgs", LOSES, Severity::Problem),
            ("max_age", LOSES, Severity::Problem),
            ("max_bytes", LOSES, Severity::Problem),
            ("max_msgs_per_subject", LOSES, Severity::Problem),
            ("discard", LOSES, Severity::Problem),
            ("retention", LOSES, Severity::Problem),
            ("storage", LOSES, Severity::Problem),
            ("persist_mode", LOSES, Severity::Problem),
            ("deny_delete", ERASABLE, Severity::Problem),
            ("deny_purge", ERASABLE, Severity::Problem),
            ("allow_rollup_hdrs", ERASABLE, Severity::Problem),
            ("allow_msg_ttl", ERASABLE, Severity::Problem),
            ("subjects", SOURCES, Severity::Problem),
            ("sources", SOURCES, Severity::Problem),
            ("mirror", SOURCES, Severity::Problem),
            ("republish", SOURCES, Severity::Problem),
            ("subject_transform", SOURCES, Severity::Problem),
            ("description", DIFFERS, Severity::Warning),
        ] {
            let difference = Difference {
                field: field.to_owned(),
                existing: "1".to_owned(),
                wanted: "2".to_owned(),
            };
            assert_eq!(wrong(Some(stream(vec![difference]))), [(code, severity)], "{field}");
        }
    }

    #[test]
    fn a_missing_stream_is_named() {
        assert_eq!(wrong(None), [("doctor.stream_missing", Severity::Problem)]);
    }

    #[test]
    fn a_record_with_a_hole_or_without_its_beginning_is_named() {
        let hole = StreamFound { messages: 3, ..stream(Vec::new()) };
        let cut = StreamFound { messages: 2, first_sequence: 3, ..stream(Vec::new()) };
        for short in [hole, cut] {
            assert_eq!(wrong(Some(short)), [("doctor.log_shortened", Severity::Problem)]);
        }
    }

    #[test]
    fn a_declared_gap_is_a_note_and_any_other_a_problem() {
        let code = "doctor.log_shortened";
        let hole = StreamFound { messages: 3, deleted: vec![2], ..stream(Vec::new()) };
        let cut = StreamFound { messages: 2, first_sequence: 3, ..stream(Vec::new()) };
        let both =
            StreamFound { messages: 2, first_sequence: 2, deleted: vec![3], ..stream(Vec::new()) };
        let emptied = StreamFound { messages: 0, first_sequence: 5, ..stream(Vec::new()) };
        for (short, gaps, severity) in [
            (&hole, &[2][..], Severity::Note),
            (&hole, &[2, 3, 9], Severity::Note),
            (&cut, &[1, 2], Severity::Note),
            (&both, &[1, 3], Severity::Note),
            (&emptied, &[1, 2, 3, 4], Severity::Note),
            (&hole, &[], Severity::Problem),
            (&hole, &[3], Severity::Problem),
            (&cut, &[2], Severity::Problem),
            (&both, &[3], Severity::Problem),
            (&emptied, &[1, 2, 3], Severity::Problem),
        ] {
            let found = wrong_but(Some(short.clone()), gaps);
            assert_eq!(found, [(code, severity)], "{short:?} {gaps:?}");
        }
        let found = judged(Some(hole), &[2]).into_iter().find(|finding| finding.code == code);
        let found = found.unwrap();
        assert!(found.sentence.ends_with("1 that the configuration declares lost: 2"));
        assert_eq!(found.mend, None);
        // The sequences of blobs are others than the log's.
        let name = "CS_BLOBS_main".to_owned();
        let blobs =
            StreamFound { name: name.clone(), messages: 3, deleted: vec![2], ..stream(Vec::new()) };
        let streams = vec![Inspected { name, found: Some(blobs) }];
        let found = judge(&[AccountFacts { account: "LOG", streams }], &[2].into(), "mend");
        assert!(found.iter().any(|one| one.code == code && one.severity == Severity::Problem));
    }
}
