//! What may be asked of an approval.

use super::event::Opened;
use crate::ids::PrincipalId;
use crate::personal::Personal;
use ::ledger::blob::BlobRef;
use serde_json::Value;

/// A command on an approval.
#[derive(Debug, Clone, PartialEq)]
pub enum ApprovalCommand {
    /// People may sign this manifest.
    Open(Opened),
    /// A person signs it.
    Countersign {
        /// Whose key verified the signature under the current root; none if no key did.
        signer: Option<Signer>,
        /// The DSSE signature, as it was sent.
        signature: Value,
    },
    /// A person rejects it.
    Reject {
        /// Whose key verified the decision under the current root; none if no key did.
        signer: Option<Signer>,
        /// The stored `decision.v1` envelope.
        statement: BlobRef,
        /// Why.
        reason: Option<Personal>,
    },
    /// The change was taken back.
    Close,
}

/// A person of the current root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Who.
    pub person: PrincipalId,
    /// The roles that they hold for the change's environment.
    pub roles: Vec<String>,
}
