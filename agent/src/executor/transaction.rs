//! One try: the whole migration in one transaction, with base check, exact bytes, journal row and stored result.
//!
//! The file runs inside a savepoint whose name its author cannot know. Only while that savepoint can be released or
//! rolled back to, and the transaction's id is still the one that was begun, is it certain that the file did not end
//! our transaction; whatever fails before that certainty is `Partial`.
//!
//! What the file put off until COMMIT runs before anything is checked: deferred triggers at once, and cursors that
//! would outlive the transaction are closed, since COMMIT would run their queries. A trigger can put itself off again,
//! so that the last word is [`super::recovery`]'s, after COMMIT.

use super::Order;
use super::fingerprint::{self, Reading, Reads, Seal};
use crate::answer::Answer;
use crate::config::Limits;
use crate::journal::{self, RowEnd, StepState, StoredAnswer};
use crate::state::Begun;
use crate::target::{Guard, LOCK_SPACE, Session, TRANSACTION_LOCK, TargetError, failed, is_lost};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Error;
use trust::accept::Refusal;
use trust::names::Fingerprint;
use trust::statement::{Outcome, StepOutcome};

/// The server ends our session if we are silent this long inside the transaction.
const IDLE_LIMIT_MS: u32 = 60_000;

/// Takes the lock that shows this backend at work, and leaves the transaction's id in the server's log.
const OPENING: &str = "SELECT pg_catalog.pg_try_advisory_xact_lock($1, $2), \
                              pg_catalog.pg_current_xact_id()::pg_catalog.text, \
                              pg_catalog.pg_logical_emit_message(true, 'countersign', ''::pg_catalog.text)::pg_catalog.text";

/// Flushes the server's log up to here. A server that is killed gives ids that no flushed record holds to others: then
/// the status of our transaction would be theirs.
const FLUSHED: &str = "BEGIN; SET LOCAL synchronous_commit = on; \
    SELECT pg_catalog.pg_logical_emit_message(true, 'countersign', ''::pg_catalog.text); COMMIT";

/// Runs what the file put off until COMMIT, and closes cursors whose queries COMMIT would run.
const NOTHING_PUT_OFF: &str = "SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL";

/// The file may have changed role, path and encoding of the session, and what our COMMIT waits for.
const OURS_AGAIN: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; \
    SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL client_encoding = 'UTF8'; \
    SET LOCAL row_security = off; SET LOCAL synchronous_commit = on";

/// How a try ended without being committed.
#[derive(Debug)]
pub(super) enum Stop {
    /// Rolled back: a line does not hold, or the file touched the journal.
    Refused(Refusal),
    /// The database refused, and the transaction is rolled back.
    Failed(DatabaseError),
    /// The dispatcher took the job back; rolled back.
    Cancelled,
    /// The file ended our transaction: something of it may stay.
    Partial(Option<DatabaseError>),
    /// The session is over. Its end is not known if the file had begun.
    Lost(Option<DatabaseError>),
    /// Nothing of the file ran; the target cannot be worked on now.
    Target(TargetError),
}

/// What the database said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabaseError {
    pub sqlstate: String,
    pub message: String,
}

/// What is known of a try so far.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub xid: Option<String>,
    pub before: Option<Fingerprint>,
    pub began: Option<Instant>,
    pub took: Duration,
}

