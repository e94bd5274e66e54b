//! Decides what became of a transaction: after every COMMIT, and where nobody saw its end: a crash of ours, a lost
//! connection, a COMMIT without an answer.
//!
//! Before COMMIT the agent's own state notes how the journal is to look afterwards (the promise). Once the backend is
//! gone, a journal that looks exactly so decides. Where it does not, a trigger inside COMMIT or somebody else changed
//! it: the transaction's own status decides, and what committed is `failed_partial`, never `succeeded`. What stays
//! undecided is `unknown`. Both count as consumed and are never run again by themselves.

use super::fingerprint::{Reading, Reads, read_committed};
use crate::answer::Answer;
use crate::journal::{self, Existing, RowEnd, StepState, StoredAnswer};
use crate::state::{Begun, Consumed, State};
use crate::target::{Guard, TargetError, failed};
use tokio_postgres::error::SqlState;
use trust::accept::StoredResult;
use trust::statement::{JobResult, Outcome, Statement as _, StepOutcome};

/// How long an answer is remembered that its journal does not hold: no job comes again after that.
const UNRESTORED_SECONDS: i64 = 400 * 86_400;

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It has this answer, which the journal holds.
    Answered(Box<Answer>),
    /// Nothing of it took place.
    RolledBack,
}

/// Decides the migration that was under way on the guard's data source, if there was one.
///
/// The guard has seen to it that no backend of ours is left.
pub async fn resolve(guard: &mut Guard, state: &State) -> Result<Option<Fate>, TargetError> {
    let Some(begun) = state.begun(&guard.target().id) else { return Ok(None) };
    let reading = live(guard).await?;
    let stored = stored(guard, &begun).await?;
    let kept =
        begun.promised_seal.is_some() && begun.promised_seal == reading.as_ref().and_then(seal);
    if let (true, Some(reading), Some(stored)) = (kept, &reading, &stored) {
        let answer = as_it_is(guard, &begun, reading, stored.clone()).await?;
        end(guard, state, &begun, &answer)?;
        return Ok(Some(Fate::Answered(Box::new(answer))));
    }
    let status = status(guard, &begun).await?;
    tracing::info!(
        job.id = %begun.row.job, attempt = begun.row.attempt, xid = begun.xid, status,
        "the transaction's own status decides how a migration ended"
    );
    let recorded = stored.and_then(|stored| Answer::stored(stored).ok());
    let answer = match (status.as_deref(), begun.promised_seal.is_some(), recorded) {
        // Only a kept promise says succeeded; whatever else says so was not written by the agent.
        (Some("aborted"), _, Some(answer)) if answer.outcome != Outcome::Succeeded => answer,
        (Some("aborted"), ..) => {
            state.forget(&guard.target().id)?;
            return Ok(Some(Fate::RolledBack));
        }
        (Some("committed"), true, _) => tampered(guard, state, &begun, reading).await?,
        (_, _, Some(answer)) if is_open(answer.outcome) => answer,
        // Committed without our COMMIT, too old to tell, or still going on: not for us to guess.
        _ => unknown(guard, &begun).await?,
    };
    end(guard, state, &begun, &answer)?;
    Ok(Some(Fate::Answered(Box::new(answer))))
}

fn seal(reading: &Reading) -> Option<String> {
    reading.seal.as_ref().map(ToString::to_string)
}

/// Whether something may have been left behind.
fn is_open(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::FailedPartial | Outcome::Unknown)
}

/// The schema and the journal as they are now; `None` if the journal cannot be read any more.
async fn live(guard: &Guard) -> Result<Option<Reading>, TargetError> {
    match read_committed(guard, Reads::SchemaAndJournal).await {
        Err(TargetError::Query { source, .. }) if lacks_journal(&source) => Ok(None),
        read => read.map(Some),
    }
}

async fn stored(guard: &Guard, begun: &Begun) -> Result<Option<StoredResult>, TargetError> {
    match journal::stored(guard.session(), &begun.row.job, begun.row.attempt).await {
        Err(TargetError::Query { source, .. }) if lacks_journal(&source) => Ok(None),
        Err(TargetError::Form(_)) => Ok(None),
        found => found,
    }
}

/// A table or column of the journal is gone, or hidden from its owner.
fn lacks_journal(error: &tokio_postgres::Error) -> bool {
    let gone = [
        &SqlState::UNDEFINED_TABLE,
        &SqlState::UNDEFINED_COLUMN,
        &SqlState::INVALID_SCHEMA_NAME,
        &SqlState::INSUFFICIENT_PRIVILEGE,
        &SqlState::WRONG_OBJECT_TYPE,
    ];
    error.code().is_some_and(|code| gone.contains(&code))
}

