//! `result.v1`: what an agent says it did. Signing and verifying it is in [`crate::result`].

use super::{Invalid, Mode, RootRef, Statement, at_least_one};
use crate::accept::Reason;
use crate::encoding::{Sha256Digest, Timestamp, or_null};
use crate::names::{DataSourceId, Fingerprint, JobId, PrincipalId, TenantSlug};
use crate::spiffe::SpiffeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The outcome of one attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobResult {
    /// Whose job.
    pub tenant: TenantSlug,
    /// The agent, whose certificate signs.
    pub agent: SpiffeId,
    /// On which database.
    pub data_source: DataSourceId,
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u64,
    /// Its fence.
    pub fence: u64,
    /// SHA-256 of the job's payload.
    pub job_sha256: Sha256Digest,
    /// SHA-256 of the change's payload, if the job names one.
    #[serde(deserialize_with = "or_null")]
    pub change_sha256: Option<Sha256Digest>,
    /// The agent's current root.
    pub root: RootRef,
    /// The job's mode.
    pub mode: Mode,
    /// How it ended.
    pub outcome: Outcome,
    /// The name of the refusal, exactly when the outcome is `refused`.
    #[serde(deserialize_with = "or_null")]
    pub refusal: Option<Reason>,
    /// The people whom the predicate counted, each once.
    pub counted: Vec<PrincipalId>,
    /// When the agent began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What happened to each step.
    pub steps: Vec<StepResult>,
    /// The schema before, if it was read.
    #[serde(deserialize_with = "or_null")]
    pub fingerprint_before: Option<Fingerprint>,
    /// The schema afterwards, if it was read.
    #[serde(deserialize_with = "or_null")]
    pub fingerprint_after: Option<Fingerprint>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done.
    Succeeded,
    /// It failed and left nothing behind.
    FailedClean,
    /// It failed after some steps.
    FailedPartial,
    /// Nobody can say.
    Unknown,
    /// The predicate did not hold.
    Refused,
}

impl Outcome {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::FailedClean => "failed_clean",
            Self::FailedPartial => "failed_partial",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// What happened to one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepResult {
    /// Its ordinal in the change.
    pub ordinal: u32,
    /// SHA-256 of its exact bytes.
    pub sha256: Sha256Digest,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Rows that the database reports, if it does.
    #[serde(deserialize_with = "or_null")]
    pub rows: Option<u64>,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// The database's error code: five of 0-9 and A-Z.
    #[serde(deserialize_with = "or_null")]
    pub sqlstate: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It is done.
    Succeeded,
    /// It failed, or was rolled back.
    Failed,
    /// It was started and its end is not known.
    Unknown,
    /// It was not begun.
    NotRun,
}

impl Statement for JobResult {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.result.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        at_least_one("attempt", self.attempt)?;
        if self.finished_at < self.started_at {
            return Err(Invalid::EmptyPeriod("result"));
        }
        let mut counted = BTreeSet::new();
        if let Some(twice) = self.counted.iter().find(|person| !counted.insert(*person)) {
            return Err(Invalid::PersonTwice(twice.clone()));
        }
        if self.refusal.is_some() != (self.outcome == Outcome::Refused) {
            return Err(Invalid::DoesNotGoWith { member: "refusal", with: "outcome" });
        }
        let state = |s: &str| {
            s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        };
        if self.steps.iter().filter_map(|step| step.sqlstate.as_deref()).any(|s| !state(s)) {
            return Err(Invalid::Name("sqlstate"));
        }
        self.steps.iter().try_for_each(|step| at_least_one("ordinal", step.ordinal.into()))
    }
}
