//! What happened to a job.

use crate::ids::{AgentId, ChangeId, DataSourceId};
use crate::schema;
use crate::vocabulary::{Outcome, RootRef};
use ::ledger::blob::BlobRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trust::encoding::{Sha256Digest, Timestamp};

/// An event of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum JobEvent {
    /// A job is signed, and on its way to its agent.
    #[serde(rename = "job.dispatched")]
    Dispatched(Dispatched),
    /// The agent did what the job says.
    #[serde(rename = "job.succeeded")]
    Succeeded(Finished),
    /// The database refused it; `outcome` says whether something was left behind.
    #[serde(rename = "job.failed")]
    Failed(Finished),
    /// The agent refused the job; `refusal` names the line of the predicate.
    #[serde(rename = "job.refused")]
    Refused(Finished),
    /// Nobody knows whether the job's SQL ran.
    #[serde(rename = "job.unknown")]
    OutcomeUnknown(Finished),
}

impl JobEvent {
    /// The event for how it ended.
    pub fn ended(finished: Finished) -> Self {
        match finished.outcome {
            Outcome::Succeeded => Self::Succeeded(finished),
            Outcome::FailedClean | Outcome::FailedPartial => Self::Failed(finished),
            Outcome::Refused => Self::Refused(finished),
            Outcome::Unknown => Self::OutcomeUnknown(finished),
        }
    }
}

/// What a job may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Read the live schema.
    Introspect,
    /// Try SQL in a sandbox.
    Validate,
    /// Run an approved change.
    Migrate,
    /// Take an approved change back.
    Rollback,
}

impl Mode {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Validate => "validate",
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
        }
    }
}

/// A job as signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dispatched {
    /// The change it serves.
    pub change: ChangeId,
    /// The target.
    pub data_source: DataSourceId,
    /// For whom.
    pub agent: AgentId,
    /// The agent's name, a part of the job's subject.
    pub agent_name: String,
    /// What it may do.
    pub mode: Mode,
    /// From 1.
    pub attempt: u32,
    /// The fencing token of the schema lock; 0 for `introspect`.
    pub fence: u64,
    /// The whole message: statements and SQL.
    #[schemars(with = "schema::Blob")]
    pub message: BlobRef,
    /// Of the job statement's payload.
    #[schemars(with = "schema::Digest")]
    pub job_sha256: Sha256Digest,
    /// Of the manifest that it runs; none for `introspect`.
    #[schemars(with = "Option<schema::Digest>")]
    pub change_sha256: Option<Sha256Digest>,
    /// Until when the agent takes it.
    #[schemars(with = "schema::Time")]
    pub not_after: Timestamp,
}

/// What the agent's signed result says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finished {
    /// The change it served.
    pub change: ChangeId,
    /// What it was to do.
    pub mode: Mode,
    /// From 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the agent refused, by its PROTOCOL.md name.
    pub refusal: Option<String>,
    /// SQLSTATE of the first error.
    pub sqlstate: Option<String>,
    /// The schema before.
    pub fingerprint_before: Option<String>,
    /// The schema afterwards.
    pub fingerprint_after: Option<String>,
    /// The root under which the agent decided; none if it could not decide.
    pub root: Option<RootRef>,
    /// The people whose signatures it counted.
    pub counted: Vec<String>,
    /// By the agent's clock.
    #[schemars(with = "schema::Time")]
    pub started_at: Timestamp,
    /// By the agent's clock.
    #[schemars(with = "schema::Time")]
    pub finished_at: Timestamp,
    /// When it arrived, by the result stream's clock: the agent's certificate was valid then. Never after the commit.
    #[schemars(with = "schema::Time")]
    pub received_at: Timestamp,
    /// The signed result, as it came.
    #[schemars(with = "schema::Blob")]
    pub result: BlobRef,
    /// The fingerprint's document.
    #[schemars(with = "Option<schema::Blob>")]
    pub document: Option<BlobRef>,
}
