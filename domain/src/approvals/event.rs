//! What happened to an approval.

use crate::ids::{ChangeId, DataSourceId, PrincipalId};
use crate::personal::Personal;
use crate::schema;
use crate::vocabulary::{PolicyRef, RootRef, Stage, Start};
use ::ledger::blob::BlobRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trust::encoding::{Sha256Digest, Timestamp};

/// An event of an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum ApprovalEvent {
    /// People may sign this manifest.
    #[serde(rename = "approval.opened")]
    Opened(Opened),
    /// A person countersigned the manifest.
    #[serde(rename = "approval.signed")]
    Signed(Signed),
    /// Enough people of the required roles signed.
    #[serde(rename = "approval.granted")]
    Granted {},
    /// A person rejected the change.
    #[serde(rename = "approval.rejected")]
    Rejected {
        /// Who.
        person: PrincipalId,
        /// Their `decision.v1` envelope.
        #[schemars(with = "schema::Blob")]
        statement: BlobRef,
        /// Why.
        reason: Option<Personal>,
    },
    /// The change was taken back: nobody may sign any more.
    #[serde(rename = "approval.closed")]
    Closed {},
}

/// What people are asked to sign, and how many of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// The change.
    pub change: ChangeId,
    /// Which submission of it.
    pub revision: u32,
    /// The target.
    pub data_source: DataSourceId,
    /// The target's environment.
    pub environment: String,
    /// Who wrote the change; never counted.
    pub author: PrincipalId,
    /// The exact manifest bytes.
    #[schemars(with = "schema::Blob")]
    pub manifest: BlobRef,
    /// Their digest.
    #[schemars(with = "schema::Digest")]
    pub change_sha256: Sha256Digest,
    /// The root whose keys count.
    pub root: RootRef,
    /// The policy that decided the stages.
    pub policy: PolicyRef,
    /// Who must sign.
    pub stages: Vec<Stage>,
    /// When the change starts.
    pub start: Start,
    /// Until when people may sign.
    #[schemars(with = "schema::Time")]
    pub deadline: Timestamp,
}

/// A person's signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    /// Who.
    pub person: PrincipalId,
    /// The roles that they hold for the environment.
    pub roles: Vec<String>,
    /// The DSSE signature over the manifest.
    #[schemars(with = "schema::Object")]
    pub signature: Value,
}
