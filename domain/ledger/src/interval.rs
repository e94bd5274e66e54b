//! At which sizes of the tree a log's or a witness's key counts. A rotation ends one interval and begins the next; a
//! revocation ends one at the last size that is trusted.

use crate::nullable;
use serde::{Deserialize, Serialize};
use trust::keys::PublicKey;

/// Sizes of a tree, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The first.
    pub from: u64,
    /// The last; none while the key is in use.
    pub to: Option<u64>,
}

impl Sizes {
    /// Every size.
    pub const ALL: Self = Self { from: 0, to: None };

    /// Whether a key counts at this size.
    pub fn covers(&self, size: u64) -> bool {
        size >= self.from && self.to.is_none_or(|last| size <= last)
    }

    /// Whether it holds any size.
    pub fn is_empty(&self) -> bool {
        self.to.is_some_and(|last| last < self.from)
    }

    /// Whether `other` begins within this interval and does not outlast it: no rotation leaves that. Two intervals of
    /// one beginning are two keys side by side.
    pub(crate) fn swallows(&self, other: &Self) -> bool {
        let begins_within = other.from > self.from && self.covers(other.from);
        let outlasts = match (self.to, other.to) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(last), Some(others)) => others > last,
        };
        begins_within && !outlasts
    }
}

/// A key that signs a log's checkpoints, and the sizes of those that it may sign. In a policy file a key for every
/// size is its text alone, any other an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "LogKeyForm", into = "LogKeyForm")]
pub struct LogKey {
    /// The key.
    pub key: PublicKey,
    /// When it counts.
    pub sizes: Sizes,
}

impl From<PublicKey> for LogKey {
    fn from(key: PublicKey) -> Self {
        Self { key, sizes: Sizes::ALL }
    }
}

/// The spelling of a [`LogKey`]. The strict parser refuses an object that says no more than the text would.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LogKeyForm {
    Always(PublicKey),
    Within {
        spki: PublicKey,
        from_size: u64,
        #[serde(deserialize_with = "nullable::present")]
        to_size: Option<u64>,
    },
}

impl From<LogKeyForm> for LogKey {
    fn from(form: LogKeyForm) -> Self {
        match form {
            LogKeyForm::Always(key) => Self::from(key),
            LogKeyForm::Within { spki, from_size, to_size } => {
                Self { key: spki, sizes: Sizes { from: from_size, to: to_size } }
            }
        }
    }
}

impl From<LogKey> for LogKeyForm {
    fn from(LogKey { key, sizes }: LogKey) -> Self {
        match sizes {
            Sizes::ALL => Self::Always(key),
            Sizes { from, to } => Self::Within { spki: key, from_size: from, to_size: to },
        }
    }
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WitnessForm", into = "WitnessForm")]
pub struct Witness {
    /// Its name. A witness that rotates its key keeps it.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// When it counts.
    pub sizes: Sizes,
}

impl Witness {
    /// A witness whose key counts at every size.
    pub fn always(name: impl Into<String>, key: PublicKey) -> Self {
        Self { name: name.into(), key, sizes: Sizes::ALL }
    }
}

/// The spelling of a [`Witness`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WitnessForm {
    Within {
        name: String,
        spki: PublicKey,
        from_size: u64,
        #[serde(deserialize_with = "nullable::present")]
        to_size: Option<u64>,
    },
    Always {
        name: String,
        spki: PublicKey,
    },
}

impl From<WitnessForm> for Witness {
    fn from(form: WitnessForm) -> Self {
        match form {
            WitnessForm::Always { name, spki } => Self::always(name, spki),
            WitnessForm::Within { name, spki, from_size, to_size } => {
                Self { name, key: spki, sizes: Sizes { from: from_size, to: to_size } }
            }
        }
    }
}

impl From<Witness> for WitnessForm {
    fn from(Witness { name, key, sizes }: Witness) -> Self {
        match sizes {
            Sizes::ALL => Self::Always { name, spki: key },
            Sizes { from, to } => Self::Within { name, spki: key, from_size: from, to_size: to },
        }
    }
}
