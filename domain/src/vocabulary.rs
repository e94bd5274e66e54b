//! Words that several contexts use with one meaning.

use crate::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trust::encoding::Sha256Digest;

/// One step: a contiguous byte range of the file that runs as one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// From 1.
    pub ordinal: u32,
    /// Of its exact bytes.
    #[schemars(with = "schema::Digest")]
    pub sha256: Sha256Digest,
    /// Runs in a transaction.
    pub transactional: bool,
}

/// A version of the tenant's trust root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootRef {
    /// From 1.
    pub version: u64,
    /// Of its payload.
    #[schemars(with = "schema::Digest")]
    pub sha256: Sha256Digest,
}

/// A policy's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRef {
    /// Its name.
    pub name: String,
    /// From 1.
    pub version: u64,
    /// Of its text.
    #[schemars(with = "schema::Digest")]
    pub sha256: Sha256Digest,
}

/// When an approved change starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At once.
    OnApproval,
    /// When somebody starts it.
    OnRelease,
}

impl Start {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnApproval => "on_approval",
            Self::OnRelease => "on_release",
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran.
    Succeeded,
    /// Nothing was left behind.
    FailedClean,
    /// Something was left behind.
    FailedPartial,
    /// Nobody knows.
    Unknown,
    /// The agent refused it.
    Refused,
}

impl Outcome {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::FailedClean => "failed_clean",
            Self::FailedPartial => "failed_partial",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// What somebody found who looked at a database after an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The change is there, whole.
    Applied,
    /// It is not, or not whole.
    Failed,
}

/// So many people who hold this role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    /// The role, for the change's environment.
    pub role: String,
    /// How many.
    pub count: u32,
}

/// So many people, of these roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Distinct people.
    pub quorum: u32,
    /// Of which roles.
    pub requirements: Vec<Requirement>,
}
