//! The configuration of query-api.

use archive::{Archive, ArchiveConfig, ArchiveError};
use chassis::config::{Configured, ProcessConfig};
use chassis::listen::DevelopmentTokens;
use chassis::secret_file;
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
    /// Where the sealer keeps the sealed log; it is only read. Without it nothing shows checkpoints and proofs.
    #[serde(default)]
    pub archive: Option<ArchiveConfig>,
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
    /// Opens the archive, if there is one.
    pub fn archive(&self) -> Result<Option<Archive>, ArchiveError> {
        let open = |config| Archive::open(config, &self.log.origin, secret_file::read);
        self.archive.as_ref().map(open).transpose()
    }

    /// Whether development tokens are accepted.
    pub fn development_tokens(&self) -> DevelopmentTokens {
        if self.development { DevelopmentTokens::Accepted } else { DevelopmentTokens::Refused }
    }
}
