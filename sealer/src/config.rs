//! The configuration of the sealer.

use crate::gap::PATIENCE;
use crate::keys::LogKeys;
use anyhow::Context as _;
use archive::{Archive, ArchiveConfig, ArchiveError};
use chassis::config::{Configured, ProcessConfig};
use chassis::secret_file::{self, read_key};
use event_log::LogConfig;
use ledger::KeyName;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use trust::keys::PublicKey;

/// The configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealerConfig {
    /// What every process has.
    pub process: ProcessConfig,
    /// `tls://host:port`
    pub nats_url: String,
    /// The SPIFFE ID of nats-server.
    pub nats_id: String,
    /// Which log.
    pub log: LogConfig,
    /// The log's private key, PKCS#8 PEM, readable by its owner only.
    pub log_key_file: PathBuf,
    /// The log's keys before it, oldest first: what they signed up to their last sizes is the log's own.
    #[serde(default)]
    pub previous_keys: Vec<PreviousKey>,
    /// Where the sealed log is kept.
    pub archive: ArchiveConfig,
    /// Who cosigns the checkpoints.
    #[serde(default)]
    pub witness: Vec<WitnessConfig>,
    /// How many of them must have, before a checkpoint is shown as the newest.
    #[serde(default)]
    pub witness_quorum: usize,
    /// How long a lost message is waited for before its leaf says so: the protocol's 60 seconds. Only a test may say
    /// less, with `development = true`.
    #[serde(default = "patience")]
    pub gap_patience_seconds: u64,
    /// This is no log of production.
    #[serde(default)]
    pub development: bool,
}

/// A key of the log that was rotated.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousKey {
    /// Base64 of its SPKI DER.
    pub spki: PublicKey,
    /// The last size that it may have signed: the size of the newest checkpoint when it was rotated.
    pub to_size: u64,
}

/// One witness.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Its name, as in the policy file.
    #[serde(deserialize_with = "name")]
    pub name: KeyName,
    /// Its key, base64 of SPKI DER.
    pub spki: PublicKey,
    /// Where `add-checkpoint` is, without it: `https://host[:port][/path]`.
    pub url: String,
}

impl Configured for SealerConfig {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

impl SealerConfig {
    /// Reads the log's key, and takes in those before it.
    pub fn log_keys(&self) -> anyhow::Result<LogKeys> {
        let own = read_key(&self.log_key_file)?;
        LogKeys::new(own, &self.previous_keys).context("the configured keys of the log are refused")
    }

    /// How long a lost message is waited for.
    pub fn gap_patience(&self) -> anyhow::Result<Duration> {
        let patience = Duration::from_secs(self.gap_patience_seconds);
        anyhow::ensure!(
            patience >= PATIENCE || self.development,
            "gap_patience_seconds is {}, and the protocol asks for {}",
            patience.as_secs(),
            PATIENCE.as_secs()
        );
        Ok(patience)
    }

    /// Opens the archive.
    pub fn archive(&self) -> Result<Archive, ArchiveError> {
        Archive::open(&self.archive, &self.log.origin, secret_file::read)
    }
}

fn patience() -> u64 {
    PATIENCE.as_secs()
}

fn name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeyName, D::Error> {
    use serde::de::Error as _;
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
