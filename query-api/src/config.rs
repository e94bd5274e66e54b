//! The configuration of query-api.

use chassis::config::{Configured, ProcessConfig};
use chassis::listen::DevelopmentTokens;
use event_log::LogConfig;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// What every process has.
    pub process: ProcessConfig,
    /// Where people are served.
    pub people_listen: SocketAddr,
    /// Where services are served, by mutual TLS.
    pub services_listen: SocketAddr,
    /// A file that only its owner may read, with the URL of the database that `projections` keeps.
    pub database_url_file: PathBuf,
    /// The folder of the search index that `projections` keeps; it is only read.
    pub search_dir: PathBuf,
    /// `tls://host:port`
    pub nats_url: String,
    /// The SPIFFE ID of nats-server.
    pub nats_id: String,
    /// Which log.
    pub log: LogConfig,
    /// Bearer tokens of a development set-up are accepted: loopback addresses only.
    #[serde(default)]
    pub development: bool,
}

impl Configured for ApiConfig {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

impl ApiConfig {
    /// Whether development tokens are accepted.
    pub fn development_tokens(&self) -> DevelopmentTokens {
        if self.development { DevelopmentTokens::Accepted } else { DevelopmentTokens::Refused }
    }
}
