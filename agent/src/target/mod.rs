//! The database beside the agent: its credentials, its sessions, and the lock under which one agent works on it.

mod guard;
mod session;
mod url;

pub use guard::Guard;
pub use session::Session;
pub(crate) use session::is_lost;

use crate::config::{DataSource, Limits, ReportRule};
use crate::executor::fingerprint::{self, Reads};
use crate::state::StateError;
use chassis::secret_file::SecretFileError;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::error::DbError;
use trust::names::DataSourceId;

/// First half of our advisory lock keys: "CSGN".
pub(crate) const LOCK_SPACE: i32 = 0x4353_474E;
/// Held by the session of the agent that works on the database.
pub(crate) const SESSION_LOCK: i32 = 1;
/// Held by the transaction that runs a change; its end proves that the backend is through.
pub(crate) const TRANSACTION_LOCK: i32 = 2;

/// Longest run of one of our own fixed statements.
const OWN_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a session is called whose job has not come.
const READY: &str = "countersign agent, ready";

/// Why a target could not be worked on now. Nothing is known of the job then: it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The file with the URL cannot be read, or others may read it.
    #[error("the credentials are not read")]
    UrlFile(#[from] SecretFileError),
    /// Not the URL of a `PostgreSQL` database. The reason is left out: it could quote the credentials.
    #[error("{} does not hold the URL of a PostgreSQL database", .0.display())]
    UrlMalformed(PathBuf),
    /// TLS to targets is not built: the password would cross a network in the clear.
    #[error("{} names a host that is not this machine, which needs TLS: not supported yet", .0.display())]
    NotLocal(PathBuf),
    /// No connection.
    #[error("cannot connect to data source {name}")]
    Connect {
        /// The data source.
        name: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Something takes the connection and is no server, or none that works.
    #[error("data source {0} does not answer")]
    Silent(String),
    /// One of our own fixed statements failed.
    #[error("cannot {what}")]
    Query {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Another agent works on the database.
    #[error("another session works on data source {0}")]
    Locked(String),
    /// A backend of ours does not end.
    #[error("backend {0} of an earlier connection does not end")]
    Leftover(i32),
    /// The schema `countersign` exists and is not ours.
    #[error("the schema countersign belongs to {0}, not to the agent's role")]
    JournalOfOther(String),
    /// The journal was written by a newer agent.
    #[error("the journal has version {found}, this agent knows {known}")]
    JournalNewer {
        /// Its version.
        found: i32,
        /// The newest known here.
        known: i32,
    },
    /// The journal is that of another data source: the URL leads to the wrong database.
    #[error("the database's journal is that of {found}, the configuration says {configured}")]
    OtherDataSource {
        /// Whose journal it is.
        found: String,
        /// What the configuration says.
        configured: DataSourceId,
    },
    /// Something that is not ours hangs on the journal's tables and could change what is written there. Its kind only:
    /// names are chosen by whoever wrote the SQL.
    #[error("the journal's tables carry {0} that the agent did not make")]
    JournalTouched(String),
    /// A row of the journal or of the catalog has not the form that we wrote.
    #[error("{0} in the target is not of our form")]
    Form(&'static str),
    /// The schema's document cannot be made.
    #[error("the schema cannot be put into a document")]
    Document(#[from] sql::pgfp1::DocumentError),
    /// Its end stands in a journal that cannot be asked now.
    #[error("the attempt began here, and only its data source's journal tells its end")]
    Begun,
    /// The session was lost before anything ran.
    #[error("the session was lost before anything ran")]
    Lost,
    /// Our own state cannot be kept.
    #[error("the agent's state cannot be kept")]
    State(#[from] StateError),
    /// A result that would not be valid: a fault of ours.
    #[error("the result cannot be written")]
    Result(#[from] trust::statement::StatementError),
}

impl TargetError {
    /// The whole chain for a log: of what a database says only its code, since a message can hold SQL and rows.
    pub fn described(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            let said = error.downcast_ref::<DbError>();
            let said = said.map_or_else(|| error.to_string(), |said| said.code().code().to_owned());
            text.push_str(": ");
            text.push_str(&said);
            next = error.source();
        }
        text
    }

    /// Whether it says that this is not the database that the site meant, or that its journal cannot be trusted:
    /// trying again does not mend either.
    pub fn is_wrong_database(&self) -> bool {
        matches!(
            self,
            Self::OtherDataSource { .. } | Self::JournalOfOther(_) | Self::JournalTouched(_)
        )
    }
}

/// Names what was tried with one of our own statements.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> TargetError {
    move |source| TargetError::Query { what, source }
}

/// One configured database.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id.
    pub id: DataSourceId,
    /// Its name.
    pub name: String,
    /// What of the database's errors leaves the site.
    pub report: ReportRule,
    /// Limits of a migration.
    pub limits: Limits,
    url_file: PathBuf,
    idle: session::Idle,
    ready: session::Idle,
}

impl Target {
    /// From the configuration; nothing is opened.
    pub fn new(source: &DataSource) -> Self {
        Self {
            id: source.id.clone(),
            name: source.name.clone(),
            report: source.report,
            limits: source.limits(),
            url_file: source.url_file.clone(),
            idle: session::Idle::default(),
            ready: session::Idle::default(),
        }
    }

    /// A session for a change: the one that was made ready, if a new one would be the same, else a new one.
    pub async fn connect_for_change(&self, application_name: &str) -> Result<Session, TargetError> {
        if let Some(ready) = self.ready.take()
            && ready.leads_to(&self.config()?)
            && ready.is_named(application_name).await
            && role_settings(&ready).await.ok() == ready.role_settings
        {
            return Ok(ready);
        }
        self.connect(application_name).await
    }

    /// Whether a job was done here and its session waits for the next one.
    pub fn was_used(&self) -> bool {
        self.idle.is_there()
    }

    /// Opens the session of the next change before it comes, and has the server plan the reading of the schema.
    pub async fn make_ready(&self) -> Result<(), TargetError> {
        if self.ready.is_there() {
            return Ok(());
        }
        let mut session = self.connect(READY).await?;
        session.role_settings = Some(role_settings(&session).await?);
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
        session.batch_execute(begin).await.map_err(failed("begin to read the schema"))?;
        fingerprint::read(&session, Reads::SchemaAndJournal).await?;
        session.batch_execute("ROLLBACK").await.map_err(failed("end reading the schema"))?;
        self.ready.put(session);
        Ok(())
    }

    /// A new session of its own, with the settings of the agent's role and nothing left over.
    pub async fn connect(&self, application_name: &str) -> Result<Session, TargetError> {
        let longest = self.limits.statement_timeout.min(OWN_STATEMENT_TIMEOUT);
        let mut session = self.connect_for(application_name, longest).await?;
        session.keep_statements();
        Ok(session)
    }

    /// Read each time, so that a rotation needs no restart.
    fn config(&self) -> Result<Config, TargetError> {
        url::read(&self.url_file)
    }

    /// The same for fixed statements that the server ends after `statement_timeout`.
    async fn connect_for(
        &self,
        application_name: &str,
        statement_timeout: Duration,
    ) -> Result<Session, TargetError> {
        let config = self.config()?;
        let connecting = Session::connect(config, application_name, statement_timeout);
        match tokio::time::timeout(session::CONNECT_PATIENCE, connecting).await {
            Ok(connected) => {
                connected.map_err(|source| TargetError::Connect { name: self.name.clone(), source })
            }
            Err(_) => Err(TargetError::Silent(self.name.clone())),
        }
    }
}

/// What a new session would begin with, beyond what the server's own file says, which reaches a running one too.
async fn role_settings(session: &Session) -> Result<String, TargetError> {
    let what = "read the settings of the role";
    let settings = "SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(s) ORDER BY setdatabase, setrole), '[]') \
                        ::pg_catalog.text FROM pg_catalog.pg_db_role_setting AS s \
                    WHERE setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = SESSION_USER)) \
                      AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database \
                                              WHERE datname = pg_catalog.current_database()))";
    let row = session.query_one(settings, &[]).await.map_err(failed(what))?;
    row.try_get(0).map_err(failed(what))
}
