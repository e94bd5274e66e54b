//! One connection to the target. Dropping it closes it, and the server rolls back what was open.
//!
//! Nothing waits for ever: where the server should have ended a statement by itself and still says nothing, the
//! connection is given up, and whoever waits meets a lost session.

use futures::TryStreamExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, SimpleQueryMessage, Statement};
use tokio_util::sync::CancellationToken;

/// The first statement of every session. A role's own search path may lead to operators and functions of anybody's
/// making, which our statements would call; the statement itself looks nothing up. `RESET search_path` gives the role's
/// path back to a file. Temporary types and tables come last: unnamed, they would come first.
const OWN_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// Longest way to a session, with its handshake.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How much longer than the server's own limit its answer may take.
const MARGIN: Duration = Duration::from_secs(5);

/// A connection and the task that drives it.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: AbortHandle,
    patience: Duration,
    led_by: Config,
    /// What was set for the role when a session was made ready.
    pub(super) role_settings: Option<String>,
    prepared: Option<Mutex<BTreeMap<String, Statement>>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    #[expect(clippy::disallowed_methods, reason = "the task lives and ends with its session")]
    pub(super) async fn connect(
        mut config: Config,
        application_name: &str,
        statement_timeout: Duration,
    ) -> Result<Self, Error> {
        let led_by = config.clone();
        let (client, connection) = config.application_name(application_name).connect(NoTls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                // The kind only: a database's message can carry data.
                tracing::debug!(code = code(&error), "a session with the target ended");
            }
        });
        let patience = statement_timeout.saturating_add(MARGIN);
        let session = Self {
            client,
            driver: driver.abort_handle(),
            patience,
            led_by,
            role_settings: None,
            prepared: None,
        };
        session.batch_execute(OWN_PATH).await?;
        Ok(session)
    }

    /// Keeps every statement of ours prepared; see [`Session::after_file`].
    pub(super) fn keep_statements(&mut self) {
        self.prepared = Some(Mutex::default());
    }

    /// A file can take prepared statements away and prepare others under their names; but what SQL prepares is marked,
    /// and nothing else than SQL comes from a file. Unless all of ours are there as we made them, none is used again.
    pub async fn after_file(&self) {
        let Some(prepared) = &self.prepared else { return };
        let there = "SELECT statement FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql";
        let there = self.simple_query(there).await.unwrap_or_default();
        let there: BTreeSet<&str> = there
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        let mut prepared = locked(prepared);
        if !prepared.keys().all(|text| there.contains(text.as_str())) {
            prepared.clear();
        }
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Whether a session opened now would be of the same server, database and credentials.
    pub(super) fn leads_to(&self, config: &Config) -> bool {
        self.led_by == *config
    }

    /// Gives it the name under which it is shown, if the server still answers.
    pub(super) async fn is_named(&self, application_name: &str) -> bool {
        let name = "SELECT pg_catalog.set_config('application_name', $1, false)";
        self.within(MARGIN, self.query(name, &[&application_name])).await.is_ok()
    }

    /// Whether the server still answers.
    pub async fn answers(&self) -> bool {
        self.within(MARGIN, self.client.simple_query("")).await.is_ok()
    }

    /// Our own fixed statements, without parameters.
    pub async fn batch_execute(&self, statements: &str) -> Result<(), Error> {
        self.within(self.patience, self.client.batch_execute(statements)).await
    }

    /// Our own fixed statements, with every message of the answer.
    pub async fn simple_query(&self, statements: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.within(self.patience, self.client.simple_query(statements)).await
    }

    /// One fixed statement of ours; gives its rows.
    pub async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let asked = async {
            let statement = self.statement(statement).await?;
            self.client.query(&statement, parameters).await
        };
        self.within(self.patience, asked).await
    }

    /// One fixed statement of ours that gives one row.
    pub async fn query_one(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let asked = async {
            let statement = self.statement(statement).await?;
            self.client.query_one(&statement, parameters).await
        };
        self.within(self.patience, asked).await
    }

    /// One fixed statement of ours that gives one row or none.
    pub async fn query_opt(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let asked = async {
            let statement = self.statement(statement).await?;
            self.client.query_opt(&statement, parameters).await
        };
        self.within(self.patience, asked).await
    }

    /// One fixed statement of ours; gives the number of rows that it touched.
    pub async fn execute(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        let asked = async {
            let statement = self.statement(statement).await?;
            self.client.execute(&statement, parameters).await
        };
        self.within(self.patience, asked).await
    }

    async fn statement(&self, text: &str) -> Result<Statement, Error> {
        let Some(prepared) = &self.prepared else { return self.client.prepare(text).await };
        if let Some(statement) = locked(prepared).get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(text).await?;
        locked(prepared).insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs a whole file by the simple protocol; gives the sum of the rows that its statements report.
    ///
    /// The server ends each of its statements after `statement_timeout`. When `cancelled` fires, the server is asked to
    /// cancel; its answer still counts.
    pub async fn run(
        &self,
        file: &str,
        statement_timeout: Duration,
        cancelled: &CancellationToken,
    ) -> Result<u64, Error> {
        let mut running = pin!(self.count(file));
        tokio::select! {
            ended = self.within(longest_run(file, statement_timeout), &mut running) => return ended,
            () = cancelled.cancelled() => {}
        }
        let asked = self.client.cancel_token();
        match timeout(CONNECT_PATIENCE, asked.cancel_query(NoTls)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(code = code(&error), "the running statement could not be cancelled");
            }
            Err(_) => tracing::warn!("nobody takes the request to cancel the running statement"),
        }
        self.within(self.patience, running).await
    }

    /// Waits this long for an answer; then the connection is closed, which answers.
    async fn within<T>(&self, limit: Duration, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        tokio::select! {
            answered = &mut answer => return answered,
            () = sleep(limit) => {}
        }
        tracing::warn!(?limit, "the target says nothing: its session is given up");
        self.driver.abort();
        answer.await
    }

    async fn count(&self, file: &str) -> Result<u64, Error> {
        let mut messages = pin!(self.client.simple_query_raw(file).await?);
        let mut rows: u64 = 0;
        while let Some(message) = messages.try_next().await? {
            if let SimpleQueryMessage::CommandComplete(affected) = message {
                rows = rows.saturating_add(affected);
            }
        }
        Ok(rows)
    }
}

/// A session that nobody uses at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Idle(Arc<Mutex<Option<Session>>>);

impl Idle {
    pub(super) fn take(&self) -> Option<Session> {
        locked(&self.0).take()
    }

    pub(super) fn is_there(&self) -> bool {
        locked(&self.0).is_some()
    }

    pub(super) fn put(&self, session: Session) {
        *locked(&self.0) = Some(session);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No file has more statements than semicolons, but for the last one.
fn longest_run(file: &str, statement_timeout: Duration) -> Duration {
    let statements = file.matches(';').count().saturating_add(1);
    let statements = u32::try_from(statements).unwrap_or(u32::MAX);
    statement_timeout.saturating_mul(statements).saturating_add(MARGIN)
}

/// The server's five characters, if it is the server that speaks.
pub(crate) fn code(error: &Error) -> Option<&str> {
    error.code().map(SqlState::code)
}

/// Whether the session is over, so that nobody has said how the statement ended.
pub(crate) fn is_lost(session: &Session, error: &Error) -> bool {
    let ends_session = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    match error.code() {
        None => true,
        Some(state) => session.is_closed() || ends_session.contains(&state),
    }
}
