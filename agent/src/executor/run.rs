//! Tries an accepted change until it is committed, refused or failed, and records which.

use super::recovery::{self, Fate};
use super::transaction::{self, DatabaseError, Stop, Trace};
use crate::answer::{Answer, End, Subject, not_run};
use crate::config::ReportRule;
use crate::journal::{self, Existing, JournalRow, RowEnd, StepState, StoredAnswer};
use crate::state::{Consumed, State};
use crate::target::{Guard, Session, Target, TargetError};
use chassis::Clock;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;
use trust::accept::{Accepted, AcceptedStep, Migration, Refusal};
use trust::encoding::Timestamp;
use trust::statement::{JobResult, Outcome, StepOutcome, StepResult};

/// How often a lock is tried for before the job fails.
const LOCK_TRIES: u32 = 5;
/// Pause after the first try; it doubles. Traffic gets through meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// An accepted change and where it is to run.
pub struct Order<'a> {
    pub(super) accepted: &'a Accepted,
    pub(super) step: &'a AcceptedStep,
    pub(super) file: &'a str,
    pub(super) not_after: Timestamp,
    pub(super) subject: &'a Subject,
    pub(super) row: JournalRow,
    pub(super) savepoint: String,
    pub(super) target: Target,
    pub(super) state: &'a State,
    pub(super) clock: &'a Clock,
    pub(super) cancelled: &'a CancellationToken,
}

/// The agent's own means: where it remembers, what time it is, and whether the job was taken back.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The agent's durable state.
    pub state: &'a State,
    /// Its clock.
    pub clock: &'a Clock,
    /// Fires when the dispatcher takes the job back.
    pub cancelled: &'a CancellationToken,
}

impl<'a> Order<'a> {
    /// An order for the one step of an accepted migration.
    pub fn new(
        accepted: &'a Accepted,
        migration: &'a Migration,
        subject: &'a Subject,
        target: &Target,
        means: Means<'a>,
    ) -> Result<Self, Refusal> {
        let mut steps = migration.steps();
        let (Some((step, bytes)), None) = (steps.next(), steps.next()) else {
            return Err(Refusal::not_supported(9, "other than one step is not supported yet"));
        };
        let Ok(file) = std::str::from_utf8(bytes) else {
            return Err(Refusal::not_supported(9, "the file is not UTF-8"));
        };
        let (job, change) = (accepted.job(), migration.change());
        let row = JournalRow {
            job: job.job.clone(),
            attempt: job.attempt,
            job_sha256: accepted.job_sha256(),
            change: change.change.clone(),
            change_sha256: migration.change_sha256(),
            revision: change.revision,
            ordinal: step.ordinal,
            step_sha256: step.sha256,
            fence: job.fence,
            dispatcher_epoch: job.dispatcher_epoch,
            started_at: subject.started_at,
        };
        // The job is made after the file is signed, so that the file cannot name the savepoint.
        let savepoint = format!("countersign_{}", accepted.job_sha256()).chars().take(40).collect();
        let Means { state, clock, cancelled } = means;
        let target = target.clone();
        let not_after = change.not_after;
        Ok(Self {
            accepted,
            step,
            file,
            not_after,
            subject,
            row,
            savepoint,
            target,
            state,
            clock,
            cancelled,
        })
    }

    /// A result with the one step as far as it is known.
    pub(super) fn result(
        &self,
        outcome: Outcome,
        trace: &Trace,
        step: StepOutcome,
        sqlstate: Option<String>,
    ) -> JobResult {
        let (ordinal, sha256) = (self.step.ordinal, self.step.sha256);
        let step = if trace.began.is_none() && step != StepOutcome::Unknown {
            StepResult { sqlstate, ..not_run(ordinal, sha256) }
        } else {
            let duration_ms = trace.duration_ms();
            StepResult { ordinal, sha256, outcome: step, rows: None, duration_ms, sqlstate }
        };
        let end = End { steps: vec![step], before: trace.before.clone(), after: None };
        self.subject.result(outcome, end, self.clock)
    }

    fn may_still_run(&self) -> bool {
        let now = self.clock.now();
        now < self.accepted.job().not_after && now < self.not_after
    }
}

/// Runs the order, in `session` first, and records its end; the answer is the stored one.
pub async fn run(
    order: &Order<'_>,
    mut session: Session,
    guard: &mut Guard,
) -> Result<Answer, TargetError> {
    let mut pause = FIRST_PAUSE;
    let mut tries = 1;
    loop {
        let mut trace = Trace::default();
        let ended = transaction::run(order, &session, guard, &mut trace).await;
        // Closed before anything is decided: what is open there ends with it.
        drop(session);
        match ended {
            Ok(()) => return committed(order, guard, &trace).await,
            Err(Stop::Failed(said))
                if said.sqlstate == SqlState::LOCK_NOT_AVAILABLE.code()
                    && tries < LOCK_TRIES
                    && order.may_still_run() =>
            {
                tracing::info!(job.id = %order.row.job, tries, "a lock was not free: again later");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = order.cancelled.cancelled() => {}
                }
                pause = pause.saturating_mul(2);
                tries += 1;
                session = order.target.connect(order.row.job.as_str()).await?;
            }
            Err(stop) => return stopped(order, guard, &trace, stop).await,
        }
    }
}

