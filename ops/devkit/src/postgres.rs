//! `PostgreSQL` as a child process: one cluster per data folder, a random password, loopback only.
//!
//! `PostgreSQL` refuses to run as root; root runs it as another user, who then owns the cluster and
//! must be able to enter every folder above it.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::children::{Child, ChildError, Program, RunAs};
use crate::folder::{self, FolderError, failed};
use crate::ports;
use crate::preflight::PostgresBinaries;

/// The superuser of the cluster.
pub const SUPERUSER: &str = "countersign";

const PATIENCE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(20);
const DROPPED_WITHIN: Duration = Duration::from_secs(5);
const PORT_ATTEMPTS: u32 = 5;
const LOG_FILE: &str = "postgres.log";
/// Names the major version of a cluster that is complete.
const MAJOR_FILE: &str = "major";
/// The log says how the server is, not what clients sent: SQL, its values and its errors hold customers' data. Errors
/// rank below `log`; the other settings hold where a session raises the level again.
const QUIET: [&str; 6] = [
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_statement=none",
    "log_min_duration_statement=-1",
    "log_parameter_max_length_on_error=0",
    "log_error_verbosity=terse",
];

/// Why `PostgreSQL` does not run as it should.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Its folder cannot be used.
    #[error("cannot keep the folder of PostgreSQL")]
    Folder(#[from] FolderError),
    /// The cluster was made by another major version.
    #[error(
        "the data folder is of PostgreSQL {found}, but {installed} is installed: start with --reset, or install {found}"
    )]
    OtherMajor {
        /// Major that the data folder records.
        found: String,
        /// Major of the binaries.
        installed: u32,
    },
    /// The user that `PostgreSQL` runs as cannot enter a folder above the cluster.
    #[error("PostgreSQL runs as user {uid}, who cannot enter {}: choose a data folder below {}", folder.display(), better.display())]
    Unreachable {
        /// The user.
        uid: u32,
        /// The first folder that refuses.
        folder: PathBuf,
        /// Where it would work.
        better: PathBuf,
    },
    /// Neither `postgres` nor `nobody` exists.
    #[error("PostgreSQL does not run as root, and there is no user postgres or nobody")]
    NoUser(#[source] Option<nix::Error>),
    /// The operating system gave no random bytes.
    #[error("no random bytes for a password")]
    Random(#[source] getrandom::Error),
    /// The process failed.
    #[error("PostgreSQL does not run")]
    Child(#[from] ChildError),
    /// A statement of our own failed.
    #[error("cannot {what}")]
    Sql {
        /// What was tried.
        what: String,
        /// What happened.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A database name that breaks `^[a-z][a-z0-9_]{0,62}$`.
    #[error("database name {name:?} does not match ^[a-z][a-z0-9_]{{0,62}}$")]
    DatabaseName {
        /// The refused name.
        name: String,
    },
}

/// A running `PostgreSQL`.
#[derive(Debug)]
pub struct Postgres {
    binaries: PostgresBinaries,
    folder: PathBuf,
    ephemeral: bool,
    port: u16,
    password: String,
    child: Child,
}

impl Postgres {
    /// Starts the cluster in `folder`, which is made the first time. Without durability
    /// (`ephemeral`) it is faster, and lost when the machine stops.
    pub async fn start(
        binaries: &PostgresBinaries,
        folder: &Path,
        ephemeral: bool,
    ) -> Result<Self, PostgresError> {
        folder::make(folder, 0o711)?;
        let user = run_as()?;
        check_reachable(folder, user)?;
        check_major(folder, binaries.major)?;
        let password = password(folder)?;
        own_log(&folder.join(LOG_FILE), user)?;
        // Written last: an initdb that was interrupted leaves a PG_VERSION behind.
        if !folder.join(MAJOR_FILE).exists() {
            initialize(binaries, folder, &password, user).await?;
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let port = ports::remembered(&folder.join("port"))?;
            let started = launch(binaries, folder, port, ephemeral, user)?;
            let ready = || async { connect(port, &password, "postgres").await.ok() };
            match started.until(PATIENCE, ready).await {
                Ok(_) => {
                    let (binaries, folder) = (binaries.clone(), folder.to_owned());
                    let child = started;
                    return Ok(Self { binaries, folder, ephemeral, port, password, child });
                }
                Err(error) if attempts == PORT_ATTEMPTS || ports::is_free(port) => {
                    return Err(error.into());
                }
                Err(_) => tracing::info!(port, "the port was taken meanwhile: another one"),
            }
        }
    }

    /// The URL of `database` for the superuser. It holds the password.
    pub fn url(&self, database: &str) -> String {
        let (password, port) = (&self.password, self.port);
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Makes a database unless it exists; gives its URL.
    pub async fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let follows = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !first || name.len() > 63 || !bytes.all(follows) {
            return Err(PostgresError::DatabaseName { name: name.to_owned() });
        }
        let sql = |source| PostgresError::Sql { what: format!("make database {name}"), source };
        let session = connect(self.port, &self.password, "postgres").await.map_err(sql)?;
        let known = "SELECT 1 FROM pg_database WHERE datname = $1";
        if session.client.query_opt(known, &[&name]).await.map_err(sql)?.is_none() {
            let create = format!("CREATE DATABASE \"{name}\"");
            session.client.batch_execute(&create).await.map_err(sql)?;
        }
        Ok(self.url(name))
    }

    /// Runs statements in `database` as the superuser.
    pub async fn execute(&self, database: &str, statements: &str) -> Result<(), PostgresError> {
        let sql = |source| PostgresError::Sql { what: format!("run SQL in {database}"), source };
        let session = connect(self.port, &self.password, database).await.map_err(sql)?;
        session.client.batch_execute(statements).await.map_err(sql)
    }

    /// `kill -9` of the server, then a start on the same port and data. Its backends notice by themselves that it is
    /// gone; until the last has ended, no other server starts on the data.
    pub async fn crash(&mut self) -> Result<(), PostgresError> {
        self.child.kill().await;
        let user = run_as()?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let started = launch(&self.binaries, &self.folder, self.port, self.ephemeral, user)?;
            let ready = || async { connect(self.port, &self.password, "postgres").await.ok() };
            match started.until(PATIENCE, ready).await {
                Ok(_) => {
                    self.child = started;
                    return Ok(());
                }
                Err(ChildError::Ended { .. }) if tokio::time::Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stops it in order: sessions are ended, everything is on disk.
    pub async fn stop(&self) -> ExitStatus {
        self.child.stop_with(Signal::SIGINT, GRACE).await
    }
}

impl Drop for Postgres {
    /// An immediate shutdown, not SIGKILL, which would leave its shared memory in the kernel.
    fn drop(&mut self) {
        self.child.end(Signal::SIGQUIT, DROPPED_WITHIN);
    }
}

struct Session {
    client: tokio_postgres::Client,
    task: tokio::task::AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "the task lives and ends with its session")]
async fn connect(
    port: u16,
    password: &str,
    database: &str,
) -> Result<Session, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(port)
        .user(SUPERUSER)
        .password(password)
        .dbname(database)
        .connect(tokio_postgres::NoTls)
        .await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a PostgreSQL session of devkit ended");
        }
    });
    Ok(Session { client, task: task.abort_handle() })
}

