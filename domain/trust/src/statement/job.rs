//! `job.v1`: the dispatcher tells one agent to do one thing.

use super::{Invalid, Statement, at_least_one};
use crate::encoding::{Sha256Digest, Timestamp, or_null};
use crate::names::{CommitHash, DataSourceId, JobId, Origin, TenantSlug};
use crate::spiffe::SpiffeId;
use serde::{Deserialize, Serialize};

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Whose job.
    pub tenant: TenantSlug,
    /// Its id.
    pub job: JobId,
    /// From 1, one more for each next try.
    pub attempt: u64,
    /// The token of the schema lock; 0 without one.
    pub fence: u64,
    /// The dispatcher's epoch in the root.
    pub dispatcher_epoch: u64,
    /// The only agent that may act on it.
    pub audience: SpiffeId,
    /// On which database.
    pub data_source: DataSourceId,
    /// What to do.
    pub mode: Mode,
    /// Ordinals of the change's steps, in the order in which they run.
    pub steps: Vec<u32>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it may not run.
    pub not_after: Timestamp,
    /// SHA-256 of the change's payload; null where no change is involved.
    #[serde(deserialize_with = "or_null")]
    pub change_sha256: Option<Sha256Digest>,
    /// Where the log records the lock grant; null where no lock is granted.
    #[serde(deserialize_with = "or_null")]
    pub log: Option<LogPosition>,
}

/// What a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Read the catalog.
    Introspect,
    /// Try unsigned SQL in a sandbox.
    Validate,
    /// Run the forward steps of an approved change.
    Migrate,
    /// Run its rollback steps.
    Rollback,
}

impl Mode {
    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Validate => "validate",
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
        }
    }

    /// Whether the mode runs the SQL of an approved change.
    pub fn needs_change(self) -> bool {
        matches!(self, Self::Migrate | Self::Rollback)
    }
}

/// A commit in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPosition {
    /// The log.
    pub origin: Origin,
    /// The stream sequence, from 1.
    pub sequence: u64,
    /// The commit's hash.
    pub hash: CommitHash,
}

impl Statement for Job {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.job.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        let with = self.mode.name();
        let wrong = |member| Err(Invalid::DoesNotGoWith { member, with });
        at_least_one("attempt", self.attempt)?;
        let change = self.mode.needs_change();
        if self.change_sha256.is_some() != change {
            return wrong("change_sha256");
        }
        if self.steps.is_empty() == change {
            return wrong("steps");
        }
        if (self.fence == 0) == change {
            return wrong("fence");
        }
        if change && self.log.is_none() {
            return wrong("log");
        }
        Ok(())
    }
}
