//! `decision.v1`: what a person says about a change other than "I approve". Never counts as approval.

use super::{Invalid, Statement};
use crate::encoding::{Sha256Digest, Timestamp};
use crate::names::TenantSlug;
use serde::{Deserialize, Serialize};

/// A person's word about a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whose change.
    pub tenant: TenantSlug,
    /// SHA-256 of the change's payload.
    pub change_sha256: Sha256Digest,
    /// What the person says.
    pub decision: DecisionKind,
    /// SHA-256 of the reason's text.
    pub reason_sha256: Sha256Digest,
    /// When.
    pub issued_at: Timestamp,
}

/// What a person may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// No.
    Reject,
    /// Not like this.
    RequestChanges,
    /// I take my approval back.
    Withdraw,
    /// A remark.
    Comment,
}

impl Statement for Decision {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.decision.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}
