//! Changes: what somebody wants done to a database, from draft to applied.
//!
//! `draft → checking → pending_approval → approved → scheduled → applying → applied`, with `rejected`, `cancelled`,
//! `failed` and `unknown`.

mod command;
mod event;
#[cfg(test)]
mod tests;

pub use command::{ApprovalRequest, ChangeCommand, Draft, ExecutionReport};
pub use event::{ApprovalPending, ChangeEvent, Drafted};

use crate::Issued;
use crate::aggregate::aggregate;
use crate::ids::{ApprovalId, DataSourceId, JobId, PrincipalId};
use crate::refusal::refusals;
use crate::vocabulary::{Found, Outcome, Start};
use serde::{Deserialize, Serialize};

refusals! {
    /// Why a command on a change was refused.
    ChangeError {
        NotFound = "changes.not_found", NotFound, "there is no such change";
        AlreadyDrafted = "changes.already_drafted", Conflict, "the change exists already";
        NotDraft = "changes.not_draft", Conflict, "the change is not a draft";
        NotChecking = "changes.not_checking", Conflict, "the change is not being checked";
        NotPending = "changes.not_pending_approval", Conflict, "the change does not wait for approval";
        NotApproved = "changes.not_approved", Conflict, "the change is not approved, or was started already";
        NotScheduled = "changes.not_scheduled", Conflict, "the change is not scheduled";
        NotApplying = "changes.not_applying", Conflict, "the change is not being applied";
        NotUnknown = "changes.not_unknown", Conflict, "the outcome of the change is not unknown";
        OtherApproval = "changes.other_approval", Conflict, "the approval belongs to another revision";
        OtherJob = "changes.other_job", Conflict, "the result belongs to another job";
        AlreadyApplying = "changes.already_applying", Conflict, "the change is being applied and cannot be cancelled";
        Ended = "changes.ended", Conflict, "the change has ended";
        NotYours = "changes.not_yours", Forbidden, "only the author may do this";
    }
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It does not exist.
    #[default]
    Absent,
    /// Written, not submitted.
    Draft,
    /// Submitted; the agent reads the live schema.
    Checking,
    /// The manifest is fixed and waits for signatures.
    PendingApproval,
    /// Enough people signed; it waits to be started.
    Approved,
    /// Started; it waits for the schema lock.
    Scheduled,
    /// The job is on its way or runs.
    Applying,
    /// It ran.
    Applied,
    /// Somebody said no.
    Rejected,
    /// The author took it back.
    Cancelled,
    /// It did not run, was rolled back, or stopped half-way.
    Failed,
    /// Nobody knows whether it ran.
    Unknown,
}

impl Phase {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Draft => "draft",
            Self::Checking => "checking",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Scheduled => "scheduled",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Where a change stands that somebody has looked for.
    pub fn found(found: Found) -> Self {
        match found {
            Found::Applied => Self::Applied,
            Found::Failed => Self::Failed,
        }
    }

    /// Nothing follows by itself.
    pub fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Applied | Self::Rejected | Self::Cancelled | Self::Failed | Self::Unknown
        )
    }
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Where it stands.
    pub phase: Phase,
    /// What was drafted.
    pub drafted: Option<Drafted>,
    /// Who drafted it.
    pub author: Option<PrincipalId>,
    /// 1 for the first submission.
    pub revision: u32,
    /// The manifest that waits for signatures or has them.
    pub pending: Option<ApprovalPending>,
    /// The job that runs it.
    pub job: Option<JobId>,
    /// The fencing token under which it runs.
    pub fence: Option<u64>,
}

aggregate!(Change, "change", ChangeCommand, ChangeEvent, ChangeError);

impl Change {
    /// The data source it is for.
    pub fn data_source(&self) -> Option<DataSourceId> {
        self.drafted.as_ref().map(|drafted| drafted.data_source)
    }

