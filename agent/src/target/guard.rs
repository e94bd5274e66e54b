//! The right to work on a data source: an advisory lock on a session of its own, polled and never waited for in the
//! server (a blocking waiter deadlocks concurrent index builds; notes/governance.md section 6).

use super::{
    LOCK_SPACE, OWN_STATEMENT_TIMEOUT, SESSION_LOCK, Session, TRANSACTION_LOCK, Target,
    TargetError, failed,
};
use std::time::Duration;
use tokio::time::Instant;
use trust::encoding::Timestamp;

const APPLICATION: &str = "countersign agent";
/// How long another session may hold the lock before the job is put back.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a terminated backend may take to end.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The advisory lock of one data source; dropping it closes its session and with it the lock.
///
/// Only fixed statements of ours ever run in its session, so that one that all went well in is used again, with what the
/// server has prepared in it: planning the reading of a schema costs more than the reading.
#[derive(Debug)]
pub struct Guard {
    target: Target,
    session: Session,
}

impl Guard {
    /// Takes the lock, and ends whatever backend of an earlier connection still runs a change.
    pub async fn take(target: &Target) -> Result<Self, TargetError> {
        let session = lock(target).await?;
        let guard = Self { target: target.clone(), session };
        guard.end_leftovers().await?;
        Ok(guard)
    }

    /// Gives the lock back; the session waits for the next job.
    pub async fn release(self) {
        let Self { target, session } = self;
        let given_back = session.batch_execute("SELECT pg_catalog.pg_advisory_unlock_all()").await;
        if given_back.is_ok() {
            target.idle.put(session);
        }
    }

    /// Takes it anew after the session was lost.
    pub async fn renew(&mut self) -> Result<(), TargetError> {
        if !self.session.answers().await {
            self.session = lock(&self.target).await?;
        }
        self.end_leftovers().await
    }

    /// Whether the session is there and holds the lock. Whoever takes it afterwards finds the transaction that is open by
    /// then, and ends it.
    pub async fn holds(&self) -> bool {
        let held = "SELECT 1 FROM pg_catalog.pg_locks \
             WHERE locktype = 'advisory' AND granted AND classid = $1::oid AND objid = $2::oid AND objsubid = 2 \
             AND pid = pg_catalog.pg_backend_pid()";
        let keys = (LOCK_SPACE.cast_unsigned(), SESSION_LOCK.cast_unsigned());
        matches!(self.session.query_opt(held, &[&keys.0, &keys.1]).await, Ok(Some(_)))
    }

    /// The session that holds the lock, for reading and writing the journal.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The data source.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The target's clock.
    pub async fn clock(&self) -> Result<Timestamp, TargetError> {
        let now = "SELECT pg_catalog.clock_timestamp()";
        let row = self.session.query_one(now, &[]).await.map_err(failed("read the clock"))?;
        let time: chrono::DateTime<chrono::Utc> =
            row.try_get(0).map_err(failed("read the clock"))?;
        Ok(time.into())
    }

    /// Waits until no transaction of ours runs a change; terminates those whose connection we have lost.
    async fn end_leftovers(&self) -> Result<(), TargetError> {
        let what = "end the backend of an earlier connection";
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let holders = "SELECT pid, pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks \
             WHERE locktype = 'advisory' AND granted AND classid = $1::oid AND objid = $2::oid AND objsubid = 2 \
             AND database = (SELECT oid FROM pg_catalog.pg_database \
                             WHERE datname = pg_catalog.current_database())";
        let keys = (LOCK_SPACE.cast_unsigned(), TRANSACTION_LOCK.cast_unsigned());
        loop {
            let rows = self.session.query(holders, &[&keys.0, &keys.1]).await;
            let rows = rows.map_err(failed(what))?;
            let Some(row) = rows.first() else { return Ok(()) };
            let pid: i32 = row.try_get(0).map_err(failed(what))?;
            if started.elapsed() > LEFTOVER_PATIENCE {
                return Err(TargetError::Leftover(pid));
            }
            tracing::warn!(pid, "a backend of an earlier connection still runs: terminated");
            pause = wait(pause).await;
        }
    }
}

async fn lock(target: &Target) -> Result<Session, TargetError> {
    let session = session(target).await?;
    let what = "take the advisory lock";
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let ask = "SELECT pg_catalog.pg_try_advisory_lock($1, $2)";
        let asked = session.query_one(ask, &[&LOCK_SPACE, &SESSION_LOCK]).await;
        if asked.map_err(failed(what))?.try_get(0).map_err(failed(what))? {
            return Ok(session);
        }
        if started.elapsed() > PATIENCE {
            return Err(TargetError::Locked(target.name.clone()));
        }
        pause = wait(pause).await;
    }
}

/// The one that waits, if it leads to where a new one would, else a new one.
async fn session(target: &Target) -> Result<Session, TargetError> {
    if let Some(session) = target.idle.take()
        && session.leads_to(&target.config()?)
        && session.answers().await
    {
        return Ok(session);
    }
    let mut session = target.connect_for(APPLICATION, OWN_STATEMENT_TIMEOUT).await?;
    session.keep_statements();
    // A role's defaults must not weaken what we write: no answer is durable without a synchronous commit.
    let settings = format!(
        "SET lock_timeout = '5s'; SET statement_timeout = {}; SET TimeZone = 'UTC'; \
                    SET synchronous_commit = on; SET row_security = off; SET quote_all_identifiers = off; \
                    SET default_transaction_read_only = off; \
                    SET default_transaction_isolation = 'read committed'",
        OWN_STATEMENT_TIMEOUT.as_millis()
    );
    session.batch_execute(&settings).await.map_err(failed("set up a session"))?;
    Ok(session)
}

/// Pauses; gives the next pause.
async fn wait(pause: Duration) -> Duration {
    tokio::time::sleep(pause).await;
    pause.saturating_mul(2).min(LONGEST_PAUSE)
}