async fn initialize(
    binaries: &PostgresBinaries,
    folder: &Path,
    password: &str,
    user: Option<RunAs>,
) -> Result<(), PostgresError> {
    let (cluster, password_file) = (folder.join("cluster"), folder.join("initial-password"));
    if cluster.exists() {
        // Left over by a first start that was killed: nobody has used it.
        std::fs::remove_dir_all(&cluster).map_err(failed("empty", &cluster))?;
    }
    folder::make(&cluster, 0o700)?;
    folder::write_private(&password_file, password.as_bytes())?;
    for path in [&cluster, &password_file] {
        give_to(path, user)?;
    }
    let made = program("initdb", binaries, folder, user)
        .argument("--pgdata")
        .argument(&cluster)
        .arguments(["--username", SUPERUSER, "--encoding", "UTF8", "--no-locale", "--no-sync"])
        .arguments(["--auth-host", "scram-sha-256", "--auth-local", "scram-sha-256"])
        .argument("--pwfile")
        .argument(&password_file)
        .run()
        .await;
    std::fs::remove_file(&password_file).map_err(failed("remove", &password_file))?;
    made?;
    Ok(folder::write_private(&folder.join(MAJOR_FILE), binaries.major.to_string().as_bytes())?)
}

fn launch(
    binaries: &PostgresBinaries,
    folder: &Path,
    port: u16,
    ephemeral: bool,
    user: Option<RunAs>,
) -> Result<Child, ChildError> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        "shared_buffers=64MB".to_owned(),
    ];
    settings.extend(QUIET.map(str::to_owned));
    if ephemeral {
        let fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
        settings.extend(fast.map(str::to_owned));
    }
    program("postgres", binaries, folder, user)
        .argument("-D")
        .argument(folder.join("cluster"))
        .arguments(settings.iter().flat_map(|setting| ["-c", setting.as_str()]))
        .spawn()
}

