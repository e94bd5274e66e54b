//! What a journal and the log can disagree about.

use super::journal::StepState;
use domain::vocabulary::Outcome;
use ledger::Severity;
use serde_json::{Value, json};

/// A difference, and the job that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// Its id, as the journal or the log has it.
    pub job: String,
    /// What differs.
    pub difference: Difference,
}

impl Disagreement {
    /// For programs.
    pub fn value(&self) -> Value {
        let Self { job, difference } = self;
        let severity = match difference.severity() {
            Severity::Tampering => "tampering",
            Severity::Incompleteness => "incompleteness",
        };
        json!({"job": job, "code": difference.code(), "severity": severity,
            "detail": difference.to_string()})
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The target ran or answered a job that the log does not hold for it.
    #[error("the target remembers a job that the log does not hold for it")]
    NotRecorded,
    /// The log says that it ran.
    #[error("the log says that it {}, and the target's journal holds no step of it", outcome.name())]
    NotRun {
        /// How it ended, as the log says.
        outcome: Outcome,
    },
    /// The result that the log holds knows no such step.
    #[error("step {0} of the journal is none that the result tells of")]
    StepUnknown(u32),
    /// A step that ran is not in the journal.
    #[error("the result tells of step {0}, and the journal does not hold it")]
    StepMissing(u32),
    /// The target does not remember what it answered.
    #[error("the journal does not hold the answer that the log has")]
    AnswerMissing,
    /// The journal cannot know of it.
    #[error("it ended after the journal was written: write the journal and compare again")]
    Later,
    /// A member of a step is not the dispatched job's.
    #[error("the journal's {0} is not the one that was sent")]
    Member(&'static str),
    /// A step cannot have ended so in that job.
    #[error("a step is {} in the journal, and the log says that the job {}", step.name(), outcome.name())]
    OtherEnd {
        /// As the journal says.
        step: StepState,
        /// As the log says.
        outcome: Outcome,
    },
    /// The answer is not the one that the log holds.
    #[error("the target remembers another result than the one that the log holds")]
    OtherResult,
    /// The result's blob is missing or damaged.
    #[error("the result that the log names cannot be read")]
    ResultUnreadable,
    /// Nothing has come back yet.
    #[error("the log holds no result of it: it may be on its way")]
    NotReported,
}

impl Difference {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRecorded => "not_recorded",
            Self::NotRun { .. } => "not_run",
            Self::StepUnknown(_) => "step_unknown",
            Self::StepMissing(_) => "step_missing",
            Self::AnswerMissing => "answer_missing",
            Self::Later => "later_than_journal",
            Self::Member(_) => "step_mismatch",
            Self::OtherEnd { .. } => "end_mismatch",
            Self::OtherResult => "result_mismatch",
            Self::ResultUnreadable => "result_unreadable",
            Self::NotReported => "not_reported",
        }
    }

    /// Whether one of the two must be false, or something is only missing.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NotReported | Self::ResultUnreadable | Self::Later => Severity::Incompleteness,
            Self::NotRecorded
            | Self::NotRun { .. }
            | Self::StepUnknown(_)
            | Self::StepMissing(_)
            | Self::AnswerMissing
            | Self::Member(_)
            | Self::OtherEnd { .. }
            | Self::OtherResult => Severity::Tampering,
        }
    }
}
