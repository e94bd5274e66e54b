//! Configuration of the worker.

use chassis::config::{Configured, ProcessConfig};
use event_log::LogConfig;
use serde::Deserialize;
use std::path::PathBuf;

/// The worker's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every process has.
    pub process: ProcessConfig,
    /// A file that only its owner may read, with the URL of the database.
    pub database_url_file: PathBuf,
    /// The folder of the search index; `query-api` reads it.
    pub search_dir: PathBuf,
    /// `tls://host:port`.
    pub nats_url: String,
    /// The SPIFFE ID of nats-server.
    pub nats_id: String,
    /// The log to follow.
    pub log: LogConfig,
}

impl Configured for Config {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}