/// Without our environment: `PGPORT` and its like would change what is started.
fn program(name: &str, binaries: &PostgresBinaries, folder: &Path, user: Option<RunAs>) -> Program {
    Program::new(name, binaries.folder.join(name), folder.join(LOG_FILE))
        .without_environment()
        .variable("LC_ALL", "C")
        .variable("TZ", "UTC")
        .in_folder("/")
        .run_as(user)
}

fn check_major(folder: &Path, installed: u32) -> Result<(), PostgresError> {
    match folder::read(&folder.join(MAJOR_FILE))? {
        Some(found) if found.trim() != installed.to_string() => {
            Err(PostgresError::OtherMajor { found: found.trim().to_owned(), installed })
        }
        _ => Ok(()),
    }
}

fn password(folder: &Path) -> Result<String, PostgresError> {
    let file = folder.join("password");
    if let Some(password) = folder::read(&file)? {
        return Ok(password);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(PostgresError::Random)?;
    let password = hex::encode(bytes);
    folder::write_private(&file, password.as_bytes())?;
    Ok(password)
}

/// `None` if we are not root: `PostgreSQL` then runs as we do.
fn run_as() -> Result<Option<RunAs>, PostgresError> {
    if !crate::environment::is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        let found = nix::unistd::User::from_name(name)
            .map_err(|error| PostgresError::NoUser(Some(error)))?;
        if let Some(user) = found {
            return Ok(Some(RunAs { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    Err(PostgresError::NoUser(None))
}

fn check_reachable(folder: &Path, user: Option<RunAs>) -> Result<(), PostgresError> {
    let Some(RunAs { uid, gid }) = user else { return Ok(()) };
    let absolute = folder.canonicalize().map_err(failed("resolve", folder))?;
    for above in absolute.ancestors() {
        let meta = above.metadata().map_err(failed("look at", above))?;
        let bit = match (meta.uid() == uid, meta.gid() == gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        if meta.mode() & bit == 0 {
            let better = crate::environment::cache_dir();
            return Err(PostgresError::Unreachable { uid, folder: above.to_owned(), better });
        }
    }
    Ok(())
}

/// Makes the log file before anything writes to it: for the user that `PostgreSQL` runs as, and nobody else.
fn own_log(path: &Path, user: Option<RunAs>) -> Result<(), FolderError> {
    let mut options = std::fs::File::options();
    let file = options.create(true).append(true).mode(0o600).open(path);
    let file = file.map_err(failed("make", path))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed("protect", path))?;
    give_to(path, user)
}

fn give_to(path: &Path, user: Option<RunAs>) -> Result<(), FolderError> {
    let Some(RunAs { uid, gid }) = user else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(failed("give away", path))
}
