//! Jobs: signed work for an agent, and the signed result.

mod event;
#[cfg(test)]
mod tests;

pub use event::{Dispatched, Finished, JobEvent, Mode};

use crate::Issued;
use crate::aggregate::aggregate;
use crate::refusal::refusals;
use crate::vocabulary::Outcome;
use serde::{Deserialize, Serialize};

refusals! {
    /// Why a command on a job was refused.
    JobError {
        NotFound = "jobs.not_found", NotFound, "there is no such job";
        AlreadyDispatched = "jobs.already_dispatched", Conflict, "the job was dispatched already";
        AlreadyFinished = "jobs.already_finished", Conflict, "the job has a result already";
        OtherAttempt = "jobs.other_attempt", Conflict, "the result belongs to another attempt";
        OtherDigest = "jobs.other_job_digest", Conflict, "the result names other job bytes than were dispatched";
    }
}

/// A command on a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCommand {
    /// Record that it is signed and on its way.
    Dispatch(Dispatched),
    /// Take in the agent's verified result.
    RecordResult {
        /// The job bytes that the result names.
        job_sha256: trust::encoding::Sha256Digest,
        /// What it says.
        finished: Finished,
    },
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What was dispatched.
    pub dispatched: Option<Dispatched>,
    /// What came back.
    pub finished: Option<(Outcome, Finished)>,
}

aggregate!(Job, "job", JobCommand, JobEvent, JobError);

impl Job {
    fn decide(&self, issued: Issued<JobCommand>) -> Result<Vec<JobEvent>, JobError> {
        match (&self.dispatched, issued.command) {
            (None, JobCommand::Dispatch(dispatched)) => Ok(vec![JobEvent::Dispatched(dispatched)]),
            (Some(_), JobCommand::Dispatch(_)) => Err(JobError::AlreadyDispatched),
            (None, JobCommand::RecordResult { .. }) => Err(JobError::NotFound),
            (Some(dispatched), JobCommand::RecordResult { job_sha256, finished }) => {
                if self.finished.is_some() {
                    return Err(JobError::AlreadyFinished);
                }
                if dispatched.attempt != finished.attempt {
                    return Err(JobError::OtherAttempt);
                }
                if dispatched.job_sha256 != job_sha256 {
                    return Err(JobError::OtherDigest);
                }
                Ok(vec![JobEvent::ended(finished)])
            }
        }
    }

    fn evolve(&mut self, event: JobEvent) {
        match event {
            JobEvent::Dispatched(dispatched) => self.dispatched = Some(dispatched),
            JobEvent::Succeeded(finished)
            | JobEvent::Failed(finished)
            | JobEvent::Refused(finished)
            | JobEvent::OutcomeUnknown(finished) => {
                self.finished = Some((finished.outcome, finished));
            }
        }
    }
}