impl Trace {
    /// Milliseconds that the file ran, up to now if it has not ended.
    pub fn duration_ms(&self) -> u64 {
        let running = self.began.map(|began| began.elapsed());
        let took = if self.took.is_zero() { running.unwrap_or_default() } else { self.took };
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Runs and commits. What the target stores is the answer only once [`super::recovery`] has found it kept.
pub(super) async fn run(
    order: &Order<'_>,
    session: &Session,
    guard: &Guard,
    trace: &mut Trace,
) -> Result<(), Stop> {
    let stopped = match prepare(order, session, guard, trace).await {
        Ok(base) => match apply(order, session, trace).await {
            Ok(rows) => finish(order, session, trace, (base, rows)).await,
            Err(stop) => Err(stop),
        },
        Err(stop) => Err(stop),
    };
    if stopped.is_err() && !session.is_closed() {
        // Where there is no transaction left it is a warning; the outcome does not depend on it.
        session.batch_execute("ROLLBACK").await.ok();
    }
    stopped
}

/// Begins the transaction, checks the base, and notes durably that the file is about to run.
async fn prepare(
    order: &Order<'_>,
    session: &Session,
    guard: &Guard,
    trace: &mut Trace,
) -> Result<Reading, Stop> {
    let own = |error: Error| own_failure(session, &error);
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}; \
         SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL standard_conforming_strings = on",
        timeouts(order.target.limits)
    );
    // By itself and first: a file that rolled our transaction back would meet our path instead of its role's.
    session.batch_execute("RESET search_path").await.map_err(own)?;
    session.batch_execute(&begin).await.map_err(own)?;
    let row = session.query_one(OPENING, &[&LOCK_SPACE, &TRANSACTION_LOCK]).await.map_err(own)?;
    let (free, xid): (bool, String) = (row.try_get(0).map_err(own)?, row.try_get(1).map_err(own)?);
    // The journal was judged under the guard's lock: it must not have been another's meanwhile.
    if !free || !guard.holds().await {
        return Err(Stop::Target(TargetError::Locked(order.target.name.clone())));
    }
    let base = fingerprint::read(session, Reads::SchemaAndJournal);
    let (base, untouched, flushed) = tokio::join!(
        base,
        journal::untouched(guard.session()),
        guard.session().batch_execute(FLUSHED),
    );
    untouched.map_err(Stop::Target)?;
    flushed.map_err(failed("make the transaction's id durable")).map_err(Stop::Target)?;
    let base = base.map_err(target_failure)?;
    trace.before = Some(base.fingerprint.clone());
    order.accepted.check_base(&base.fingerprint).map_err(Stop::Refused)?;
    if order.cancelled.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    let unknown = order.result(Outcome::Unknown, trace, StepOutcome::Unknown, None);
    let note = Begun {
        row: order.row.clone(),
        xid: xid.clone(),
        unknown_result: Answer::of(&unknown, None)
            .map_err(|error| Stop::Target(error.into()))?
            .payload,
        promised_seal: None,
    };
    let noted = order.state.begin(&order.target.id, note, order.not_after);
    noted.map_err(|error| Stop::Target(error.into()))?;
    enter(session, &order.savepoint).await.map_err(own)?;
    trace.xid = Some(xid);
    Ok(base)
}

fn timeouts(limits: Limits) -> String {
    format!(
        "SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = {IDLE_LIMIT_MS}",
        limits.lock_timeout.as_millis(),
        limits.statement_timeout.as_millis(),
    )
}

/// Gives the file the role's own search path, without the journal: a role of the name `countersign` has its schema
/// there by `"$user"`, and unqualified tables would land in it. From here on our statements may look nothing up.
async fn enter(session: &Session, savepoint: &str) -> Result<(), Error> {
    session.batch_execute(&format!("RESET search_path; SAVEPOINT {savepoint}")).await?;
    let row = session.query_one("SELECT pg_catalog.current_schemas(false)", &[]).await?;
    let schemas: Vec<String> = row.try_get(0)?;
    if schemas.iter().any(|name| name == "countersign") {
        let others = schemas.iter().filter(|name| *name != "countersign");
        let quoted: Vec<_> =
            others.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let set = "SELECT pg_catalog.set_config('search_path', $1, true)";
        session.query_one(set, &[&quoted.join(", ")]).await?;
    }
    Ok(())
}

/// Runs the exact bytes and proves that the transaction is still ours.
async fn apply(order: &Order<'_>, session: &Session, trace: &mut Trace) -> Result<u64, Stop> {
    let began = Instant::now();
    trace.began = Some(began);
    let run = |file| session.run(file, order.target.limits.statement_timeout, order.cancelled);
    let ran = match run(order.file).await {
        Ok(rows) => run(NOTHING_PUT_OFF).await.map(|_| rows),
        Err(error) => Err(error),
    };
    trace.took = began.elapsed();
    session.after_file().await;
    let (rows, verb) = match &ran {
        Ok(rows) => (*rows, "RELEASE SAVEPOINT"),
        Err(error) if is_lost(session, error) => return Err(Stop::Lost(database_error(error))),
        Err(_) => (0, "ROLLBACK TO SAVEPOINT"),
    };
    let same = still_ours(session, &format!("{verb} {}", order.savepoint), trace).await?;
    match (ran, same) {
        (_, true) if order.cancelled.is_cancelled() => Err(Stop::Cancelled),
        (Ok(_), true) => Ok(rows),
        (Ok(_), false) => Err(Stop::Partial(None)),
        (Err(error), false) => Err(Stop::Partial(database_error(&error))),
        (Err(error), true) => Err(database_error(&error).map_or(Stop::Lost(None), Stop::Failed)),
    }
}

