//! The configuration of workflows.

use anyhow::Context as _;
use chassis::Process;
use chassis::config::{Configured, ProcessConfig};
use chassis::secret_file::{SecretFileError, read_key};
use event_log::LogConfig;
use nats::{Connection, subjects};
use serde::Deserialize;
use std::path::PathBuf;
use trust::keys::PrivateKey;

/// The service's name in subjects and SPIFFE IDs.
pub const SERVICE: &str = "workflows";

/// The configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowsConfig {
    /// What every process has.
    pub process: ProcessConfig,
    /// `tls://host:port`
    pub nats_url: String,
    /// The SPIFFE ID of nats-server.
    pub nats_id: String,
    /// Which log.
    pub log: LogConfig,
    /// command-api's listener for services, `https://host:port`.
    pub command_api_url: String,
    /// The SPIFFE ID of command-api.
    pub command_api_id: String,
    /// The dispatcher's private key, PKCS#8 PEM, readable by its owner only.
    pub dispatcher_key_file: PathBuf,
}

impl Configured for WorkflowsConfig {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

impl WorkflowsConfig {
    /// Reads the dispatcher's key.
    pub fn dispatcher_key(&self) -> Result<PrivateKey, SecretFileError> {
        read_key(&self.dispatcher_key_file)
    }
}

/// Connects to NATS, account CTL.
pub async fn connect(process: &Process<WorkflowsConfig>) -> anyhow::Result<Connection> {
    let config = &process.config;
    let server = spiffe::SpiffeId::new(&config.nats_id).context("nats_id is not a SPIFFE ID")?;
    let inbox = subjects::service_inbox(SERVICE)?;
    let source = process.identity.source();
    Ok(Connection::connect(&config.nats_url, source, &server, &inbox, SERVICE).await?)
}
