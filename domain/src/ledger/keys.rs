//! Which keys are in force as the log itself records it. A verifier believes its policy file instead; what is recorded
//! here tells it what to write there.

use super::{KeyRevoked, LogError};
use ::ledger::{KeyRole, RotationError, SignedRotation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use trust::keys::PublicKey;

/// The keys that rotations and revocations have left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    /// By role, and for witnesses by name: the key of the last rotation.
    in_force: BTreeMap<String, InForce>,
    /// Keys that a rotation ended.
    ended: BTreeSet<String>,
    /// Keys that were revoked, with what is still trusted of each.
    revoked: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct InForce {
    key: PublicKey,
    from: u64,
}

fn place(role: KeyRole, name: Option<&String>) -> String {
    name.map_or_else(|| role.name().to_owned(), |name| format!("{role}/{name}"))
}

impl Keys {
    /// Whether a rotation follows from what is recorded. `is_in_force` is what is known of the old key from elsewhere,
    /// for the first rotation of its role.
    pub(super) fn check_rotation(
        &self,
        rotation: &SignedRotation,
        is_in_force: Option<bool>,
    ) -> Result<(), LogError> {
        rotation.check().map_err(|error| match error {
            RotationError::OldSignature | RotationError::NewSignature => LogError::RotationUnsigned,
            RotationError::Name | RotationError::From | RotationError::SameKey => {
                LogError::RotationMalformed
            }
        })?;
        if self.is_past(&rotation.old) {
            return Err(LogError::KeyEnded);
        }
        if self.is_past(&rotation.new) || self.in_force.values().any(|it| it.key == rotation.new) {
            return Err(LogError::KeyReused);
        }
        match self.in_force.get(&place(rotation.role, rotation.name.as_ref())) {
            Some(current) if current.key != rotation.old => Err(LogError::KeyNotInForce),
            Some(current) if rotation.from <= current.from => Err(LogError::RotationInterval),
            None if is_in_force == Some(false) => Err(LogError::KeyNotInForce),
            Some(_) | None => Ok(()),
        }
    }

    /// A key can be revoked again only to trust less of it.
    pub(super) fn check_revocation(&self, revoked: &KeyRevoked) -> Result<(), LogError> {
        if revoked.name.is_some() != (revoked.role == KeyRole::Witness) {
            return Err(LogError::RotationMalformed);
        }
        match self.revoked.get(&revoked.spki.to_string()) {
            Some(last) if revoked.last_trusted >= *last => Err(LogError::KeyRevokedBefore),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn rotate(&mut self, rotation: &SignedRotation) {
        self.ended.insert(rotation.old.to_string());
        let current = InForce { key: rotation.new, from: rotation.from };
        self.in_force.insert(place(rotation.role, rotation.name.as_ref()), current);
    }

    pub(super) fn revoke(&mut self, revoked: &KeyRevoked) {
        self.in_force.retain(|_, current| current.key != revoked.spki);
        self.revoked.insert(revoked.spki.to_string(), revoked.last_trusted);
    }

    fn is_past(&self, key: &PublicKey) -> bool {
        let key = key.to_string();
        self.ended.contains(&key) || self.revoked.contains_key(&key)
    }
}
