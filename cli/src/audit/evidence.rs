//! What the commits of a log say about roots, approvals, jobs and changes: claims, to be checked one by one.

use super::references::References;
use domain::approvals::{ApprovalEvent, Opened, Signed};
use domain::changes::ChangeEvent;
use domain::identity::{RootPublished, TrustRootEvent};
use domain::jobs::{Dispatched, Finished, JobEvent};
use domain::ledger::LogEvent;
use domain::registry::Event;
use ledger::{BlobRef, Commit, pairs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::Timestamp;

/// A tenant and an aggregate's id.
pub type Key = (String, String);

/// An approval as recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// What people were asked to sign.
    pub opened: Option<Opened>,
    /// Who signed, as the server says, with the signatures themselves.
    pub signed: Vec<Signed>,
    /// The sequence at which the server says that it was enough.
    pub granted: Option<u64>,
    /// The signed decisions of people who rejected it.
    pub rejections: Vec<BlobRef>,
}

/// A job as recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// What was sent.
    pub dispatched: Option<Dispatched>,
    /// What came back.
    pub finished: Option<FinishedRecord>,
}

/// A job's result as recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedRecord {
    /// What the server says that it says.
    pub said: Finished,
    /// Its place in the log.
    pub sequence: u64,
    /// When the server took it in.
    pub time: Timestamp,
}

/// A change that the server says was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRecord {
    /// By which job.
    pub job: String,
    /// The schema afterwards.
    pub fingerprint: Option<String>,
    /// Its place in the log.
    pub sequence: u64,
}

/// Everything that is to be checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Trust roots, by tenant and version.
    #[serde(with = "pairs")]
    pub roots: BTreeMap<(String, u64), RootPublished>,
    /// Approvals.
    #[serde(with = "pairs")]
    pub approvals: BTreeMap<Key, ApprovalRecord>,
    /// Jobs.
    #[serde(with = "pairs")]
    pub jobs: BTreeMap<Key, JobRecord>,
    /// Changes that were applied.
    #[serde(with = "pairs")]
    pub applied: BTreeMap<Key, AppliedRecord>,
    /// What commits name.
    pub references: References,
    /// The last checkpoint of the log that this one says it replaces.
    pub predecessor: Option<String>,
    /// Events that this version cannot read: sequence and why.
    pub unreadable: Vec<(u64, String)>,
}

impl Evidence {
    /// Takes in a commit.
    pub fn take_in(&mut self, commit: &Commit) {
        let envelope = &commit.envelope;
        let kind = envelope.aggregate.kind.as_str();
        self.references.commit(commit);
        for entry in &envelope.events {
            match Event::read(kind, entry.kind.as_str(), entry.schema, &entry.data) {
                Ok(event) => {
                    self.references.event(commit, &event);
                    self.event(commit, event);
                }
                Err(error) => self.unreadable.push((commit.sequence, error.to_string())),
            }
        }
    }

    fn event(&mut self, commit: &Commit, event: Event) {
        let envelope = &commit.envelope;
        let key = (envelope.tenant.to_string(), envelope.aggregate.id.to_string());
        match event {
            Event::TrustRoot(TrustRootEvent::Published(root)) => {
                self.roots.insert((key.0, root.version), root);
            }
            Event::Approval(event) => {
                let record = self.approvals.entry(key).or_default();
                approval(record, commit.sequence, event);
            }
            Event::Job(event) => {
                let record = self.jobs.entry(key).or_default();
                let finished = |said| {
                    Some(FinishedRecord { said, sequence: commit.sequence, time: envelope.time })
                };
                match event {
                    JobEvent::Dispatched(dispatched) => record.dispatched = Some(dispatched),
                    JobEvent::Succeeded(said)
                    | JobEvent::Failed(said)
                    | JobEvent::Refused(said)
                    | JobEvent::OutcomeUnknown(said) => record.finished = finished(said),
                }
            }
            Event::Change(ChangeEvent::Applied { job, fingerprint }) => {
                let (job, sequence) = (job.to_string(), commit.sequence);
                self.applied.insert(key, AppliedRecord { job, fingerprint, sequence });
            }
            // Only the first commit opens a log.
            Event::Log(LogEvent::Opened(opened)) if commit.sequence == 1 => {
                self.predecessor = opened.predecessor;
            }
            Event::Change(_)
            | Event::Tenant(_)
            | Event::Principal(_)
            | Event::DataSource(_)
            | Event::Agent(_)
            | Event::Log(_) => {}
        }
    }
}

fn approval(record: &mut ApprovalRecord, sequence: u64, event: ApprovalEvent) {
    match event {
        ApprovalEvent::Opened(opened) => record.opened = Some(opened),
        ApprovalEvent::Signed(signed) => record.signed.push(signed),
        ApprovalEvent::Granted {} => record.granted = Some(sequence),
        ApprovalEvent::Rejected { statement, .. } => record.rejections.push(statement),
        ApprovalEvent::Closed {} => {}
    }
}
