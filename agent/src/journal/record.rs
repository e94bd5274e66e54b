//! Writing to the journal: a step's end and the answer to its attempt, always together.

use super::{JournalRow, bigint};
use crate::target::{Guard, Session, TargetError, failed};
use tokio_postgres::Error;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::names::{Fingerprint, JobId};

/// How often the journal is tried when its session is lost.
const TRIES: u32 = 3;

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Begun, and its end is unknown or partial: the change counts as consumed.
    Started,
    /// Done.
    Succeeded,
    /// Failed, and nothing of it is left.
    Failed,
}

impl StepState {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone)]
pub struct RowEnd<'a> {
    /// How far it came.
    pub state: StepState,
    /// The transaction, if it had one.
    pub xid: Option<&'a str>,
    /// When it ended; `None` for a step that has no known end.
    pub finished_at: Option<Timestamp>,
    /// The database's error.
    pub sqlstate: Option<&'a str>,
    /// The schema before.
    pub before: Option<&'a Fingerprint>,
    /// The schema afterwards.
    pub after: Option<&'a Fingerprint>,
}

/// The answer to an attempt, as it is kept: unsigned.
#[derive(Debug, Clone, Copy)]
pub struct StoredAnswer<'a> {
    /// The job.
    pub job: &'a JobId,
    /// Its attempt.
    pub attempt: u64,
    /// SHA-256 of its payload.
    pub job_sha256: Sha256Digest,
    /// The exact `result.v1` payload.
    pub result: &'a [u8],
    /// The schema's document.
    pub document: Option<&'a [u8]>,
}

/// What becomes of an entry that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays: a refusal says nothing about a job that has an answer.
    Stays,
    /// It is not ours: the agent knows how the attempt ended, and a file could have planted it.
    Replaced,
}

/// Writes into the transaction that is open on `session`. False: there was an entry already, which stays.
pub async fn insert(
    session: &Session,
    row: Option<(&JournalRow, &RowEnd<'_>)>,
    answer: StoredAnswer<'_>,
) -> Result<bool, Error> {
    let mut fresh = true;
    if let Some((row, end)) = row {
        fresh &= insert_row(session, row, end).await? == 1;
    }
    fresh &= insert_answer(session, answer).await? == 1;
    Ok(fresh)
}

/// Writes in a transaction of its own on the guard's session.
///
/// A lost session is taken anew: writing twice changes nothing.
pub async fn record(
    guard: &mut Guard,
    row: Option<(&JournalRow, &RowEnd<'_>)>,
    answer: StoredAnswer<'_>,
    existing: Existing,
) -> Result<(), TargetError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let written = in_transaction(guard.session(), row, answer, existing).await;
        let Err(error) = written else { return Ok(()) };
        if tries == TRIES || error.code().is_some() && !guard.session().is_closed() {
            return Err(failed("write the journal")(error));
        }
        guard.renew().await?;
    }
}

async fn in_transaction(
    session: &Session,
    row: Option<(&JournalRow, &RowEnd<'_>)>,
    answer: StoredAnswer<'_>,
    existing: Existing,
) -> Result<(), Error> {
    session.batch_execute("BEGIN").await?;
    let written = async {
        if existing == Existing::Replaced {
            remove(session, row, answer).await?;
        }
        insert(session, row, answer).await?;
        session.batch_execute("COMMIT").await
    };
    let written = written.await;
    if written.is_err() && !session.is_closed() {
        session.batch_execute("ROLLBACK").await?;
    }
    written
}

async fn remove(
    session: &Session,
    row: Option<(&JournalRow, &RowEnd<'_>)>,
    answer: StoredAnswer<'_>,
) -> Result<(), Error> {
    let attempt = bigint(answer.attempt);
    if row.is_some() {
        let planted = "DELETE FROM ONLY countersign.journal WHERE job = $1 AND attempt = $2";
        session.execute(planted, &[&answer.job.as_str(), &attempt]).await?;
    }
    let planted = "DELETE FROM ONLY countersign.results WHERE job = $1 AND attempt = $2";
    session.execute(planted, &[&answer.job.as_str(), &attempt]).await?;
    Ok(())
}

async fn insert_row(session: &Session, row: &JournalRow, end: &RowEnd<'_>) -> Result<u64, Error> {
    let ordinal = i32::try_from(row.ordinal).unwrap_or(i32::MAX);
    session
        .execute(
            "INSERT INTO countersign.journal (job, attempt, ordinal, job_sha256, change, change_sha256, revision, \
                 step_sha256, fence, dispatcher_epoch, state, xid, sqlstate, fingerprint_before, \
                 fingerprint_after, started_at, finished_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT DO NOTHING",
            &[
                &row.job.as_str(),
                &bigint(row.attempt),
                &ordinal,
                &row.job_sha256.to_string(),
                &row.change.as_str(),
                &row.change_sha256.to_string(),
                &bigint(row.revision),
                &row.step_sha256.to_string(),
                &bigint(row.fence),
                &bigint(row.dispatcher_epoch),
                &end.state.name(),
                &end.xid,
                &end.sqlstate,
                &end.before.map(Fingerprint::as_str),
                &end.after.map(Fingerprint::as_str),
                &row.started_at.datetime(),
                &end.finished_at.map(|time| time.datetime()),
            ],
        )
        .await
}

async fn insert_answer(session: &Session, answer: StoredAnswer<'_>) -> Result<u64, Error> {
    session
        .execute(
            "INSERT INTO countersign.results (job, attempt, job_sha256, result, document, stored_at) \
             VALUES ($1, $2, $3, $4, $5, pg_catalog.now()) ON CONFLICT DO NOTHING",
            &[
                &answer.job.as_str(),
                &bigint(answer.attempt),
                &answer.job_sha256.to_string(),
                &answer.result,
                &answer.document,
            ],
        )
        .await
}
