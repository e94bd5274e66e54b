//! The pool, where its URL comes from, and what a failure of `PostgreSQL` means to whoever may try again.

use chassis::secret_file::{self, SecretFileError};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Connections of one process.
const CONNECTIONS: u32 = 16;
/// How long a caller waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// How often a reader asks for the schema that it needs.
const SCHEMA_STEP: Duration = Duration::from_millis(200);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file with the URL cannot be read, or others may read it.
    #[error("the database URL is not read")]
    UrlFile(#[from] SecretFileError),
    /// The file does not hold a `PostgreSQL` URL. The cause is not shown: it could quote the password.
    #[error("{} does not hold a PostgreSQL URL", path.display())]
    Url {
        /// The file.
        path: PathBuf,
    },
    /// The schema could not be brought to this version.
    #[error("the database schema cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema is older than this process needs.
    #[error(
        "the database schema is at version {found}, and this process needs {needed}: start `projections` first"
    )]
    SchemaTooOld {
        /// As found.
        found: i64,
        /// As needed.
        needed: i64,
    },
    /// A statement failed.
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    /// A document is not what its writer wrote.
    #[error("a document cannot be read")]
    Document(#[from] cqrs_es::persist::PersistenceError),
    /// A row holds what its writer never writes.
    #[error("column {column} holds an impossible value")]
    Column {
        /// Which.
        column: &'static str,
    },
}

/// An error with its causes on one line; of what `PostgreSQL` says only the SQLSTATE: its messages quote values.
pub(crate) fn described(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = Vec::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        if let Some(sqlx::Error::Database(database)) = cause.downcast_ref::<sqlx::Error>() {
            said.push(format!("SQLSTATE {}", database.code().unwrap_or_default()));
            break;
        }
        said.push(cause.to_string());
    }
    said.join(": ")
}

impl DatabaseError {
    /// What is logged of it.
    pub fn described(&self) -> String {
        described(self)
    }

    /// The same again may go well.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Sql(error) if meaning(error) == Meaning::Transient)
            || matches!(
                self,
                Self::Document(cqrs_es::persist::PersistenceError::ConnectionError(_))
            )
    }
}

/// The read side's database. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    options: PgConnectOptions,
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

impl Database {
    /// Connects lazily with the URL in a file that only its owner may read.
    pub fn from_url_file(path: &Path) -> Result<Self, DatabaseError> {
        let options = secret_file::read(path)?.parse::<PgConnectOptions>();
        let options = options.map_err(|_| DatabaseError::Url { path: path.to_owned() })?;
        Ok(Self::with(options))
    }

    /// Connects lazily.
    pub fn from_url(url: &str) -> Result<Self, DatabaseError> {
        Ok(Self::with(url.parse()?))
    }

    fn with(options: PgConnectOptions) -> Self {
        let options = options.application_name("countersign").disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options.clone());
        Self { pool, options }
    }

    /// Brings the schema to this version; concurrent callers wait for each other.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        Ok(MIGRATIONS.run(&self.pool).await?)
    }

    /// Checks that the worker has brought the schema to this version: readers never migrate.
    pub async fn check_schema(&self) -> Result<(), DatabaseError> {
        let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        let known: Option<String> =
            sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text")
                .fetch_one(&self.pool)
                .await?;
        let highest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
        let found: i64 = if known.is_some() {
            sqlx::query_scalar(highest).fetch_one(&self.pool).await?
        } else {
            0
        };
        if found < needed {
            return Err(DatabaseError::SchemaTooOld { found, needed });
        }
        Ok(())
    }

    /// Waits until the worker has brought the schema to this version: processes start in any order.
    pub async fn until_schema(&self, stopping: CancellationToken) -> Result<(), DatabaseError> {
        loop {
            match self.check_schema().await {
                Ok(()) => return Ok(()),
                Err(error @ DatabaseError::SchemaTooOld { .. }) => {
                    tracing::info!(%error, "waiting");
                }
                Err(error) if error.is_transient() => tracing::warn!(%error, "waiting"),
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(SCHEMA_STEP) => {}
            }
        }
    }

    /// Whether a tenant has a row of this id.
    pub(crate) async fn has_row(
        &self,
        table: &'static str,
        tenant: &str,
        id: &str,
    ) -> Result<bool, DatabaseError> {
        let found = format!("SELECT EXISTS (SELECT FROM {table} WHERE tenant = $1 AND id = $2)");
        let found = sqlx::query_scalar(&found).bind(tenant).bind(id);
        Ok(found.fetch_one(&self.pool).await?)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection of its own, outside the pool.
    pub(crate) async fn dedicated(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    pub(crate) async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        PgListener::connect_with(&self.pool).await
    }
}

/// What a failed statement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The same again may go well.
    Transient,
    /// The data of this commit does not fit; others may.
    Data,
    /// Neither: the schema is another one, or the program is wrong.
    Fatal,
}

/// Connection faults and the SQLSTATE classes that `PostgreSQL` documents as retryable are transient; classes 22 (data
/// exception) and 23 (integrity) are the data's fault. Source: `PostgreSQL` manual, appendix A.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlx may add errors: unknown ones stop us")]
pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Meaning::Transient,
        sqlx::Error::Database(database) => database.code().map_or(Meaning::Fatal, |code| {
            let class: String = code.chars().take(2).collect();
            match (class.as_str(), code.as_ref()) {
                // 25006: a standby after a failover.
                ("08" | "40" | "53" | "55" | "57" | "58", _) | (_, "25006") => Meaning::Transient,
                ("22" | "23", _) => Meaning::Data,
                _ => Meaning::Fatal,
            }
        }),
        sqlx::Error::Encode(_) => Meaning::Data,
        _ => Meaning::Fatal,
    }
}
