//! Judges the streams: every weakening of what PROTOCOL.md section 1 asks of the log, and every other difference.

use super::AccountFacts;
use crate::doctor::finding::{Finding, or_ok};
use nats::inspect::{Inspected, StreamFound};
use nats::{Difference, Weakness};

/// The codes, in the order of their good findings.
const LOSES: &str = "doctor.stream_loses";
const ERASABLE: &str = "doctor.stream_erasable";
const SOURCES: &str = "doctor.stream_sources";
const DIFFERS: &str = "doctor.stream_differs";

/// Judges the streams of every account. `mend` secures the record and starts over.
pub fn judge(accounts: &[AccountFacts], mend: &str) -> Vec<Finding> {
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
    findings.extend(shortened(&found, mend));
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

/// A record starts with 1 and has no holes.
fn shortened(found: &[(&str, &StreamFound)], mend: &str) -> Vec<Finding> {
    let records = found.iter().filter(|(_, stream)| {
        ["CS_LOG_", "CS_BLOBS_", "CS_CHECKPOINTS_"].iter().any(|is| stream.name.starts_with(is))
    });
    let is_short = |stream: &StreamFound| {
        let StreamFound { messages, first_sequence, last_sequence, .. } = *stream;
        messages != last_sequence || (messages > 0 && first_sequence != 1)
    };
    let wrong = records.filter(|(_, stream)| is_short(stream)).map(|(account, stream)| {
        let StreamFound { name, messages, first_sequence, last_sequence, .. } = stream;
        let sentence = format!(
            "the stream {name} of account {account} holds {messages} messages from {first_sequence} to \
             {last_sequence}: something of the record is gone"
        );
        Finding::problem("doctor.log_shortened", sentence, mend)
    });
    or_ok(wrong.collect(), "doctor.log_shortened", "the record starts with 1 and has no holes")
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
        }
    }

    fn judged(found: Option<StreamFound>) -> Vec<Finding> {
        let streams = vec![Inspected { name: "CS_LOG_main".to_owned(), found }];
        judge(&[AccountFacts { account: "LOG", streams }], "countersign dev --reset")
    }

    fn wrong(found: Option<StreamFound>) -> Vec<(&'static str, Severity)> {
        let findings = judged(found).into_iter();
        let wrong = findings.filter(|finding| finding.severity != Severity::Ok);
        wrong.map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn streams_as_wanted_are_fine() {
        assert!(wrong(Some(stream(Vec::new()))).is_empty());
        assert_eq!(judged(Some(stream(Vec::new()))).len(), 6);
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
}
