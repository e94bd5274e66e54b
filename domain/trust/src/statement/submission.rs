//! `submission.v1`: the author's own signature under a change.

use super::{Invalid, Statement};
use crate::encoding::{Sha256Digest, Timestamp};
use crate::names::{PrincipalId, TenantSlug};
use serde::{Deserialize, Serialize};

/// An author stands by a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Whose change.
    pub tenant: TenantSlug,
    /// SHA-256 of the change's payload.
    pub change_sha256: Sha256Digest,
    /// The author, who signs.
    pub author: PrincipalId,
    /// When.
    pub issued_at: Timestamp,
}

impl Statement for Submission {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.submission.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}