async fn still_ours(session: &Session, savepoint: &str, trace: &Trace) -> Result<bool, Stop> {
    let lost = |error: Error| is_lost(session, &error).then(|| Stop::Lost(database_error(&error)));

    if let Err(error) = session.batch_execute(savepoint).await {
        return lost(error).map_or(Ok(false), Err);
    }
    // The same session may run with a search path of the file's making.
    match session.query_one("SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text", &[]).await {
        Ok(row) => Ok(row.try_get::<_, String>(0).ok() == trace.xid),
        Err(error) => lost(error).map_or(Ok(false), Err),
    }
}

/// Journal, stored result, the promise of what they are to look like, and COMMIT.
async fn finish(
    order: &Order<'_>,
    session: &Session,
    trace: &Trace,
    (base, rows): (Reading, u64),
) -> Result<(), Stop> {
    let own = |error: Error| own_failure(session, &error);
    let ours = format!("{OURS_AGAIN}; {}", timeouts(order.target.limits));
    session.batch_execute(&ours).await.map_err(own)?;
    let after =
        fingerprint::read(session, Reads::SchemaAndJournal).await.map_err(target_failure)?;
    if after.seal != base.seal {
        let sentence = "the file touched the agent's journal; it was rolled back";
        return Err(Stop::Refused(Refusal::not_supported(9, sentence)));
    }
    let mut result = order.result(Outcome::Succeeded, trace, StepOutcome::Succeeded, None);
    result.fingerprint_after = Some(after.fingerprint.clone());
    result.steps.iter_mut().for_each(|step| step.rows = Some(rows));
    let finished_at = result.finished_at;
    let answer = Answer::of(&result, Some(after.document));
    let answer = answer.map_err(|error| Stop::Target(error.into()))?;
    let end = RowEnd {
        state: StepState::Succeeded,
        xid: trace.xid.as_deref(),
        finished_at: Some(finished_at),
        sqlstate: None,
        before: trace.before.as_ref(),
        after: Some(&after.fingerprint),
    };
    let stored = StoredAnswer {
        job: &answer.job,
        attempt: answer.attempt,
        job_sha256: order.row.job_sha256,
        result: &answer.payload,
        document: answer.document.as_deref(),
    };
    let fresh = journal::insert(session, Some((&order.row, &end)), stored).await.map_err(own)?;
    if !fresh {
        // Read under the lock, it was not there: somebody else writes to our journal.
        return Err(Stop::Refused(Refusal::not_supported(
            10,
            "the journal has the attempt already",
        )));
    }
    if order.cancelled.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    promise(order, session, after.seal).await?;
    session.batch_execute("COMMIT").await.map_err(own)
}

/// Notes durably how the journal looks with our entry, so that after COMMIT any other change of it shows.
///
/// Our entry changes rows only.
async fn promise(
    order: &Order<'_>,
    session: &Session,
    before_it: Option<Seal>,
) -> Result<(), Stop> {
    let rows = fingerprint::seal_of_rows(session).await.map_err(target_failure)?;
    let Some((before_it, rows)) = before_it.zip(rows) else {
        return Err(Stop::Target(TargetError::Form("the journal's digest")));
    };
    let seal = Seal { rows, ..before_it }.to_string();
    order.state.promise(&order.target.id, &seal).map_err(|error| Stop::Target(error.into()))
}

/// A statement of ours failed inside the transaction, which cannot be committed any more.
fn own_failure(session: &Session, error: &Error) -> Stop {
    let said = database_error(error);
    match said {
        Some(said) if !is_lost(session, error) => Stop::Failed(said),
        said => Stop::Lost(said),
    }
}

fn target_failure(error: TargetError) -> Stop {
    match error {
        TargetError::Query { source, .. } => {
            database_error(&source).map_or(Stop::Lost(None), Stop::Failed)
        }
        other => Stop::Target(other),
    }
}

fn database_error(error: &Error) -> Option<DatabaseError> {
    let said = error.as_db_error()?;
    let (sqlstate, message) = (said.code().code().to_owned(), said.message().to_owned());
    Some(DatabaseError { sqlstate, message })
}