    fn decide(&self, issued: Issued<ChangeCommand>) -> Result<Vec<ChangeEvent>, ChangeError> {
        let Issued { by, command, .. } = issued;
        match (self.phase, command) {
            (Phase::Absent, ChangeCommand::Draft(draft)) => Ok(Self::draft(draft, by.id)),
            (_, ChangeCommand::Draft(_)) => Err(ChangeError::AlreadyDrafted),
            (Phase::Absent, _) => Err(ChangeError::NotFound),
            (Phase::Draft, ChangeCommand::Submit) => self.submit(by.id),
            (_, ChangeCommand::Submit) => Err(ChangeError::NotDraft),
            (Phase::Checking, ChangeCommand::RequestApproval(request)) => Ok(self.request(request)),
            (Phase::Checking, ChangeCommand::FailCheck { code, job }) => {
                Ok(vec![ChangeEvent::Failed { code, job: Some(job) }])
            }
            (_, ChangeCommand::RequestApproval(_) | ChangeCommand::FailCheck { .. }) => {
                Err(ChangeError::NotChecking)
            }
            (Phase::PendingApproval, ChangeCommand::RecordApproval { approval }) => {
                self.approve(approval)
            }
            (Phase::PendingApproval, ChangeCommand::RecordRejection { approval, by }) => {
                self.expect_approval(approval)?;
                Ok(vec![ChangeEvent::Rejected { approval, by }])
            }
            (_, ChangeCommand::RecordApproval { .. } | ChangeCommand::RecordRejection { .. }) => {
                Err(ChangeError::NotPending)
            }
            (Phase::Approved, ChangeCommand::Start) => {
                Ok(vec![ChangeEvent::Scheduled { start: Start::OnRelease }])
            }
            (_, ChangeCommand::Start) => Err(ChangeError::NotApproved),
            (Phase::Scheduled, ChangeCommand::RecordDispatch { job, fence }) => {
                Ok(vec![ChangeEvent::Dispatched { job, fence }])
            }
            (_, ChangeCommand::RecordDispatch { .. }) => Err(ChangeError::NotScheduled),
            (Phase::Applying, ChangeCommand::RecordResult(report)) => self.take_result(report),
            // It never got the lock: there is no job.
            (Phase::Scheduled, ChangeCommand::FailDispatch { code, .. }) => {
                Ok(vec![ChangeEvent::Failed { code, job: None }])
            }
            (Phase::Applying, ChangeCommand::FailDispatch { code, job }) => {
                self.expect_job(job)?;
                Ok(vec![ChangeEvent::Failed { code, job: Some(job) }])
            }
            (_, ChangeCommand::RecordResult(_) | ChangeCommand::FailDispatch { .. }) => {
                Err(ChangeError::NotApplying)
            }
            (Phase::Unknown, ChangeCommand::Resolve { found, reason }) => {
                Ok(vec![ChangeEvent::Resolved { found, reason, by: by.id }])
            }
            (_, ChangeCommand::Resolve { .. }) => Err(ChangeError::NotUnknown),
            (Phase::Applying, ChangeCommand::Cancel { .. }) => Err(ChangeError::AlreadyApplying),
            (phase, ChangeCommand::Cancel { .. }) if phase.has_ended() => Err(ChangeError::Ended),
            (_, ChangeCommand::Cancel { as_operator }) => self.cancel(by.id, as_operator),
        }
    }

    fn draft(draft: Draft, author: PrincipalId) -> Vec<ChangeEvent> {
        let submit = draft.submit;
        let drafted = ChangeEvent::Drafted(Drafted {
            data_source: draft.data_source,
            environment: draft.environment,
            title: draft.title,
            reason: draft.reason,
            sql: draft.sql,
            steps: draft.steps,
            start: draft.start,
            author,
        });
        let requested = submit.then_some(ChangeEvent::Requested { revision: 1 });
        std::iter::once(drafted).chain(requested).collect()
    }

    fn submit(&self, by: PrincipalId) -> Result<Vec<ChangeEvent>, ChangeError> {
        if self.author != Some(by) {
            return Err(ChangeError::NotYours);
        }
        Ok(vec![ChangeEvent::Requested { revision: self.revision + 1 }])
    }

