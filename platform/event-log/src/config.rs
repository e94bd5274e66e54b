//! A log in a configuration file.

use ledger::{LogIdentity, Origin, Slug, Writer};
use serde::Deserialize;
use trust::keys::PublicKey;

/// The section `[log]`: which log, and who may write to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Its name.
    pub origin: Origin,
    /// The shard in its subjects.
    pub shard: Slug,
    /// Who may write.
    pub writers: Vec<WriterConfig>,
    /// Sequences that are known to be lost, so that readers go on after them; those that the policy file names.
    #[serde(default)]
    pub gaps: Vec<u64>,
}

/// One writer's key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriterConfig {
    /// Base64 of its SPKI DER.
    pub spki: PublicKey,
    /// First sequence, from 1.
    pub from_sequence: u64,
    /// Last sequence; absent while the key is in use.
    #[serde(default)]
    pub to_sequence: Option<u64>,
}

impl From<LogConfig> for LogIdentity {
    fn from(config: LogConfig) -> Self {
        let writers = config
            .writers
            .into_iter()
            .map(|writer| Writer {
                key: writer.spki,
                from_sequence: writer.from_sequence,
                to_sequence: writer.to_sequence,
            })
            .collect();
        Self { origin: config.origin, shard: config.shard, writers, gaps: config.gaps }
    }
}
