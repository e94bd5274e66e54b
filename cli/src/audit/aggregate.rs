//! `audit verify --aggregate`: what the verified evidence says of one aggregate's chain.

use super::commits;
use super::conclusion::Conclusion;
use super::report;
use crate::error::CliError;
use crate::output::{Document, Format, Output};
use ledger::{BundleSource, Commit, CommitHash, IdText, Policy, Slug};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use trust::encoding::Timestamp;

/// One aggregate's good commits. Two tenants could use one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    subject: String,
    /// Versions, in the order of the log.
    versions: Vec<u64>,
    first_sequence: u64,
    last: Last,
}

/// What is told of a chain's last commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    version: u64,
    sequence: u64,
    hash: CommitHash,
    time: Timestamp,
}

impl Chain {
    /// Every version from 1 on is there.
    pub fn is_complete(&self) -> bool {
        self.versions.iter().copied().eq(1..=self.last.version)
    }
}

/// The chains of an aggregate, found in the good commits of some evidence; each commit's link was verified with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chains {
    id: IdText,
    found: BTreeMap<String, Chain>,
}

impl Chains {
    /// Of this aggregate, none found yet.
    pub fn of(id: IdText) -> Self {
        Self { id, found: BTreeMap::new() }
    }

    /// Takes in a good commit, of whatever aggregate.
    pub fn take_in(&mut self, commit: &Commit, shard: &Slug) {
        let Commit { sequence, hash, envelope } = commit;
        if envelope.aggregate.id != self.id {
            return;
        }
        let (version, time) = (envelope.version, envelope.time);
        let last = Last { version, sequence: *sequence, hash: *hash, time };
        let subject = envelope.subject(shard).to_string();
        let chain = self.found.entry(subject.clone()).or_insert_with(|| Chain {
            subject,
            versions: Vec::new(),
            first_sequence: *sequence,
            last: last.clone(),
        });
        chain.versions.push(version);
        chain.last = last;
    }

    /// Those that were found; none is an error.
    pub fn into_found(self) -> Result<Vec<Chain>, CliError> {
        if self.found.is_empty() {
            return Err(CliError::NoSuchAggregate(self.id.to_string()));
        }
        Ok(self.found.into_values().collect())
    }
}

/// The chains of an aggregate in a bundle.
pub fn chains(
    id: &IdText,
    source: &dyn BundleSource,
    policy: &Policy,
    conclusion: &Conclusion,
    shard: &Slug,
) -> Result<Vec<Chain>, CliError> {
    let mut chains = Chains::of(id.clone());
    commits::each(source, policy, &conclusion.report.origin, shard, |commit| {
        chains.take_in(&commit, shard);
    })?;
    chains.into_found()
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
        json!({"subject": subject, "complete": chain.is_complete(), "version": last.version,
            "first_sequence": first_sequence, "last_sequence": last.sequence,
            "last_hash": last.hash, "last_time": last.time})
    });
    let value = json!({"aggregate": id, "chains": told.collect::<Vec<_>>(),
        "verification": report::value(conclusion)?});
    output.document(&Document::record(value, &id.to_string(), &[]))?;
    Ok(())
}

fn sentence(chain: &Chain) -> String {
    let Chain { subject, first_sequence, last, .. } = chain;
    let Last { version, sequence, hash, .. } = last;
    let whole = if chain.is_complete() { "complete" } else { "NOT complete" };
    format!(
        "{subject}: {whole} to version {version}, sequences {first_sequence} to {sequence}, last {hash}"
    )
}