    fn request(&self, request: ApprovalRequest) -> Vec<ChangeEvent> {
        vec![ChangeEvent::PendingApproval(ApprovalPending {
            revision: self.revision,
            approval: request.approval,
            manifest: request.manifest,
            change_sha256: request.change_sha256,
            fingerprint: request.fingerprint,
            root: request.root,
            policy: request.policy,
            job: request.job,
        })]
    }

    fn expect_approval(&self, approval: ApprovalId) -> Result<(), ChangeError> {
        let expected = self.pending.as_ref().map(|pending| pending.approval);
        if expected == Some(approval) { Ok(()) } else { Err(ChangeError::OtherApproval) }
    }

    fn approve(&self, approval: ApprovalId) -> Result<Vec<ChangeEvent>, ChangeError> {
        self.expect_approval(approval)?;
        let start = self.drafted.as_ref().map_or(Start::OnRelease, |drafted| drafted.start);
        let scheduled = match start {
            Start::OnApproval => Some(ChangeEvent::Scheduled { start }),
            Start::OnRelease => None,
        };
        Ok(std::iter::once(ChangeEvent::Approved { approval }).chain(scheduled).collect())
    }

    fn expect_job(&self, job: JobId) -> Result<(), ChangeError> {
        if self.job == Some(job) { Ok(()) } else { Err(ChangeError::OtherJob) }
    }

    fn take_result(&self, report: ExecutionReport) -> Result<Vec<ChangeEvent>, ChangeError> {
        let ExecutionReport { job, outcome, refusal, sqlstate, fingerprint, result } = report;
        self.expect_job(job)?;
        let reason = match outcome {
            // What was left behind matters more than the error that stopped it.
            Outcome::FailedPartial => None,
            Outcome::Succeeded | Outcome::FailedClean | Outcome::Unknown | Outcome::Refused => {
                refusal.clone().or_else(|| sqlstate.clone())
            }
        };
        let ended = match outcome {
            Outcome::Succeeded => ChangeEvent::Applied { job, fingerprint },
            Outcome::Unknown => ChangeEvent::OutcomeUnknown { job },
            Outcome::FailedClean | Outcome::FailedPartial | Outcome::Refused => {
                let code = reason.unwrap_or_else(|| outcome.name().to_owned());
                ChangeEvent::Failed { code, job: Some(job) }
            }
        };
        Ok(vec![ChangeEvent::ResultTaken { job, outcome, refusal, sqlstate, result }, ended])
    }

    fn cancel(&self, by: PrincipalId, as_operator: bool) -> Result<Vec<ChangeEvent>, ChangeError> {
        if self.author != Some(by) && !as_operator {
            return Err(ChangeError::NotYours);
        }
        Ok(vec![ChangeEvent::Cancelled { by }])
    }

    fn evolve(&mut self, event: ChangeEvent) {
        match event {
            ChangeEvent::Drafted(drafted) => {
                self.author = Some(drafted.author);
                self.drafted = Some(drafted);
                self.phase = Phase::Draft;
            }
            ChangeEvent::Requested { revision } => {
                self.revision = revision;
                self.phase = Phase::Checking;
            }
            ChangeEvent::PendingApproval(pending) => {
                self.pending = Some(pending);
                self.phase = Phase::PendingApproval;
            }
            ChangeEvent::Approved { .. } => self.phase = Phase::Approved,
            ChangeEvent::Rejected { .. } => self.phase = Phase::Rejected,
            ChangeEvent::Scheduled { .. } => self.phase = Phase::Scheduled,
            ChangeEvent::Dispatched { job, fence } => {
                self.job = Some(job);
                self.fence = Some(fence);
                self.phase = Phase::Applying;
            }
            ChangeEvent::ResultTaken { .. } => {}
            ChangeEvent::Applied { .. } => self.phase = Phase::Applied,
            ChangeEvent::Failed { .. } => self.phase = Phase::Failed,
            ChangeEvent::OutcomeUnknown { .. } => self.phase = Phase::Unknown,
            ChangeEvent::Resolved { found, .. } => self.phase = Phase::found(found),
            ChangeEvent::Cancelled { .. } => self.phase = Phase::Cancelled,
        }
    }
}
