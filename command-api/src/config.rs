//! The configuration of command-api.

use anyhow::{Context as _, bail};
use chassis::config::{Configured, ProcessConfig};
use chassis::listen::DevelopmentTokens;
use event_log::LogConfig;
use serde::Deserialize;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
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
    /// Reads the writer's key; a file that others may read is refused.
    pub fn writer_key(&self) -> anyhow::Result<PrivateKey> {
        let path = &self.writer_key_file;
        let named = || format!("the writer key {}", path.display());
        let mode = std::fs::metadata(path).with_context(named)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{} may be read by others: chmod 600 it", named());
        }
        let pem = std::fs::read_to_string(path).with_context(named)?;
        PrivateKey::from_pem(&pem).with_context(named)
    }

    /// Whether development tokens are accepted.
    pub fn development_tokens(&self) -> DevelopmentTokens {
        if self.development { DevelopmentTokens::Accepted } else { DevelopmentTokens::Refused }
    }
}
