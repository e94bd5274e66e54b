//! Decides what became of a transaction whose end nobody saw: a crash of ours, a lost connection, a COMMIT without an
//! answer.
//!
//! The journal row and the stored result are written in the transaction itself, so once its backend is gone they
//! decide; their absence decides together with the transaction's own status. What stays undecided is `unknown`, counts
//! as consumed, and is never run again by itself.

use crate::journal::{self, RowEnd, StepState, StoredAnswer};
use crate::state::{Begun, State};
use crate::target::{Guard, TargetError};
use tokio_postgres::error::SqlState;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its journal entry is there: it is done, or its end was recorded.
    Journaled,
    /// Nothing of it took place.
    RolledBack,
    /// Nobody can say; recorded so.
    Unknown,
}

/// Decides the migration that was under way on the guard's data source, if there was one.
///
/// The guard has seen to it that no backend of ours is left.
pub async fn resolve(guard: &mut Guard, state: &State) -> Result<Option<Fate>, TargetError> {
    let Some(begun) = state.begun(&guard.target().id) else { return Ok(None) };
    let fate = fate(guard, &begun).await?;
    tracing::info!(
        job = %begun.row.job, attempt = begun.row.attempt, xid = begun.xid, ?fate,
        "the journal decides how a migration ended"
    );
    match fate {
        Fate::RolledBack => state.forget(&guard.target().id)?,
        Fate::Journaled => end(guard, state, &begun)?,
        Fate::Unknown => {
            let unknown = RowEnd {
                state: StepState::Started,
                xid: Some(&begun.xid),
                finished_at: None,
                sqlstate: None,
                before: None,
                after: None,
            };
            let answer = StoredAnswer {
                job: &begun.row.job,
                attempt: begun.row.attempt,
                job_sha256: begun.row.job_sha256,
                result: &begun.unknown_result,
                document: None,
            };
            journal::record(guard, Some((&begun.row, &unknown)), answer).await?;
            end(guard, state, &begun)?;
        }
    }
    Ok(Some(fate))
}

fn end(guard: &Guard, state: &State, begun: &Begun) -> Result<(), TargetError> {
    Ok(state.end(&guard.target().id, begun.row.dispatcher_epoch, begun.row.fence)?)
}

async fn fate(guard: &Guard, begun: &Begun) -> Result<Fate, TargetError> {
    let stored = journal::stored(guard.client(), &begun.row.job, begun.row.attempt).await?;
    if stored.is_some() {
        return Ok(Fate::Journaled);
    }
    let status = "SELECT pg_catalog.pg_xact_status($1::text::pg_catalog.xid8)";
    match guard.client().query_one(status, &[&begun.xid]).await {
        Ok(row) => {
            let status: Option<String> =
                row.try_get(0).map_err(crate::target::failed("read a transaction's status"))?;
            // Committed without our row, too old to tell, or still going on: not for us to guess.
            Ok(if status.as_deref() == Some("aborted") { Fate::RolledBack } else { Fate::Unknown })
        }
        // An id of the future: another cluster, or an older copy of this one.
        Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(Fate::Unknown),
        Err(error) => Err(crate::target::failed("read a transaction's status")(error)),
    }
}
