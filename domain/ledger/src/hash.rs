//! The two BLAKE3 digests of a commit: the chain's hash and the digest of the request behind it.
//!
//! Both are written `blake3:<64 lower-case hex>`. Source: PROTOCOL.md section 1, "Commit".

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Domain separation of commit hashes from every other use of BLAKE3.
const COMMIT_CONTEXT: &str = "countersign.dev/commit/v1";
const PREFIX: &str = "blake3:";

/// Not `blake3:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not \"blake3:\" and 64 lower-case hexadecimal digits")]
pub struct HashTextError;

/// `h` of a commit: BLAKE3 `derive_key` over the exact payload bytes. Links the chain, is signed by the writer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitHash([u8; 32]);

impl CommitHash {
    /// The `prev` of an aggregate's version 1.
    pub const ZERO: Self = Self([0; 32]);

    /// `h` of these exact payload bytes.
    pub fn of(payload: &[u8]) -> Self {
        Self(blake3::derive_key(COMMIT_CONTEXT, payload))
    }
}

/// Plain BLAKE3 of the exact request body that a command came in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestDigest([u8; 32]);

impl RequestDigest {
    /// The digest of these exact body bytes.
    pub fn of(body: &[u8]) -> Self {
        Self(*blake3::hash(body).as_bytes())
    }
}

macro_rules! blake3_text {
    ($type:ty) => {
        impl $type {
            /// From the raw 32 bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PREFIX)?;
                trust::encoding::write_lower_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = HashTextError;

            fn from_str(text: &str) -> Result<Self, HashTextError> {
                text.strip_prefix(PREFIX)
                    .and_then(trust::encoding::lower_hex_32)
                    .map(Self)
                    .ok_or(HashTextError)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                trust::encoding::parsed(deserializer)
            }
        }
    };
}

blake3_text!(CommitHash);
blake3_text!(RequestDigest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = CommitHash::of(b"payload");
        let text = hash.to_string();
        assert_eq!(text.parse::<CommitHash>(), Ok(hash));
        for wrong in [
            text.to_uppercase(),
            text.replace(PREFIX, ""),
            text.replace(PREFIX, "sha256:"),
            format!("{text}0"),
            format!("{text} "),
        ] {
            assert_eq!(wrong.parse::<CommitHash>(), Err(HashTextError), "{wrong}");
        }
    }

    #[test]
    fn a_commit_hash_is_not_a_plain_blake3() {
        assert_ne!(CommitHash::of(b"same").as_bytes(), RequestDigest::of(b"same").as_bytes());
    }
}
