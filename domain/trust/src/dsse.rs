//! DSSE envelopes: exact payload bytes, their type, and signatures over both.
//!
//! A key id in a signature is a hint; who signed is decided by the key that verifies. Signatures that are unknown,
//! broken or of a kind that is not built are ignored, never counted. Source: DSSE v1.0.2, PROTOCOL.md section 3.

use crate::encoding::{Sha256Digest, as_base64, or_null};
use crate::keys::{PrivateKey, PublicKey};
use crate::statement::{Statement, StatementError};
use crate::strict::{self, StrictError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest envelope, in bytes of JSON.
pub const MAX_ENVELOPE_BYTES: usize = 1 << 20;
/// Most signatures on one envelope.
pub const MAX_SIGNATURES: usize = 64;

/// Why bytes are not an envelope, or two envelopes are not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than [`MAX_ENVELOPE_BYTES`].
    #[error("the envelope is longer than 1 MiB")]
    TooLong,
    /// More than [`MAX_SIGNATURES`].
    #[error("the envelope has more than 64 signatures")]
    TooManySignatures,
    /// Not strict JSON with exactly an envelope's members.
    #[error("the envelope is not in strict form")]
    Form(#[from] StrictError),
    /// The signatures are over another payload.
    #[error("the signatures are over another payload")]
    OtherPayload,
}

/// A payload, its type, and signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The full payload type.
    #[serde(rename = "payloadType")]
    payload_type: String,
    #[serde(with = "as_base64")]
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Which key is said to have signed.
    pub keyid: String,
    /// The raw signature.
    #[serde(with = "as_base64")]
    pub sig: Vec<u8>,
    /// DER certificates, leaf first, where the key is certified.
    #[serde(deserialize_with = "or_null")]
    pub x5c: Option<Vec<Certificate>>,
    /// What the browser signed, for a passkey.
    #[serde(deserialize_with = "or_null")]
    pub webauthn: Option<Webauthn>,
}

/// A DER certificate; base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Certificate(#[serde(with = "as_base64")] pub Vec<u8>);

/// What a passkey's signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webauthn {
    /// The authenticator's data.
    #[serde(with = "as_base64")]
    pub authenticator_data: Vec<u8>,
    /// The browser's JSON.
    #[serde(with = "as_base64")]
    pub client_data_json: Vec<u8>,
}

/// The bytes that are signed: `DSSEv1 <len> <type> <len> <payload>`, lengths in bytes, decimal.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope around a statement, as yet without signatures.
    pub fn around<S: Statement>(statement: &S) -> Result<Self, StatementError> {
        let payload = statement.to_payload()?;
        Ok(Self { payload_type: S::PAYLOAD_TYPE.to_owned(), payload, signatures: Vec::new() })
    }

    /// An envelope around exact bytes, such as a manifest that was fixed earlier.
    pub fn around_payload(payload_type: &str, payload: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload, signatures: Vec::new() }
    }

    /// Reads the JSON of an envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLong);
        }
        let envelope: Self = strict::parse_exact(bytes)?;
        envelope.check_size()?;
        Ok(envelope)
    }

    /// The JSON of the envelope.
    pub fn to_json(&self) -> Result<Vec<u8>, EnvelopeError> {
        self.check_size()?;
        Ok(serde_json::to_vec(self).map_err(|error| StrictError::Shape(error.to_string()))?)
    }

    /// Holds an envelope inside a message to the same limits as one that stands alone.
    pub fn check_size(&self) -> Result<(), EnvelopeError> {
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::TooManySignatures);
        }
        let json =
            serde_json::to_vec(self).map_err(|error| StrictError::Shape(error.to_string()))?;
        if json.len() > MAX_ENVELOPE_BYTES { Err(EnvelopeError::TooLong) } else { Ok(()) }
    }

    /// The full payload type.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The exact payload bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// SHA-256 of the payload: what other statements name it by.
    pub fn payload_sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&self.payload)
    }

    /// The signatures, as they came.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The bytes that every signature covers.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// Adds a signature by this key.
    #[must_use]
    pub fn sign_ed25519(mut self, key: &PrivateKey) -> Self {
        let sig = key.sign(&self.pae()).to_vec();
        let keyid = key.id().to_string();
        self.signatures.push(Signature { keyid, sig, x5c: None, webauthn: None });
        self
    }

    /// Adds a signature that was made elsewhere over [`Envelope::pae`].
    #[must_use]
    pub fn with_signature(mut self, signature: Signature) -> Self {
        self.signatures.push(signature);
        self
    }

    /// Adds the signatures of another envelope around the same payload; those already here are not doubled.
    pub fn with_signatures_of(mut self, other: &Self) -> Result<Self, EnvelopeError> {
        if self.payload_type != other.payload_type || self.payload != other.payload {
            return Err(EnvelopeError::OtherPayload);
        }
        for signature in &other.signatures {
            if !self.signatures.contains(signature) {
                self.signatures.push(signature.clone());
            }
        }
        self.check_size()?;
        Ok(self)
    }

    /// Which of these keys signed.
    pub fn verified_by<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> BTreeSet<PublicKey> {
        let message = self.pae();
        let plain: Vec<&Signature> =
            self.signatures.iter().filter(|s| s.webauthn.is_none() && s.x5c.is_none()).collect();
        let mut verified = BTreeSet::new();
        for key in keys {
            let id = key.id().to_string();
            // The hinted signature first: the common case costs one verification for each key.
            let (hinted, others): (Vec<&Signature>, Vec<&Signature>) =
                plain.iter().partition(|s| s.keyid == id);
            if hinted.iter().chain(&others).any(|s| key.verifies(&message, &s.sig)) {
                verified.insert(*key);
            }
        }
        verified
    }

    /// Reads the payload as a statement; says nothing about who signed.
    pub fn read<S: Statement>(&self) -> Result<S, StatementError> {
        if self.payload_type != S::PAYLOAD_TYPE {
            return Err(StatementError::PayloadType {
                expected: S::PAYLOAD_TYPE,
                found: self.payload_type.clone(),
            });
        }
        S::parse(&self.payload)
    }
}

/// An envelope together with the statement read from its payload. The form holds; signatures are not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<S> {
    envelope: Envelope,
    statement: S,
}

impl<S: Statement> Parsed<S> {
    /// Reads the statement of an envelope.
    pub fn from_envelope(envelope: Envelope) -> Result<Self, StatementError> {
        let statement = envelope.read()?;
        Ok(Self { envelope, statement })
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The statement.
    pub fn statement(&self) -> &S {
        &self.statement
    }

    /// SHA-256 of the payload.
    pub fn sha256(&self) -> Sha256Digest {
        self.envelope.payload_sha256()
    }
}
