//! What an accepted job allows, and line 11, which needs the live schema.

use super::{AcceptedStep, Reason, Refusal};
use crate::encoding::Sha256Digest;
use crate::names::{Fingerprint, PrincipalId};
use crate::statement::{Change, Job, RootRef};

/// A job for which lines 1 to 10 hold. Only [`super::judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub(super) job: Job,
    pub(super) job_sha256: Sha256Digest,
    pub(super) root: RootRef,
    pub(super) migration: Option<Migration>,
}

/// An approved change to run: these bytes, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub(super) change: Change,
    pub(super) change_sha256: Sha256Digest,
    pub(super) sql: Vec<u8>,
    pub(super) steps: Vec<AcceptedStep>,
    pub(super) counted: Vec<PrincipalId>,
    pub(super) unbound_base_allowed: bool,
}

impl Accepted {
    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// SHA-256 of the job's payload.
    pub fn job_sha256(&self) -> Sha256Digest {
        self.job_sha256
    }

    /// The root under which it was accepted.
    pub fn root(&self) -> RootRef {
        self.root
    }

    /// The change to run; `None` for an introspection.
    pub fn migration(&self) -> Option<&Migration> {
        self.migration.as_ref()
    }

    /// Line 11 for a first run: the live schema, read under the advisory lock and in the step's transaction, is the
    /// one that people approved from.
    pub fn check_base(&self, live: &Fingerprint) -> Result<(), Refusal> {
        let Some(migration) = &self.migration else { return Ok(()) };
        match &migration.change.transition.from {
            Some(from) if from == live => Ok(()),
            Some(from) => Err(Refusal::new(
                11,
                Reason::Drifted,
                format!("the schema is {live}, the change was approved for {from}"),
            )),
            None if migration.unbound_base_allowed => Ok(()),
            None => Err(Refusal::new(
                11,
                Reason::BaseUnbound,
                "the change names no base, and root or site demand one",
            )),
        }
    }
}

impl Migration {
    /// The manifest.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// SHA-256 of its payload.
    pub fn change_sha256(&self) -> Sha256Digest {
        self.change_sha256
    }

    /// The whole SQL file.
    pub fn sql(&self) -> &[u8] {
        &self.sql
    }

    /// The steps with their bytes, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = (&AcceptedStep, &[u8])> {
        self.steps.iter().filter_map(|step| Some((step, self.sql.get(step.range.clone())?)))
    }

    /// The people counted, in the order of their ids.
    pub fn counted(&self) -> &[PrincipalId] {
        &self.counted
    }
}
