//! What the predicate is told: the site's own configuration, the moment, and what the journal remembers.
//!
//! All of it is plain data that the agent read itself; nothing comes from the control plane.

use crate::encoding::{Sha256Digest, Timestamp};
use crate::keys::KeyId;
use crate::names::{ChangeId, DataSourceId, JobId, TenantSlug};
use crate::quorum::LocalRules;
use crate::spiffe::SpiffeId;
use crate::statement::{Mode, Requirement, RootRef};
use std::collections::{BTreeMap, BTreeSet};

/// The agent's local configuration. It can add demands, never relax the root's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The tenant that this agent works for.
    pub tenant: TenantSlug,
    /// The agent's own SPIFFE id, from its certificate.
    pub agent: SpiffeId,
    /// The root that the site's operator pinned.
    pub root: RootRef,
    /// Whether development roots are allowed here.
    pub development: bool,
    /// Keys that no longer count here, in whichever role.
    pub revoked_keys: BTreeSet<KeyId>,
    /// The databases beside this agent.
    pub data_sources: BTreeMap<DataSourceId, LocalDataSource>,
}

/// One database, as its site describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDataSource {
    /// The name that approvers see.
    pub name: String,
    /// The environment it belongs to.
    pub environment: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What jobs may do to it.
    pub modes: BTreeSet<Mode>,
    /// Least number of people here; 0 leaves it to the root.
    pub quorum: u64,
    /// Roles demanded here.
    pub requirements: Vec<Requirement>,
    /// Whether a change may come without a base fingerprint.
    pub allow_unbound_base: bool,
}

impl Site {
    pub(super) fn rules(&self, source: &LocalDataSource) -> LocalRules {
        LocalRules {
            quorum: source.quorum,
            requirements: source.requirements.clone(),
            revoked_keys: self.revoked_keys.clone(),
        }
    }
}

/// The clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The agent's clock.
    pub now: Timestamp,
    /// The latest time that the agent has durably seen.
    pub time_floor: Timestamp,
    /// The target's clock; needed by every mode that runs SQL of a change.
    pub target_clock: Option<Timestamp>,
}

/// What the target's journal and the agent's own state say about this data source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalView {
    /// The result stored for the job's (job, attempt), if there is one.
    pub stored: Option<StoredResult>,
    /// Digests of changes of which a step is journaled as started or succeeded.
    pub consumed: BTreeSet<Sha256Digest>,
    /// The highest journaled revision, by change.
    pub revisions: BTreeMap<ChangeId, u64>,
    /// The highest fence in the target's journal, by dispatcher epoch.
    pub target_fences: BTreeMap<u64, u64>,
    /// The highest fence in the agent's own state, by dispatcher epoch; written after the target's.
    pub agent_fences: BTreeMap<u64, u64>,
}

/// The answer that a job got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u64,
    /// SHA-256 of its payload.
    pub job_sha256: Sha256Digest,
    /// The exact `result.v1` payload, to be signed anew.
    pub result: Vec<u8>,
    /// The schema document that went with it.
    pub document: Option<Vec<u8>>,
}
