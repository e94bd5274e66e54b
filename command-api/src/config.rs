//! The configuration of command-api.

use chassis::config::{Configured, ProcessConfig};
use chassis::listen::DevelopmentTokens;
use chassis::secret_file::{SecretFileError, read_key};
use event_log::LogConfig;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use trust::keys::PrivateKey;

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
    /// `tls://host:port`
    pub nats_url: String,
    /// The SPIFFE ID of nats-server.
    pub nats_id: String,
    /// Which log.
    pub log: LogConfig,
    /// The writer's private key, PKCS#8 PEM, readable by its owner only.
    pub writer_key_file: PathBuf,
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
    /// Reads the writer's key.
    pub fn writer_key(&self) -> Result<PrivateKey, SecretFileError> {
        read_key(&self.writer_key_file)
    }

    /// Whether development tokens are accepted.
    pub fn development_tokens(&self) -> DevelopmentTokens {
        if self.development { DevelopmentTokens::Accepted } else { DevelopmentTokens::Refused }
    }
}
