//! `audit verify --aggregate`: what the verified evidence says of one aggregate's chain.

use super::commits;
use super::conclusion::Conclusion;
use super::report;
use crate::error::CliError;
use crate::output::{Document, Format, Output};
use ledger::{BundleSource, Commit, IdText, Policy, Slug};
use serde_json::json;
use std::collections::BTreeMap;

/// One aggregate's good commits. Two tenants could use one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    subject: String,
    /// Versions, in the order of the log.
    versions: Vec<u64>,
    first_sequence: u64,
    last: Commit,
}

impl Chain {
    /// Every version from 1 on is there.
    pub fn is_complete(&self) -> bool {
        self.versions.iter().copied().eq(1..=self.last.envelope.version)
    }
}

/// The chains of an aggregate in the evidence; each commit's link was verified with it.
pub fn chains(
    id: &IdText,
    source: &dyn BundleSource,
    policy: &Policy,
    conclusion: &Conclusion,
    shard: &Slug,
) -> Result<Vec<Chain>, CliError> {
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    commits::each(source, policy, &conclusion.report.origin, shard, |commit| {
        if commit.envelope.aggregate.id != *id {
            return;
        }
        let subject = commit.envelope.subject(shard).to_string();
        let (sequence, version) = (commit.sequence, commit.envelope.version);
        let chain = chains.entry(subject.clone()).or_insert_with(|| Chain {
            subject,
            versions: Vec::new(),
            first_sequence: sequence,
            last: commit.clone(),
        });
        chain.versions.push(version);
        chain.last = commit;
    })?;
    if chains.is_empty() {
        return Err(CliError::NoSuchAggregate(id.to_string()));
    }
    Ok(chains.into_values().collect())
}

/// Shows them, and what the evidence is worth.
pub fn show(
    id: &IdText,
    chains: &[Chain],
    conclusion: &Conclusion,
    output: &Output,
) -> Result<(), CliError> {
    if output.format() == Format::Table {
        for chain in chains {
            output.line(&sentence(chain))?;
        }
        output.line(&report::text(conclusion))?;
        return Ok(());
    }
    let told = chains.iter().map(|chain| {
        let Chain { subject, first_sequence, last, .. } = chain;
        json!({"subject": subject, "complete": chain.is_complete(), "version": last.envelope.version,
            "first_sequence": first_sequence, "last_sequence": last.sequence,
            "last_hash": last.hash, "last_time": last.envelope.time})
    });
    let value = json!({"aggregate": id, "chains": told.collect::<Vec<_>>(),
        "verification": report::value(conclusion)?});
    output.document(&Document::record(value, &id.to_string(), &[]))?;
    Ok(())
}

fn sentence(chain: &Chain) -> String {
    let Chain { subject, first_sequence, last, .. } = chain;
    let (version, sequence) = (last.envelope.version, last.sequence);
    let whole = if chain.is_complete() { "complete" } else { "NOT complete" };
    format!(
        "{subject}: {whole} to version {version}, sequences {first_sequence} to {sequence}, last {}",
        last.hash
    )
}
