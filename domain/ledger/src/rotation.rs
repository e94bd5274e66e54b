//! A key's rotation: the old and the new key sign one statement, so that neither the thief of the one nor the owner of
//! the other can rotate alone. It decides nothing by itself: whose keys count is the policy file's to say.
//!
//! ```text
//!  signed   "countersign.dev/key-rotation/v1\n" || log || role || name || old || new || from
//!           each as u32 big-endian length || bytes; keys as SPKI DER, from as u64 big-endian
//! ```

use crate::name::Origin;
use crate::note::KeyName;
use crate::nullable;
use serde::{Deserialize, Serialize};
use std::fmt;
use trust::keys::{NamedSignature, PrivateKey, PublicKey};
use trust::strict::{self, StrictError};

const DOMAIN: &[u8] = b"countersign.dev/key-rotation/v1\n";
/// Longest file of a rotation, bytes.
pub const MAX_ROTATION_BYTES: u64 = 65_536;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// It signs commits and receipts; its interval is of sequences.
    Writer,
    /// It signs checkpoints; its interval is of sizes.
    Log,
    /// It cosigns checkpoints; its interval is of sizes.
    Witness,
}

impl KeyRole {
    /// The word in the statement.
    pub fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Log => "log",
            Self::Witness => "witness",
        }
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a rotation is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RotationError {
    /// A witness has a name, and nobody else.
    #[error("a rotation names a witness if it is one's, and only then")]
    Name,
    /// The first sequence and the first size are the old key's.
    #[error("a rotation begins after 1")]
    From,
    /// The old and the new key are one.
    #[error("the old key and the new one are the same")]
    SameKey,
    /// Not signed by the old key.
    #[error("the old key did not sign the rotation")]
    OldSignature,
    /// Not signed by the new key.
    #[error("the new key did not sign the rotation")]
    NewSignature,
}

/// What both keys sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// The log.
    pub log: Origin,
    /// What the key is for.
    pub role: KeyRole,
    /// Which witness; none for the log's own keys.
    pub name: Option<String>,
    /// The key whose last sequence or size is `from` - 1.
    pub old: PublicKey,
    /// The key that counts from there.
    pub new: PublicKey,
    /// The first sequence (writer) or size (log, witness) of the new key.
    pub from: u64,
}

/// A rotation with both signatures: file, body of a request, and data of `log.key_rotated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRotation {
    /// The log.
    pub log: Origin,
    /// What the key is for.
    pub role: KeyRole,
    /// Which witness; null for the log's own keys.
    #[serde(deserialize_with = "nullable::present")]
    pub name: Option<String>,
    /// The old key, base64 of SPKI DER.
    pub old: PublicKey,
    /// The new key.
    pub new: PublicKey,
    /// The first sequence (writer) or size (log, witness) of the new key.
    pub from: u64,
    /// `<key id> <base64>` by the old key.
    pub old_signature: String,
    /// `<key id> <base64>` by the new key.
    pub new_signature: String,
}

impl KeyRotation {
    /// The bytes that both keys sign.
    pub fn message(&self) -> Vec<u8> {
        let (old, new, from) = (self.old.spki(), self.new.spki(), self.from.to_be_bytes());
        let name = self.name.as_deref().unwrap_or_default();
        let texts = [self.log.as_str(), self.role.name(), name].map(str::as_bytes);
        let fields = texts.into_iter().chain([old.as_slice(), new.as_slice(), from.as_slice()]);
        let mut message = DOMAIN.to_vec();
        for field in fields {
            message.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            message.extend(field);
        }
        message
    }

    /// Signs with both keys, which are those that it names.
    pub fn sign(self, old: &PrivateKey, new: &PrivateKey) -> Result<SignedRotation, RotationError> {
        let message = self.message();
        let signed = SignedRotation {
            old_signature: old.sign_named(&message).to_string(),
            new_signature: new.sign_named(&message).to_string(),
            log: self.log,
            role: self.role,
            name: self.name,
            old: self.old,
            new: self.new,
            from: self.from,
        };
        signed.check()?;
        Ok(signed)
    }

    fn check(&self) -> Result<(), RotationError> {
        let is_named = self.name.as_ref().is_some_and(|name| name.parse::<KeyName>().is_ok());
        if is_named != (self.role == KeyRole::Witness) || is_named != self.name.is_some() {
            return Err(RotationError::Name);
        }
        if self.from < 2 {
            return Err(RotationError::From);
        }
        if self.old == self.new { Err(RotationError::SameKey) } else { Ok(()) }
    }
}

impl SignedRotation {
    /// Parses the exact bytes of a file; believes nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, StrictError> {
        strict::parse_exact(bytes)
    }

    /// The file, indented for people, newline at the end.
    pub fn encode(&self) -> Result<Vec<u8>, StrictError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| StrictError::Json(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What was signed.
    pub fn statement(&self) -> KeyRotation {
        KeyRotation {
            log: self.log.clone(),
            role: self.role,
            name: self.name.clone(),
            old: self.old,
            new: self.new,
            from: self.from,
        }
    }

    /// Whether it is a rotation that both keys signed.
    pub fn check(&self) -> Result<(), RotationError> {
        let statement = self.statement();
        statement.check()?;
        let message = statement.message();
        let is_by = |key: &PublicKey, text: &str| {
            let named = text.parse::<NamedSignature>();
            named.is_ok_and(|named| {
                named.key == key.id() && key.verifies(&message, &named.signature)
            })
        };
        if !is_by(&self.old, &self.old_signature) {
            return Err(RotationError::OldSignature);
        }
        if !is_by(&self.new, &self.new_signature) {
            return Err(RotationError::NewSignature);
        }
        Ok(())
    }
}
