//! Which log this is and who may write to it: the knowledge that a reader brings along, never takes from the log.

use crate::name::{Origin, Slug};
use crate::nullable;
use serde::{Deserialize, Serialize};
use trust::keys::{KeyId, PublicKey};

/// A writer's key and the sequences, both ends included, at which its signatures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// The key; base64 of its SPKI DER.
    #[serde(rename = "spki")]
    pub key: PublicKey,
    /// First sequence, from 1.
    pub from_sequence: u64,
    /// Last sequence; null while the key is in use.
    #[serde(deserialize_with = "nullable::present")]
    pub to_sequence: Option<u64>,
}

impl Writer {
    /// Whether the key may write at this sequence.
    pub fn covers(&self, sequence: u64) -> bool {
        sequence >= self.from_sequence && self.to_sequence.is_none_or(|last| sequence <= last)
    }
}

/// One log as its readers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log's name.
    pub origin: Origin,
    /// The shard in its subjects.
    pub shard: Slug,
    /// Who may write.
    pub writers: Vec<Writer>,
    /// Sequences that are known to be lost.
    pub gaps: Vec<u64>,
}

impl LogIdentity {
    /// Whether this sequence is known to be lost.
    pub fn is_gap(&self, sequence: u64) -> bool {
        self.gaps.contains(&sequence)
    }

    /// The key with this id, if it may write at this sequence.
    pub fn writer_at(&self, key: &KeyId, sequence: u64) -> Option<&PublicKey> {
        writer_at(&self.writers, key, sequence)
    }
}

pub(crate) fn writer_at<'a>(
    writers: &'a [Writer],
    key: &KeyId,
    sequence: u64,
) -> Option<&'a PublicKey> {
    writers
        .iter()
        .find(|writer| writer.covers(sequence) && writer.key.id() == *key)
        .map(|writer| &writer.key)
}
