//! `audit timeline`: one change told from the evidence, commit by commit, and what stands behind it in the four lines of
//! a verdict.

use super::commits;
use super::conclusion::Conclusion;
use super::part::Part;
use super::report;
use crate::error::CliError;
use crate::output::{Document, Format, Output};
use ledger::{BundleSource, Commit, IdText, Policy, Scope, Slug};
use serde_json::{Value, json};

/// The commits of a change, its approvals and its jobs, in the order of the log.
pub fn of_change(
    change: &IdText,
    source: &dyn BundleSource,
    policy: &Policy,
    conclusion: &Conclusion,
    shard: &Slug,
) -> Result<Vec<Commit>, CliError> {
    let mut part = Part::of(&Scope::Change(change.clone()));
    let mut told = Vec::new();
    commits::each(source, policy, &conclusion.report.origin, shard, |commit| {
        if part.tells(&commit.envelope) {
            told.push(commit);
        }
    })?;
    Ok(told)
}

/// Shows it.
pub fn show(
    change: &IdText,
    commits: &[Commit],
    conclusion: &Conclusion,
    output: &Output,
) -> Result<(), CliError> {
    let header = ["SEQUENCE", "TIME", "ACTOR", "WHAT", "OF"];
    let rows: Vec<(String, Vec<String>)> = commits.iter().map(row).collect();
    let value: Vec<Value> = commits
        .iter()
        .map(|commit| {
            let envelope = &commit.envelope;
            json!({"sequence": commit.sequence, "hash": commit.hash, "time": envelope.time,
                "actor": envelope.actor, "aggregate": envelope.aggregate,
                "version": envelope.version, "events": envelope.events})
        })
        .collect();
    if output.format() != Format::Table {
        let verdict = report::value(conclusion)?;
        let value = json!({"change": change, "commits": value, "verification": verdict});
        output.document(&Document::record(value, &change.to_string(), &[]))?;
        return Ok(());
    }
    output.document(&Document::list(Value::Array(value), &header, rows))?;
    output.line("")?;
    output.line(&report::text(conclusion))?;
    Ok(())
}

fn row(commit: &Commit) -> (String, Vec<String>) {
    let envelope = &commit.envelope;
    let what: Vec<_> = envelope.events.iter().map(|event| event.kind.to_string()).collect();
    let sequence = commit.sequence.to_string();
    let row = vec![
        sequence.clone(),
        envelope.time.to_string(),
        envelope.actor.id.to_string(),
        what.join(", "),
        envelope.aggregate.id.to_string(),
    ];
    (sequence, row)
}
