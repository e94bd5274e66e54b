//! One connection to the target. Dropping it closes it, and the server rolls back what was open.

use futures::TryStreamExt as _;
use std::pin::pin;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

/// The first statement of every session. A role's own search path may lead to operators and functions of anybody's
/// making, which our statements would call; the statement itself looks nothing up. `RESET search_path` gives the role's
/// path back to a file. Temporary types and tables come last: unnamed, they would come first.
const OWN_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// A connection and the task that drives it.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    #[expect(clippy::disallowed_methods, reason = "the task lives and ends with its session")]
    pub(super) async fn connect(mut config: Config, application_name: &str) -> Result<Self, Error> {
        let (client, connection) = config.application_name(application_name).connect(NoTls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                // The kind only: a database's message can carry data.
                tracing::debug!(code = code(&error), "a session with the target ended");
            }
        });
        let session = Self { client, driver: driver.abort_handle() };
        session.client.batch_execute(OWN_PATH).await?;
        Ok(session)
    }

    /// The client, for our own fixed statements.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a whole file by the simple protocol; gives the sum of the rows that its statements report.
    ///
    /// When `cancelled` fires, the server is asked to cancel; its answer still counts.
    pub async fn run(&self, file: &str, cancelled: &CancellationToken) -> Result<u64, Error> {
        let mut running = pin!(self.count(file));
        tokio::select! {
            ended = &mut running => return ended,
            () = cancelled.cancelled() => {}
        }
        if let Err(error) = self.client.cancel_token().cancel_query(NoTls).await {
            tracing::warn!(code = code(&error), "the running statement could not be cancelled");
        }
        running.await
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
        Some(state) => session.client().is_closed() || ends_session.contains(&state),
    }
}
