//! What happened to a data source.

use crate::ids::{AgentId, ChangeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event of a data source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum DataSourceEvent {
    /// A data source is registered.
    #[serde(rename = "data_source.created")]
    Created(Registered),
    /// A change waits in line for the schema lock.
    #[serde(rename = "data_source.lock_queued")]
    LockQueued {
        /// Which.
        change: ChangeId,
    },
    /// A change holds the schema lock, with its fencing token.
    #[serde(rename = "data_source.lock_granted")]
    LockGranted {
        /// Which.
        change: ChangeId,
        /// The fencing token, strictly increasing per data source.
        fence: u64,
    },
    /// A change gave the schema lock back, or left the line.
    #[serde(rename = "data_source.lock_released")]
    LockReleased {
        /// Which.
        change: ChangeId,
        /// The fencing token it held; none if it only waited.
        fence: Option<u64>,
    },
}

/// Exactly one database with its own environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registered {
    /// Unique in the tenant.
    pub name: String,
    /// `postgresql`.
    pub engine: String,
    /// Its environment, a name in the trust root.
    pub environment: String,
    /// The agent beside it.
    pub agent: AgentId,
    /// That agent's name.
    pub agent_name: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}
