//! `audit timeline`: one change told from the evidence, commit by commit, with what the log recorded about itself
//! meanwhile, and what stands behind it in the four lines of a verdict.

use super::commits;
use super::conclusion::Conclusion;
use super::meanwhile::{self, Meanwhile};
use super::part::Part;
use super::report;
use crate::error::CliError;
use crate::output::{Document, Format, Output};
use ledger::{BundleSource, Commit, IdText, Policy, Scope, Slug};
use serde_json::{Value, json};

/// What is told of a change.
#[derive(Debug)]
pub struct Told {
    /// Its commits, its approvals and its jobs, in the order of the log.
    pub commits: Vec<Commit>,
    /// What the log recorded about itself between the first of them and the last.
    pub meanwhile: Meanwhile,
}

/// Reads it from the evidence.
pub fn of_change(
    change: &IdText,
    source: &dyn BundleSource,
    policy: &Policy,
    conclusion: &Conclusion,
    shard: &Slug,
) -> Result<Told, CliError> {
    let mut part = Part::of(&Scope::Change(change.clone()));
    let (mut told, mut own) = (Vec::new(), Vec::new());
    commits::each(source, policy, &conclusion.report.origin, shard, |commit| {
        if part.tells(&commit.envelope) {
            told.push(commit);
        } else if !told.is_empty() && meanwhile::matters(&commit.envelope) {
            own.push(commit);
        }
    })?;
    let meanwhile = Meanwhile::of(&told, own, &conclusion.report.weakened);
    Ok(Told { commits: told, meanwhile })
}

/// Shows it.
pub fn show(
    change: &IdText,
    told: &Told,
    conclusion: &Conclusion,
    output: &Output,
) -> Result<(), CliError> {
    let Told { commits, meanwhile } = told;
    let values = |commits: &[Commit]| commits.iter().map(value).collect::<Vec<_>>();
    if output.format() != Format::Table {
        let verdict = report::value(conclusion)?;
        let value = json!({"change": change, "commits": values(commits),
            "log": values(&meanwhile.commits), "weakened": meanwhile.weakened,
            "verification": verdict});
        output.document(&Document::record(value, &change.to_string(), &[]))?;
        return Ok(());
    }
    let header = ["SEQUENCE", "TIME", "ACTOR", "WHAT", "OF"];
    let mut all: Vec<&Commit> = commits.iter().chain(&meanwhile.commits).collect();
    all.sort_by_key(|commit| commit.sequence);
    let value = all.iter().map(|commit| value(commit)).collect();
    let rows = all.iter().map(|commit| row(commit)).collect();
    output.document(&Document::list(Value::Array(value), &header, rows))?;
    output.line("")?;
    for weakened in &meanwhile.weakened {
        output.line(&format!("in the life of this change {weakened}"))?;
    }
    output.line(&report::text(conclusion))?;
    Ok(())
}

fn value(commit: &Commit) -> Value {
    let envelope = &commit.envelope;
    json!({"sequence": commit.sequence, "hash": commit.hash, "time": envelope.time,
        "actor": envelope.actor, "aggregate": envelope.aggregate,
        "version": envelope.version, "events": envelope.events})
}

fn row(commit: &Commit) -> (String, Vec<String>) {
    let envelope = &commit.envelope;
    let is_own = meanwhile::matters(envelope);
    let what = envelope.events.iter().map(|event| {
        let told = if is_own { meanwhile::told(event) } else { None };
        told.unwrap_or_else(|| event.kind.to_string())
    });
    let what: Vec<_> = what.collect();
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
