//! The development stack of a data folder, looked at from inside: its files, processes, identities, streams and tables.

mod database;
mod files;
mod judge;
mod log;
mod machine;
mod processes;
mod streams;
mod work;

pub use judge::judge;
pub use machine::is_down;

use super::apis::Access;
use super::clock::Clock;
use chrono::{DateTime, Utc};
use database::DatabaseFacts;
use log::LogFacts;
use nats::inspect::Inspected;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Table;

/// The processes of the stack, by the names of their configuration files.
const PROCESSES: [&str; 5] = ["command-api", "query-api", "projections", "workflows", "agent"];
/// Who looks at jobs and root: an operator of the sample tenant.
const OPERATOR: &str = "ada";

/// What was seen, or why it was not.
pub type Seen<T> = Result<T, String>;

/// What was seen of a data folder.
#[derive(Debug, Clone)]
pub struct LocalFacts {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Our own version.
    pub own_version: String,
    /// The processes.
    pub processes: Vec<ProcessFacts>,
    /// Every address on which something should listen.
    pub listeners: Vec<ListenerFacts>,
    /// Files and folders for their owner only.
    pub paths: Vec<PathFacts>,
    /// Certificates with their ends.
    pub certificates: Vec<CertificateFacts>,
    /// Keys of the golden vectors, and where they are in use.
    pub golden: Vec<String>,
    /// The version of the nats-server that runs.
    pub nats_version: Seen<String>,
    /// What NATS shows.
    pub log: Seen<LogFacts>,
    /// What the read models' `PostgreSQL` shows.
    pub database: Seen<DatabaseFacts>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Its name.
    pub name: String,
    /// The version that it tells, if it answers.
    pub version: Option<String>,
    /// It says that it is ready.
    pub is_ready: bool,
    /// The socket from which it gets its identity, and until when that identity holds.
    pub identity: (String, Seen<DateTime<Utc>>),
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerFacts {
    /// Which process, and for whom.
    pub of: String,
    /// Where.
    pub address: SocketAddr,
    /// Something accepts connections there.
    pub answers: bool,
    /// Development material is accepted there.
    pub development: bool,
}

/// A file or folder for its owner only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFacts {
    /// Where.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// A folder.
    pub is_folder: bool,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose.
    pub of: String,
    /// Its end.
    pub not_after: Seen<DateTime<Utc>>,
}

/// An account of NATS and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its name.
    pub account: &'static str,
    /// Its streams.
    pub streams: Vec<Inspected>,
}

/// The configuration files of a data folder.
#[derive(Debug, Clone)]
struct Configs(Vec<(&'static str, Table)>);

/// Whether a folder was made by `countersign dev`.
pub fn is_data_folder(folder: &Path) -> bool {
    folder.join("dev.json").is_file()
}

/// Looks at everything.
pub async fn gather(data_dir: &Path) -> anyhow::Result<LocalFacts> {
    let configs = Configs::read(data_dir)?;
    let (processes, listeners, database) = tokio::join!(
        processes::processes(&configs),
        processes::listeners(data_dir, &configs),
        database::gather(data_dir),
    );
    let (nats_version, log) = log::gather(data_dir, &configs).await;
    let mut listeners = listeners;
    if let Ok(database) = &database {
        listeners.extend(database.listeners.clone());
    }
    Ok(LocalFacts {
        data_dir: data_dir.to_owned(),
        own_version: env!("CARGO_PKG_VERSION").to_owned(),
        processes,
        listeners,
        paths: files::paths(data_dir, &configs),
        certificates: files::certificates(data_dir),
        golden: files::golden(data_dir, &configs),
        nats_version,
        log,
        database,
    })
}

/// How the stack's APIs are asked: as an operator of the sample tenant, by the token in the data folder.
pub fn access(data_dir: &Path) -> anyhow::Result<Access> {
    let configs = Configs::read(data_dir)?;
    let url = |process| Some(format!("http://{}", configs.text(process, "people_listen")?));
    let missing = || anyhow::anyhow!("the configuration files name no addresses: start it once");
    let path = data_dir.join("secrets").join(format!("{OPERATOR}.token"));
    Ok(Access {
        command_api: url("command-api").ok_or_else(missing)?,
        query_api: url("query-api").ok_or_else(missing)?,
        token: crate::files::read_text(&path)?.trim().to_owned(),
        files: Vec::new(),
        knows_streams: true,
    })
}

impl Configs {
    /// Those that are there; one that is no TOML is an error.
    fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for name in PROCESSES {
            let path = data_dir.join("config").join(format!("{name}.toml"));
            if let Ok(text) = crate::files::read_text(&path) {
                let table = text.parse().map_err(|error: toml::de::Error| {
                    anyhow::anyhow!("{} is no TOML: {}", path.display(), error.message())
                })?;
                all.push((name, table));
            }
        }
        Ok(Self(all))
    }

    fn text(&self, process: &str, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == process)?.1.get(key)?.as_str()
    }

    /// The log's lost sequences, as the process that writes it has them.
    fn gaps(&self) -> BTreeSet<u64> {
        let writer = self.0.iter().find(|(name, _)| *name == "command-api");
        let gaps = writer.and_then(|(_, config)| config.get("log")?.get("gaps")?.as_array());
        let numbers = gaps.into_iter().flatten().filter_map(toml::Value::as_integer);
        numbers.filter_map(|number| u64::try_from(number).ok()).collect()
    }
}

/// The clock of the read models' server.
fn clock(facts: &LocalFacts) -> Option<&Clock> {
    facts.database.as_ref().ok().map(|database| &database.clock)
}