/// COMMIT was acknowledged. What it left behind decides: triggers of the file may have run inside it.
async fn committed(
    order: &Order<'_>,
    guard: &mut Guard,
    trace: &Trace,
) -> Result<Answer, TargetError> {
    match decide(order, guard).await? {
        Some(Fate::Answered(answer)) => Ok(*answer),
        Some(Fate::RolledBack) => failed_clean(order, guard, trace, None).await,
        None => Err(TargetError::Lost),
    }
}

async fn stopped(
    order: &Order<'_>,
    guard: &mut Guard,
    trace: &Trace,
    stop: Stop,
) -> Result<Answer, TargetError> {
    let (state, failed) = (StepState::Failed, StepOutcome::Failed);
    match stop {
        Stop::Target(error) => {
            decide(order, guard).await?;
            Err(error)
        }
        Stop::Refused(refusal) => {
            let end = order.result(Outcome::Refused, trace, StepOutcome::NotRun, None);
            let end = End { steps: end.steps, before: end.fingerprint_before, after: None };
            let answer = order.subject.refused(&refusal, end, order.clock)?;
            record(order, guard, None, answer).await
        }
        Stop::Cancelled => {
            tracing::info!(job.id = %order.row.job, "the job was taken back and rolled back");
            let result = order.result(Outcome::FailedClean, trace, failed, None);
            record(
                order,
                guard,
                Some(end_of(state, trace, None, &result)),
                Answer::of(&result, None)?,
            )
            .await
        }
        Stop::Failed(said) => failed_clean(order, guard, trace, Some(said)).await,
        Stop::Partial(said) => {
            let code = said.as_ref().map(|said| said.sqlstate.clone());
            tracing::error!(job.id = %order.row.job, sqlstate = code, "the file ended its own transaction");
            let result = order.result(Outcome::FailedPartial, trace, failed, code.clone());
            let mut end = end_of(StepState::Started, trace, code.as_deref(), &result);
            end.finished_at = None;
            let answer = with_message(order, Answer::of(&result, None)?, said.as_ref());
            record(order, guard, Some(end), answer).await
        }
        Stop::Lost(said) => match decide(order, guard).await? {
            Some(Fate::Answered(answer)) => Ok(*answer),
            Some(Fate::RolledBack) => failed_clean(order, guard, trace, said).await,
            None => Err(TargetError::Lost),
        },
    }
}

async fn failed_clean(
    order: &Order<'_>,
    guard: &mut Guard,
    trace: &Trace,
    said: Option<DatabaseError>,
) -> Result<Answer, TargetError> {
    let code = said.as_ref().map(|said| said.sqlstate.clone());
    tracing::info!(job.id = %order.row.job, sqlstate = code, "the migration failed and was rolled back");
    let result = order.result(Outcome::FailedClean, trace, StepOutcome::Failed, code.clone());
    let end = end_of(StepState::Failed, trace, code.as_deref(), &result);
    let answer = with_message(order, Answer::of(&result, None)?, said.as_ref());
    record(order, guard, Some(end), answer).await
}

fn end_of<'e>(
    state: StepState,
    trace: &'e Trace,
    sqlstate: Option<&'e str>,
    result: &JobResult,
) -> RowEnd<'e> {
    RowEnd {
        state,
        xid: trace.xid.as_deref(),
        finished_at: Some(result.finished_at),
        sqlstate,
        before: trace.before.as_ref(),
        after: None,
    }
}

fn with_message(order: &Order<'_>, mut answer: Answer, said: Option<&DatabaseError>) -> Answer {
    if order.target.report == ReportRule::Full {
        answer.message = said.map(|said| said.message.clone());
    }
    answer
}

/// Writes the end into the journal; only then does the agent's own state forget the attempt.
async fn record(
    order: &Order<'_>,
    guard: &mut Guard,
    end: Option<RowEnd<'_>>,
    answer: Answer,
) -> Result<Answer, TargetError> {
    let stored = StoredAnswer {
        job: &answer.job,
        attempt: answer.attempt,
        job_sha256: order.row.job_sha256,
        result: &answer.payload,
        document: answer.document.as_deref(),
    };
    let row = end.as_ref().map(|end| (&order.row, end));
    // A refusal leaves nothing of the file behind: what is there then is another process's word.
    let existing = if end.is_some() { Existing::Replaced } else { Existing::Stays };
    journal::record(guard, row, stored, existing).await?;
    let (source, fence) = (&order.target.id, (order.row.dispatcher_epoch, order.row.fence));
    if existing == Existing::Stays {
        let there = journal::stored(guard.session(), &answer.job, answer.attempt).await?;
        if let Some(other) = there.filter(|there| there.result != answer.payload) {
            order.state.end(source, fence, Consumed::Kept)?;
            return Ok(Answer::stored(other)?);
        }
    }
    match end.map(|end| end.state) {
        None => order.state.forget(source)?,
        Some(StepState::Failed) => order.state.end(source, fence, Consumed::Released)?,
        Some(StepState::Started | StepState::Succeeded) => {
            order.state.end(source, fence, Consumed::Kept)?;
        }
    }
    Ok(answer)
}

async fn decide(order: &Order<'_>, guard: &mut Guard) -> Result<Option<Fate>, TargetError> {
    guard.renew().await?;
    recovery::resolve(guard, order.state).await
}