/// The stored answer. A trigger inside COMMIT may have made another schema than the one read before it: then what is
/// there now replaces it, here and in the journal.
async fn as_it_is(
    guard: &mut Guard,
    begun: &Begun,
    reading: &Reading,
    stored: StoredResult,
) -> Result<Answer, TargetError> {
    let mut result = JobResult::parse(&stored.result)?;
    if result.fingerprint_after.as_ref() == Some(&reading.fingerprint) {
        return Ok(Answer::stored(stored)?);
    }
    tracing::warn!(
        job.id = %begun.row.job, attempt = begun.row.attempt,
        "the schema is another one than before COMMIT: the answer says what is there"
    );
    result.fingerprint_after = Some(reading.fingerprint.clone());
    let answer = Answer::of(&result, Some(reading.document.clone()))?;
    write(guard, begun, (StepState::Succeeded, &result), &answer).await?;
    Ok(answer)
}

/// Committed, and the journal is not as the agent left it: the change changed it, or somebody else.
async fn tampered(
    guard: &mut Guard,
    state: &State,
    begun: &Begun,
    reading: Option<Reading>,
) -> Result<Answer, TargetError> {
    tracing::error!(
        job.id = %begun.row.job, attempt = begun.row.attempt, change.id = %begun.row.change,
        "the journal was changed while the change was committed: it does not count as succeeded, and is consumed"
    );
    let reading = match reading {
        Some(reading) => reading,
        None => read_committed(guard, Reads::Schema).await?,
    };
    let mut result = JobResult::parse(&begun.unknown_result)?;
    result.outcome = Outcome::FailedPartial;
    result.finished_at = guard.clock().await?.max(result.started_at);
    result.fingerprint_after = Some(reading.fingerprint);
    result.steps.iter_mut().for_each(|step| step.outcome = StepOutcome::Failed);
    let answer = Answer::of(&result, Some(reading.document))?;
    // The state remembers the change as consumed, whatever becomes of this.
    let restored = async {
        journal::make_again(guard.session(), &guard.target().id).await?;
        write(guard, begun, (StepState::Started, &result), &answer).await?;
        let stored = journal::stored(guard.session(), &begun.row.job, begun.row.attempt).await?;
        let same = stored.is_some_and(|stored| stored.result == answer.payload);
        if same { Ok(()) } else { Err(TargetError::Form("the answer just written")) }
    };
    if let Err(error) = restored.await {
        let source = &guard.target().name;
        tracing::error!(data_source = %source, error = error.described(), "the journal could not be restored");
        if guard.session().is_closed() {
            return Err(error);
        }
        // The journal may still say succeeded.
        let kept = StoredResult {
            job: answer.job.clone(),
            attempt: answer.attempt,
            job_sha256: begun.row.job_sha256,
            result: answer.payload.clone(),
            document: None,
        };
        state.keep_answer(kept, begun.row.started_at.plus_seconds(UNRESTORED_SECONDS))?;
    }
    Ok(answer)
}

async fn unknown(guard: &mut Guard, begun: &Begun) -> Result<Answer, TargetError> {
    let result = JobResult::parse(&begun.unknown_result)?;
    let answer = Answer::of(&result, None)?;
    write(guard, begun, (StepState::Started, &result), &answer).await?;
    Ok(answer)
}

async fn write(
    guard: &mut Guard,
    begun: &Begun,
    (state, result): (StepState, &JobResult),
    answer: &Answer,
) -> Result<(), TargetError> {
    let ended = state == StepState::Succeeded;
    let end = RowEnd {
        state,
        xid: Some(&begun.xid),
        finished_at: ended.then_some(result.finished_at),
        sqlstate: None,
        before: result.fingerprint_before.as_ref(),
        after: result.fingerprint_after.as_ref(),
    };
    let stored = StoredAnswer {
        job: &begun.row.job,
        attempt: begun.row.attempt,
        job_sha256: begun.row.job_sha256,
        result: &answer.payload,
        document: answer.document.as_deref(),
    };
    journal::record(guard, Some((&begun.row, &end)), stored, Existing::Replaced).await
}

fn end(guard: &Guard, state: &State, begun: &Begun, answer: &Answer) -> Result<(), TargetError> {
    let fence = (begun.row.dispatcher_epoch, begun.row.fence);
    let source = &guard.target().id;
    let ended = match answer.outcome {
        // It has no row in the target's journal, so that the fence must not rise here either.
        Outcome::Refused => state.forget(source),
        Outcome::FailedClean => state.end(source, fence, Consumed::Released),
        Outcome::Succeeded | Outcome::FailedPartial | Outcome::Unknown => {
            state.end(source, fence, Consumed::Kept)
        }
    };
    Ok(ended?)
}

/// `committed`, `aborted`, `in progress`, or nothing where the server does not know any more.
async fn status(guard: &Guard, begun: &Begun) -> Result<Option<String>, TargetError> {
    let what = "read a transaction's status";
    let status = "SELECT pg_catalog.pg_xact_status($1::text::pg_catalog.xid8)";
    match guard.session().query_one(status, &[&begun.xid]).await {
        Ok(row) => row.try_get(0).map_err(failed(what)),
        // An id of the future: another cluster, or an older copy of this one.
        Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(None),
        Err(error) => Err(failed(what)(error)),
    }
}
