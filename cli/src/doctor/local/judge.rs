//! Judges a data folder: facts in, findings out.

use super::{LocalFacts, clock, machine, streams, work};
use crate::doctor::finding::{Finding, quoted};
use crate::doctor::{clock as clocks, finding::or_ok};
use chrono::{DateTime, Utc};

/// What follows from the facts.
pub fn judge(facts: &LocalFacts, now: DateTime<Utc>) -> Vec<Finding> {
    let folder = quoted(&facts.data_dir);
    let start = format!("countersign dev --data-dir {folder}");
    let anew = format!("countersign dev --reset --data-dir {folder}");
    let mut findings = machine::permissions(facts);
    findings.extend(machine::certificates(facts, now, &anew));
    findings.extend(machine::golden(&facts.golden, &anew));
    let code = "doctor.not_running";
    if machine::is_down(facts) {
        let sentence = "nothing runs on this data folder: only its files were looked at";
        findings.push(Finding::problem(code, sentence, start));
        return findings;
    }
    findings.push(Finding::ok(code, "the stack of this data folder runs"));
    findings.extend(machine::versions(facts, &start));
    findings.extend(machine::addresses(facts, &start));
    findings.extend(machine::identities(facts, now, &start));
    findings.extend(clock(facts).map(clocks::judge));
    if let Ok(log) = &facts.log {
        let mend = format!(
            "countersign audit export --out record    # as the auditor: what is left; then stop the stack and {anew}"
        );
        findings.extend(streams::judge(&log.accounts, &log.gaps, &mend));
        findings.extend(work::following(log, &start, &facts.data_dir));
    }
    if let Ok(database) = &facts.database {
        findings.extend(work::tables(database, &facts.data_dir));
    }
    findings.extend(not_seen(facts, &start));
    findings
}

/// What could not be looked at is never passed over.
fn not_seen(facts: &LocalFacts, start: &str) -> Vec<Finding> {
    let code = "doctor.not_seen";
    let log = facts.log.as_ref().err().map(|why| ("the streams", why));
    let database = facts.database.as_ref().err().map(|why| ("the read models", why));
    let wrong = log.into_iter().chain(database).map(|(what, why)| {
        Finding::problem(code, format!("{what} could not be looked at: {why}"), start)
    });
    or_ok(wrong.collect(), code, "streams and read models were looked at")
}

#[cfg(test)]
mod tests;
