//! Ed25519 keys: one public key type, one private key type, one key id.
//!
//! Verification is strict (RFC 8032, canonical encodings, no small-order points). A key id is 64 hex digits of
//! SHA-256 of the SPKI DER and always recomputed. Source: PROTOCOL.md, "Keys".

use crate::encoding::{EncodingError, Sha256Digest, from_base64, to_base64};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// SPKI DER of an Ed25519 key is this prefix and the 32 bytes of the point (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key or signature text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an Ed25519 public key in SPKI DER, or a weak point.
    #[error("not an Ed25519 public key (SPKI DER, canonical, not of small order)")]
    Public,
    /// Not an Ed25519 private key in PKCS#8 PEM.
    #[error("not an Ed25519 private key (PKCS#8 PEM)")]
    Private,
    /// Not `<key id> <base64 of 64 bytes>`.
    #[error("not a signature of the form \"<key id> <base64>\"")]
    Signature,
}

impl From<EncodingError> for KeyError {
    fn from(_: EncodingError) -> Self {
        Self::Public
    }
}

/// SHA-256 of a public key's SPKI DER.
pub type KeyId = Sha256Digest;

/// An Ed25519 public key. On the wire: base64 of its SPKI DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From SPKI DER; weak points are refused.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let point = der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::Public)?;
        let point: &[u8; 32] = point.try_into().map_err(|_| KeyError::Public)?;
        let key = VerifyingKey::from_bytes(point).map_err(|_| KeyError::Public)?;
        // from_bytes accepts some non-canonical points; they do not come back as they were written.
        if key.is_weak() || VerifyingKey::to_bytes(&key) != *point || !canonical(point) {
            return Err(KeyError::Public);
        }
        Ok(Self(key))
    }

    /// SPKI DER, 44 bytes.
    pub fn spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), self.0.as_bytes()].concat()
    }

    /// The raw 32 bytes of the point (RFC 8032 section 5.1.2), as C2SP notes hash them.
    pub fn point(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key id, recomputed.
    pub fn id(&self) -> KeyId {
        Sha256Digest::of(&self.spki())
    }

    /// Strict verification of a raw 64-byte signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.0.verify_strict(message, &s).is_ok())
    }
}

/// y < 2^255 - 19, as RFC 8032 section 5.1.3 asks of an encoded point.
fn canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    !(high & 0x7f == 0x7f && middle.iter().all(|b| *b == 0xff) && *low >= 0xed)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64(&self.spki()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_spki(&from_base64(text)?)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::encoding::parsed(deserializer)
    }
}

/// An Ed25519 private key; wiped when dropped, never printed.
#[derive(Clone)]
pub struct PrivateKey {
    key: SigningKey,
    id: KeyId,
}

impl PrivateKey {
    /// From 32 random bytes of the caller's.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(SigningKey::from_bytes(seed))
    }

    /// From PKCS#8 PEM (RFC 5958, RFC 8410).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(Self::of).map_err(|_| KeyError::Private)
    }

    /// As PKCS#8 PEM.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.key
            .to_pkcs8_pem(LineEnding::LF)
            .map(|pem| pem.as_str().to_owned())
            .map_err(|_| KeyError::Private)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// The key id of the public half.
    pub fn id(&self) -> KeyId {
        self.id
    }

    fn of(key: SigningKey) -> Self {
        let id = PublicKey(key.verifying_key()).id();
        Self { key, id }
    }

    /// Raw 64-byte signature (RFC 8032, deterministic).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// Signature with its key id, the form of `Cs-Signature` and of receipts.
    pub fn sign_named(&self, message: &[u8]) -> NamedSignature {
        NamedSignature { key: self.id, signature: self.sign(message) }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.id)
    }
}

/// `<key id> <base64 of the raw signature>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NamedSignature {
    /// Who is said to have signed; the verifying key decides.
    pub key: KeyId,
    /// The raw signature.
    pub signature: [u8; 64],
}

impl fmt::Display for NamedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, to_base64(&self.signature))
    }
}

impl FromStr for NamedSignature {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (key, signature) = text.split_once(' ').ok_or(KeyError::Signature)?;
        let key = key.parse().map_err(|_| KeyError::Signature)?;
        let signature = from_base64(signature).map_err(|_| KeyError::Signature)?;
        let signature = signature.try_into().map_err(|_| KeyError::Signature)?;
        Ok(Self { key, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_texts() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let public: PublicKey = key.public().to_string().parse().unwrap();
        assert_eq!(public, key.public());
        let again = PrivateKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public(), public);
        let named: NamedSignature = key.sign_named(b"m").to_string().parse().unwrap();
        assert!(public.verifies(b"m", &named.signature));
        assert!(!public.verifies(b"n", &named.signature));
    }

    #[test]
    fn a_signature_whose_r_is_of_small_order_is_refused() {
        use ed25519_dalek::Verifier as _;
        let public = PrivateKey::from_seed(&[7; 32]).public();
        // R is the identity, S = H(R, A, M) * a: RFC 8032 without its strictness takes it.
        let signature: [u8; 64] = from_base64(
            "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAANaBStWaQTmxZ2jZrrNq/Dpis1QaV6tcvgwreZSEZKAA==",
        )
        .unwrap()
        .try_into()
        .unwrap();
        let plain = public.0.verify(b"small order R", &Signature::from_bytes(&signature));
        assert!(plain.is_ok());
        assert!(!public.verifies(b"small order R", &signature));
    }

    #[test]
    fn weak_and_uncanonical_points_are_refused() {
        let mut identity = [0_u8; 32];
        identity[0] = 1;
        let mut uncanonical = [0xff_u8; 32];
        uncanonical[0] = 0xee;
        uncanonical[31] = 0x7f;
        for point in [identity, uncanonical] {
            let spki = [SPKI_PREFIX.as_slice(), &point].concat();
            assert_eq!(PublicKey::from_spki(&spki), Err(KeyError::Public));
        }
    }
}
