//! Values about people, which erasure can make unreadable without touching a hash.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value about a person: in clear, or sealed under a key whose destruction erases it.
///
/// Source: PROTOCOL.md section 1, `x-personal`. Nothing seals yet; readers know both forms from the first day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-personal" = true))]
pub enum Personal {
    /// The value itself.
    Clear(String),
    /// The value under a key.
    Sealed {
        /// The sealed value.
        #[serde(rename = "$sealed")]
        sealed: Sealed,
    },
}

/// A value encrypted under a key that can be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// Key id.
    pub key: String,
    /// Algorithm name.
    pub alg: String,
    /// Base64.
    pub nonce: String,
    /// Base64.
    pub ciphertext: String,
}

impl Personal {
    /// What may be shown.
    pub fn shown(&self) -> &str {
        match self {
            Self::Clear(text) => text,
            Self::Sealed { .. } => "(erased)",
        }
    }
}

impl From<&str> for Personal {
    fn from(text: &str) -> Self {
        Self::Clear(text.to_owned())
    }
}
