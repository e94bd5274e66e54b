//! The current trust root: opened against the pin that the site's own operator gave.
//!
//! One version is pinned; walking from it to newer ones comes later. Source: PROTOCOL.md section 3, "Trust root".

use crate::dsse::{Envelope, EnvelopeError, Parsed};
use crate::golden;
use crate::keys::PublicKey;
use crate::statement::{Root, RootRef, StatementError, TrustKey};

/// Why a root is not the pinned one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Not an envelope.
    #[error("the root's envelope cannot be read")]
    Envelope(#[from] EnvelopeError),
    /// Not a valid root.
    #[error("the root's payload cannot be read")]
    Statement(#[from] StatementError),
    /// Another version or another digest than the pin's.
    #[error("root {found:?} is not the pinned {pinned:?}")]
    NotPinned {
        /// What the local file pins.
        pinned: RootRef,
        /// What was given.
        found: RootRef,
    },
    /// Too few of its root keys signed it.
    #[error("{signed} root keys signed, the threshold is {threshold}")]
    Threshold {
        /// Distinct root keys that verified.
        signed: u64,
        /// How many must.
        threshold: u64,
    },
    /// The threshold can only be met by passkeys, which are not built yet.
    #[error("the root's threshold needs passkeys, which are not supported yet")]
    NotSupported,
}

/// A root that is the pinned one and that its own threshold signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedRoot {
    root: Root,
    reference: RootRef,
}

impl PinnedRoot {
    /// Opens a root. Expiry is not looked at here: it is line 5 of the predicate, which has the time.
    pub fn open(envelope: &Envelope, pin: &RootRef) -> Result<Self, RootError> {
        let parsed = Parsed::<Root>::from_envelope(envelope.clone())?;
        let root = parsed.statement();
        let found = RootRef { version: root.version, sha256: parsed.sha256() };
        if found != *pin {
            return Err(RootError::NotPinned { pinned: *pin, found });
        }
        let signers = &root.roles.root;
        let usable: Vec<&PublicKey> = usable_keys(&signers.keys).collect();
        let signed = u64::try_from(envelope.verified_by(usable).len()).unwrap_or(u64::MAX);
        if signed < signers.threshold {
            let native = signers.keys.iter().filter(|key| key.ed25519().is_some()).count();
            return Err(if u64::try_from(native).unwrap_or(u64::MAX) < signers.threshold {
                RootError::NotSupported
            } else {
                RootError::Threshold { signed, threshold: signers.threshold }
            });
        }
        Ok(Self { root: root.clone(), reference: found })
    }

    /// The statement.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Its version and digest.
    pub fn reference(&self) -> RootRef {
        self.reference
    }
}

/// The keys that can be counted: Ed25519, and not a golden vector's.
pub(crate) fn usable_keys(keys: &[TrustKey]) -> impl Iterator<Item = &PublicKey> {
    keys.iter().filter_map(TrustKey::ed25519).filter(|key| !golden::is_golden(key))
}
