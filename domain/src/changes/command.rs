//! What may be asked of a change.

use crate::ids::{ApprovalId, DataSourceId, JobId, PrincipalId};
use crate::personal::Personal;
use crate::vocabulary::{Found, Outcome, PolicyRef, RootRef, Start, Step};
use ::ledger::blob::BlobRef;
use trust::encoding::Sha256Digest;

/// A command on a change.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeCommand {
    /// Write it down, and submit it at once if asked to.
    Draft(Draft),
    /// Ask for checks and approval.
    Submit,
    /// The live schema is known and the manifest fixed: people may sign.
    RequestApproval(ApprovalRequest),
    /// The checks did not pass, or the agent refused.
    FailCheck {
        /// The reason's name.
        code: String,
        /// The job that found it.
        job: JobId,
    },
    /// Enough people signed.
    RecordApproval {
        /// The approval that was granted.
        approval: ApprovalId,
    },
    /// Somebody rejected it.
    RecordRejection {
        /// The approval in which.
        approval: ApprovalId,
        /// Who.
        by: PrincipalId,
    },
    /// Run it now (`start: on_release`).
    Start,
    /// The schema lock is held and the job about to be sent: the point of no return.
    RecordDispatch {
        /// The job.
        job: JobId,
        /// The fencing token of the lock.
        fence: u64,
    },
    /// The job of a change that is being applied was never recorded: nothing can run.
    FailDispatch {
        /// The reason's name.
        code: String,
        /// The job that was to run.
        job: JobId,
    },
    /// The agent's signed result was verified.
    RecordResult(ExecutionReport),
    /// Nobody knew whether it ran; somebody has looked.
    Resolve {
        /// What they found.
        found: Found,
        /// How they know.
        reason: Personal,
    },
    /// Take it back.
    Cancel {
        /// The caller holds the operator role, so that it need not be their own.
        as_operator: bool,
    },
}

/// What is drafted; looked-up facts are the caller's.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The target.
    pub data_source: DataSourceId,
    /// Its environment.
    pub environment: String,
    /// One line for people.
    pub title: Personal,
    /// Why.
    pub reason: Option<Personal>,
    /// The exact bytes.
    pub sql: BlobRef,
    /// How they are cut.
    pub steps: Vec<Step>,
    /// When it starts.
    pub start: Start,
    /// Submit in the same commit.
    pub submit: bool,
}

/// The fixed manifest of a revision.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalRequest {
    /// Where people sign.
    pub approval: ApprovalId,
    /// The exact manifest bytes.
    pub manifest: BlobRef,
    /// Their digest.
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

/// What the agent's verified result says.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionReport {
    /// The job.
    pub job: JobId,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the agent refused.
    pub refusal: Option<String>,
    /// Why the database did.
    pub sqlstate: Option<String>,
    /// The schema afterwards.
    pub fingerprint: Option<String>,
    /// The signed result.
    pub result: BlobRef,
}
