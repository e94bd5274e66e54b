//! What the agent says about an attempt: `result.v1`, still unsigned.

use chassis::Clock;
use std::collections::BTreeSet;
use trust::accept::{Reason, Refusal, StoredResult};
use trust::dsse::Parsed;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::KeyId;
use trust::message::JobMessage;
use trust::names::{DataSourceId, Fingerprint, JobId, PrincipalId, TenantSlug};
use trust::pinned::PinnedRoot;
use trust::quorum;
use trust::spiffe::SpiffeId;
use trust::statement::{
    Change, JobResult, Mode, Outcome, RootRef, Statement as _, StatementError, StepOutcome,
    StepResult,
};

/// The answer to one attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u64,
    /// The exact `result.v1` payload.
    pub payload: Vec<u8>,
    /// The schema's document, where a fingerprint was read.
    pub document: Option<Vec<u8>>,
    /// How it ended.
    pub outcome: Outcome,
    /// The refusal's name.
    pub refusal: Option<Reason>,
    /// The database's message, where the site lets it out.
    pub message: Option<String>,
    /// The digest of what no dispatcher signed, if that is what it answers.
    pub disowned: Option<Sha256Digest>,
}

impl Answer {
    /// The answer that a redelivered attempt got before.
    pub fn stored(stored: StoredResult) -> Result<Self, StatementError> {
        let said = JobResult::parse(&stored.result)?;
        Ok(Self {
            job: stored.job,
            attempt: stored.attempt,
            payload: stored.result,
            document: stored.document,
            outcome: said.outcome,
            refusal: said.refusal,
            message: None,
            disowned: None,
        })
    }

    /// A fresh one.
    pub fn of(result: &JobResult, document: Option<Vec<u8>>) -> Result<Self, StatementError> {
        Ok(Self {
            job: result.job.clone(),
            attempt: result.attempt,
            payload: result.to_payload()?,
            document,
            outcome: result.outcome,
            refusal: result.refusal,
            message: None,
            disowned: None,
        })
    }
}

/// What every result about one attempt has in common.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Our own tenant: a certificate signs for no other.
    pub tenant: TenantSlug,
    /// This agent.
    pub agent: SpiffeId,
    /// The data source that the job names.
    pub data_source: DataSourceId,
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u64,
    /// Its fence.
    pub fence: u64,
    /// SHA-256 of its payload.
    pub job_sha256: Sha256Digest,
    /// SHA-256 of the change that it names.
    pub change_sha256: Option<Sha256Digest>,
    /// The agent's current root.
    pub root: RootRef,
    /// The job's mode.
    pub mode: Mode,
    /// The people who approved, as far as they can be counted.
    pub counted: Vec<PrincipalId>,
    /// When the agent began.
    pub started_at: Timestamp,
    /// Whether the dispatcher signed the job.
    pub authentic: bool,
}

/// What an end adds to the subject.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// The steps.
    pub steps: Vec<StepResult>,
    /// The schema before.
    pub before: Option<Fingerprint>,
    /// The schema afterwards.
    pub after: Option<Fingerprint>,
}

impl Subject {
    /// Of a message whose job can be read.
    pub fn of_message(
        message: &JobMessage,
        (tenant, agent): (&TenantSlug, &SpiffeId),
        current: &PinnedRoot,
        revoked_keys: &BTreeSet<KeyId>,
        started_at: Timestamp,
    ) -> Self {
        let job = message.job.statement();
        let change = message.change.clone().map(Parsed::<Change>::from_envelope);
        let counted = change.and_then(Result::ok).map_or_else(Vec::new, |change| {
            quorum::count(&change, current.root(), revoked_keys).people().cloned().collect()
        });
        Self {
            tenant: tenant.clone(),
            agent: agent.clone(),
            data_source: job.data_source.clone(),
            job: job.job.clone(),
            attempt: job.attempt,
            fence: job.fence,
            job_sha256: message.job.sha256(),
            change_sha256: job.change_sha256,
            root: current.reference(),
            mode: job.mode,
            counted,
            started_at,
            authentic: true,
        }
    }

    /// Of bytes that no dispatcher is known to have signed: the answer must not be one about the genuine job.
    #[must_use]
    pub fn unauthentic(self, payload: &[u8]) -> Self {
        let job_sha256 = unauthentic(payload);
        Self { job_sha256, counted: Vec::new(), authentic: false, ..self }
    }

    /// The result of this end.
    pub fn result(&self, outcome: Outcome, end: End, clock: &Clock) -> JobResult {
        JobResult {
            tenant: self.tenant.clone(),
            agent: self.agent.clone(),
            data_source: self.data_source.clone(),
            job: self.job.clone(),
            attempt: self.attempt,
            fence: self.fence,
            job_sha256: self.job_sha256,
            change_sha256: self.change_sha256,
            root: self.root,
            mode: self.mode,
            outcome,
            refusal: None,
            counted: self.counted.clone(),
            started_at: self.started_at,
            // A clock that was set back meanwhile must not make the result invalid.
            finished_at: clock.now().max(self.started_at),
            steps: end.steps,
            fingerprint_before: end.before,
            fingerprint_after: end.after,
        }
    }

    /// The answer that refuses.
    pub fn refused(
        &self,
        refusal: &Refusal,
        end: End,
        clock: &Clock,
    ) -> Result<Answer, StatementError> {
        tracing::info!(
            job.id = %self.job, attempt = self.attempt, line = refusal.line(), refusal = refusal.name(),
            reason = refusal.sentence(), "job refused"
        );
        let mut result = self.result(Outcome::Refused, end, clock);
        result.refusal = Some(refusal.reason());
        let disowned = (!self.authentic).then_some(self.job_sha256);
        Ok(Answer { disowned, ..Answer::of(&result, None)? })
    }
}

/// A digest that is no job's: the prefix is no beginning of a JSON text, as every job's payload is one.
pub fn unauthentic(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::of(&[b"not authentic\n", bytes].concat())
}

/// A step that did not run.
pub fn not_run(ordinal: u32, sha256: Sha256Digest) -> StepResult {
    let outcome = StepOutcome::NotRun;
    StepResult { ordinal, sha256, outcome, rows: None, duration_ms: 0, sqlstate: None }
}
