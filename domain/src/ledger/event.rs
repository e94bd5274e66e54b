//! What happened to a log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum LogEvent {
    /// Sequence 1 of every log.
    #[serde(rename = "log.opened")]
    Opened(Opened),
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
