//! The configuration of workflows.

use anyhow::{Context as _, bail};
use chassis::Process;
use chassis::config::{Configured, ProcessConfig};
use event_log::LogConfig;
use nats::{Connection, subjects};
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt as _;
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
    /// Reads the dispatcher's key; a file that others may read is refused.
    pub fn dispatcher_key(&self) -> anyhow::Result<PrivateKey> {
        let path = &self.dispatcher_key_file;
        let named = || format!("the dispatcher key {}", path.display());
        let mode = std::fs::metadata(path).with_context(named)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{} may be read by others: chmod 600 it", named());
        }
        let pem = std::fs::read_to_string(path).with_context(named)?;
        PrivateKey::from_pem(&pem).with_context(named)
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
