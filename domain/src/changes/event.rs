//! What happened to a change.

use crate::ids::{ApprovalId, DataSourceId, JobId, PrincipalId};
use crate::personal::Personal;
use crate::schema;
use crate::vocabulary::{Found, Outcome, PolicyRef, RootRef, Start, Step};
use ::ledger::blob::BlobRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trust::encoding::Sha256Digest;

/// An event of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum ChangeEvent {
    /// A change was written down.
    #[serde(rename = "schema.drafted")]
    Drafted(Drafted),
    /// A change was submitted for checks and approval.
    #[serde(rename = "schema.requested")]
    Requested {
        /// 1 for the first submission.
        revision: u32,
    },
    /// The manifest of a revision is fixed; people may sign it.
    #[serde(rename = "schema.pending_approval")]
    PendingApproval(ApprovalPending),
    /// Enough people signed.
    #[serde(rename = "schema.approved")]
    Approved {
        /// Where they did.
        approval: ApprovalId,
    },
    /// Somebody rejected the change.
    #[serde(rename = "schema.rejected")]
    Rejected {
        /// Where.
        approval: ApprovalId,
        /// Who.
        by: PrincipalId,
    },
    /// The change is to run as soon as the schema lock is free.
    #[serde(rename = "schema.scheduled")]
    Scheduled {
        /// What started it.
        start: Start,
    },
    /// The change's job is on its way: the point of no return.
    #[serde(rename = "schema.execution.dispatched")]
    Dispatched {
        /// The job.
        job: JobId,
        /// The fencing token of the schema lock.
        fence: u64,
    },
    /// The agent's signed result was verified and taken in.
    #[serde(rename = "schema.execution.result")]
    ResultTaken {
        /// The job.
        job: JobId,
        /// How it ended.
        outcome: Outcome,
        /// Why the agent refused, by its PROTOCOL.md name.
        refusal: Option<String>,
        /// SQLSTATE of the error.
        sqlstate: Option<String>,
        /// The signed result's bytes.
        #[schemars(with = "schema::Blob")]
        result: BlobRef,
    },
    /// The change ran.
    #[serde(rename = "schema.applied")]
    Applied {
        /// The job.
        job: JobId,
        /// The schema afterwards.
        fingerprint: Option<String>,
    },
    /// The change did not run, was rolled back, or stopped half-way: then `code` is `failed_partial`. Otherwise it names
    /// the reason, such as the agent's refusal or the SQLSTATE.
    #[serde(rename = "schema.failed")]
    Failed {
        /// The reason's name: a refusal, a check or a SQLSTATE.
        code: String,
        /// The job.
        job: Option<JobId>,
    },
    /// Nobody knows whether the change ran.
    #[serde(rename = "schema.unknown")]
    OutcomeUnknown {
        /// The job.
        job: JobId,
    },
    /// Somebody looked at the database of a change whose outcome was unknown, and says how it ended.
    #[serde(rename = "schema.resolved")]
    Resolved {
        /// What they found.
        found: Found,
        /// How they know.
        reason: Personal,
        /// Who.
        by: PrincipalId,
    },
    /// The change was taken back.
    #[serde(rename = "schema.cancelled")]
    Cancelled {
        /// By whom.
        by: PrincipalId,
    },
}

/// What was written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drafted {
    /// The target.
    pub data_source: DataSourceId,
    /// Its environment.
    pub environment: String,
    /// One line for people.
    pub title: Personal,
    /// Why.
    pub reason: Option<Personal>,
    /// The exact bytes.
    #[schemars(with = "schema::Blob")]
    pub sql: BlobRef,
    /// How they are cut.
    pub steps: Vec<Step>,
    /// When it starts.
    pub start: Start,
    /// Who wrote it.
    pub author: PrincipalId,
}

/// The fixed manifest of a revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalPending {
    /// Which submission.
    pub revision: u32,
    /// Where people sign.
    pub approval: ApprovalId,
    /// The exact manifest bytes.
    #[schemars(with = "schema::Blob")]
    pub manifest: BlobRef,
    /// Their digest.
    #[schemars(with = "schema::Digest")]
    pub change_sha256: Sha256Digest,
    /// The live schema it starts from.
    pub fingerprint: String,
    /// The root it is under.
    pub root: RootRef,
    /// The policy it is under.
    pub policy: PolicyRef,
    /// The introspection that found the fingerprint.
    pub job: JobId,
}
