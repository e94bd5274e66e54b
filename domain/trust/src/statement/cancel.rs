//! `cancel.v1`: the dispatcher takes a job back.

use super::{Invalid, Statement};
use crate::encoding::{Sha256Digest, Timestamp};
use crate::names::JobId;
use serde::{Deserialize, Serialize};

/// A job that is not to run, or to stop before its next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The job.
    pub job: JobId,
    /// SHA-256 of the job's payload.
    pub job_sha256: Sha256Digest,
    /// When.
    pub issued_at: Timestamp,
}

impl Statement for Cancel {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.cancel.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}
