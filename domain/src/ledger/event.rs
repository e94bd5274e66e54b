//! What happened to a log.

use crate::personal::Personal;
use crate::schema;
use ::ledger::{KeyRole, SignedRotation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::Sha256Digest;
use trust::keys::PublicKey;

/// The longest value of a setting that is recorded whole, bytes.
const LONGEST_SETTING: usize = 1_024;

/// An event of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum LogEvent {
    /// Sequence 1 of every log.
    #[serde(rename = "log.opened")]
    Opened(Opened),
    /// The configuration of one of the log's streams is another than was recorded last.
    #[serde(rename = "log.configuration_changed")]
    ConfigurationChanged(ConfigurationChanged),
    /// A writer's, the log's or a witness's key was replaced; the old and the new one signed it.
    #[serde(rename = "log.key_rotated")]
    KeyRotated(#[schemars(with = "schema::Rotation")] SignedRotation),
    /// A key is trusted up to a sequence or size, and not beyond it.
    #[serde(rename = "log.key_revoked")]
    KeyRevoked(KeyRevoked),
    /// Messages of the log are lost, and an operator says why.
    #[serde(rename = "log.gap_declared")]
    GapDeclared(GapDeclared),
}

/// What makes this log another than every other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// 64 hexadecimal digits of randomness.
    pub nonce: String,
    /// The commit format.
    pub spec: u32,
    /// The shard it serves.
    pub shard: String,
    /// The last checkpoint of the log that it replaces.
    pub predecessor: Option<String>,
}

/// How a stream is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigurationChanged {
    /// Its name.
    pub stream: String,
    /// Every setting that says something, as the server names it, each value as JSON text.
    pub configuration: BTreeMap<String, String>,
    /// SHA-256 of the settings' JSON, compact and in the order of their names.
    #[schemars(with = "schema::Digest")]
    pub digest: Sha256Digest,
    /// The settings that let messages be lost, erased or come from elsewhere; empty where all is as it should be.
    pub weaknesses: Vec<String>,
}

impl ConfigurationChanged {
    /// With the digest of its settings, which covers also what is too long to be recorded.
    pub fn of(
        stream: String,
        configuration: BTreeMap<String, String>,
        weaknesses: Vec<String>,
    ) -> Self {
        let digest = Sha256Digest::of(&serde_json::to_vec(&configuration).unwrap_or_default());
        let recorded = configuration.into_iter().map(|(name, value)| (name, shortened(value)));
        let configuration = recorded.collect();
        Self { stream, configuration, digest, weaknesses }
    }
}

/// A setting can be as long as a message, and a commit must hold them all.
fn shortened(value: String) -> String {
    if value.len() <= LONGEST_SETTING {
        return value;
    }
    let begins: String = value.chars().take(LONGEST_SETTING / 4).collect();
    format!("{begins}... ({} bytes)", value.len())
}

/// A key that is trusted no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRevoked {
    /// What it was for.
    #[schemars(with = "schema::KeyRole")]
    pub role: KeyRole,
    /// Which witness; null for the log's own keys.
    pub name: Option<String>,
    /// The key.
    #[schemars(with = "schema::Spki")]
    pub spki: PublicKey,
    /// The last sequence (writer) or size (log, witness) at which it is trusted.
    pub last_trusted: u64,
    /// Why.
    pub reason: Personal,
}

/// Messages that are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GapDeclared {
    /// Their sequences, ascending.
    pub sequences: Vec<u64>,
    /// Why.
    pub reason: Personal,
}
