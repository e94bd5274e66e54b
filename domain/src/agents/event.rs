//! What happened to an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum AgentEvent {
    /// An agent is known.
    #[serde(rename = "agent.enrolled")]
    Enrolled(Enrolled),
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolled {
    /// Unique in the tenant, a part of subjects and of its SPIFFE ID.
    pub name: String,
    /// `spiffe://<trust domain>/tenant/<tenant>/agent/<name>`.
    pub spiffe_id: String,
}
