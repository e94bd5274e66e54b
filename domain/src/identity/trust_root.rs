//! A tenant's trust root: every version is kept for ever; agents pin one that their own site gave them.

use crate::Issued;
use crate::aggregate::aggregate;
use crate::refusal::refusals;
use crate::schema;
use ::ledger::blob::BlobRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trust::encoding::Sha256Digest;

refusals! {
    /// Why a command on a trust root was refused.
    TrustRootError {
        NotFound = "identity.trust_root_not_found", NotFound, "the tenant has no trust root yet";
        NotNext = "identity.trust_root_not_next", Conflict, "the version is not the next one";
    }
}

/// A command on a trust root.
#[derive(Debug, Clone, PartialEq)]
pub enum TrustRootCommand {
    /// Make a version known whose signatures were verified.
    Publish(RootPublished),
}

/// An event of a trust root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum TrustRootEvent {
    /// A version of the tenant's trust root is known.
    #[serde(rename = "trust_root.published")]
    Published(RootPublished),
}

/// A version of the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootPublished {
    /// From 1, without a gap.
    pub version: u64,
    /// Of the root's payload.
    #[schemars(with = "schema::Digest")]
    pub sha256: Sha256Digest,
    /// The signed envelope.
    #[schemars(with = "schema::Blob")]
    pub envelope: BlobRef,
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrustRoot {
    /// Every version, in order.
    pub versions: Vec<RootPublished>,
}

aggregate!(TrustRoot, "trust_root", TrustRootCommand, TrustRootEvent, TrustRootError);

impl TrustRoot {
    /// The newest version.
    pub fn current(&self) -> Option<&RootPublished> {
        self.versions.last()
    }

    fn decide(
        &self,
        issued: Issued<TrustRootCommand>,
    ) -> Result<Vec<TrustRootEvent>, TrustRootError> {
        let TrustRootCommand::Publish(published) = issued.command;
        if published.version != self.current().map_or(0, |root| root.version) + 1 {
            return Err(TrustRootError::NotNext);
        }
        Ok(vec![TrustRootEvent::Published(published)])
    }

    fn evolve(&mut self, event: TrustRootEvent) {
        match event {
            TrustRootEvent::Published(published) => self.versions.push(published),
        }
    }
}
