//! Answers of query-api that tell a whole story: a change, an approval, a data source.

use crate::reads::{ApprovalBody, ChangeDetail, DataSourceBody, HistoryEntry, JobBody, SignedBody};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change with what other contexts say about it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeAnswer {
    /// The document.
    #[serde(flatten)]
    pub change: ChangeDetail,
    /// The target's name.
    pub data_source: String,
    /// What it waits for, if it waits: a sentence with a name and a time.
    pub waiting_for: Option<String>,
    /// Who was asked to sign it; none before its approval is opened.
    pub countersigning: Option<Countersigning>,
    /// What was checked before people were asked.
    pub checks: Vec<CheckBody>,
    /// Its jobs, oldest first: the check of the target, then what ran.
    pub jobs: Vec<JobStory>,
    /// There are older jobs than these: `GET /v1/jobs?change=` has all.
    pub more_jobs: bool,
}

/// A check of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckBody {
    /// `introspection`: the agent reads the live schema of the target.
    pub name: String,
    /// `running`, `passed`, or how its job ended.
    pub state: String,
    /// Why it did not pass: a refusal's name or a SQLSTATE.
    pub code: Option<String>,
    /// The job that checks.
    pub job: String,
    /// When it was asked for.
    pub started_at: String,
    /// When its result was taken in.
    pub finished_at: Option<String>,
}

/// Who was asked to sign a change, who did, and who still may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Countersigning {
    /// Where the approval stands: `open`, `granted`, `rejected`, `closed`.
    pub state: String,
    /// Until when people may sign.
    pub deadline: String,
    /// What is demanded, and how far it is met.
    pub stages: Vec<StageProgress>,
    /// Who signed.
    pub signed: Vec<SignedBody>,
    /// Who rejected it.
    pub rejected_by: Option<String>,
    /// Who still may sign, by the current trust root: nobody once it is decided or too late; null if that cannot be
    /// read now.
    pub may_sign: Option<Vec<Signer>>,
}

/// One stage of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageProgress {
    /// Its name.
    pub name: String,
    /// How many people must sign.
    pub quorum: u64,
    /// How many did.
    pub signed: u64,
    /// Roles of which somebody is still missing.
    pub missing: Vec<MissingRole>,
    /// Nothing is missing.
    pub complete: bool,
}

/// A role of which people are still missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingRole {
    /// The role.
    pub role: String,
    /// How many more must hold it.
    pub count: u64,
}

/// A person who may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signer {
    /// `prn_...`
    pub person: String,
    /// Their name; none if the tenant knows nobody of this id.
    pub name: Option<String>,
    /// The roles that they hold for the environment.
    pub roles: Vec<String>,
}

/// A job with what its agent says of each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobStory {
    /// The job.
    #[serde(flatten)]
    pub job: JobBody,
    /// From the agent's signed result: none before it came, null if it cannot be read now.
    pub steps: Option<Vec<StepStory>>,
}

/// What an agent says of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepStory {
    /// From 1.
    pub ordinal: u32,
    /// Of its exact bytes.
    pub sha256: String,
    /// `succeeded`, `failed`, `unknown`, `not_run`.
    pub outcome: String,
    /// Rows that the database reports.
    pub rows: Option<u64>,
    /// How long it ran, milliseconds.
    pub duration_ms: u64,
    /// SQLSTATE of its error.
    pub sqlstate: Option<String>,
}

/// An approval and how it came about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalDetail {
    /// The approval.
    #[serde(flatten)]
    pub approval: ApprovalBody,
    /// The target's id.
    pub data_source_id: String,
    /// Who wrote the change; never counted.
    pub author: String,
    /// `on_approval` or `on_release`.
    pub start: String,
    /// What happened, in order.
    pub history: Vec<HistoryEntry>,
}

/// A data source, who waits for it, and what happened last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DataSourceDetail {
    /// The data source.
    #[serde(flatten)]
    pub data_source: DataSourceBody,
    /// Changes that wait for the schema lock, first in line first.
    pub waiting: Vec<String>,
    /// The last 100 events, in order.
    pub history: Vec<HistoryEntry>,
}
