//! Judges who reads the log, what was set aside, and whether the agents are there.

use super::database::DatabaseFacts;
use super::log::{LogFacts, Reader, ReaderKind};
use crate::doctor::finding::{Finding, or_ok, quoted};
use std::path::Path;

/// Readers that stay behind, and agents that do not pull.
pub fn following(facts: &LogFacts, start: &str, data_dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, code, plural) in [
        (ReaderKind::Mirror, "doctor.mirror_lag", "the mirror of the log is"),
        (ReaderKind::Projection, "doctor.projection_lag", "the projections are"),
        (ReaderKind::Workflow, "doctor.workflow_lag", "the workflows are"),
    ] {
        let behind = facts.readers.iter().filter(|one| one.kind == kind && one.reached < facts.end);
        let wrong = behind.map(|Reader { name, reached, .. }| {
            let sentence =
                format!("{name} stays at sequence {reached}, the log ends at {}", facts.end);
            Finding::problem(code, sentence, start)
        });
        findings.extend(or_ok(
            wrong.collect(),
            code,
            format!("{plural} at the log's end, sequence {}", facts.end),
        ));
    }
    let code = "doctor.set_aside";
    let log = quoted(&data_dir.join("logs/workflows.log"));
    let aside = facts.set_aside.iter().filter(|(_, count)| *count > 0).map(|(workflow, count)| {
        let sentence = format!("workflow {workflow} has set {count} events aside");
        Finding::warning(
            code,
            sentence,
            format!("grep '\"set aside\"' {log}    # then ops/runbooks/set-aside.md"),
        )
    });
    findings.extend(or_ok(aside.collect(), code, "no workflow has set anything aside"));
    let code = "doctor.agent_away";
    let away = facts.agents.iter().filter(|(_, is_pulling)| !is_pulling).map(|(name, _)| {
        Finding::problem(code, format!("agent {name} does not pull its jobs"), start)
    });
    let number = facts.agents.len();
    findings.extend(or_ok(away.collect(), code, format!("{number} agents pull their jobs")));
    findings
}

/// What the projections could not read.
pub fn tables(facts: &DatabaseFacts, data_dir: &Path) -> Vec<Finding> {
    let url = quoted(&data_dir.join("secrets/read-models.url"));
    let policy = quoted(&data_dir.join("verify-policy.json"));
    let parked = match facts.parked {
        0 => Finding::ok("doctor.parked", "the projections have parked nothing"),
        number => Finding::problem(
            "doctor.parked",
            format!("{number} commits are parked: their aggregates are no longer projected"),
            format!("psql \"$(cat {url})\" -c 'SELECT * FROM parked'"),
        ),
    };
    let condemned = match facts.condemned {
        0 => Finding::ok("doctor.condemned", "no message of the log is condemned"),
        number => Finding::problem(
            "doctor.condemned",
            format!("{number} messages of the log are no valid commits: somebody else wrote them"),
            format!("countersign audit verify --policy {policy}    # as the auditor"),
        ),
    };
    vec![parked, condemned]
}
