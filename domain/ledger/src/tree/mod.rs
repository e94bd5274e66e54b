//! The Merkle tree over the log: what a leaf is, how leaves become a root, and proofs about both.
//!
//! A leaf record is `u64 big-endian sequence || 32-byte h`; hashing is RFC 6962 with SHA-256; the leaf of sequence `n`
//! has index `n - 1`. Condemned messages are leaves with their real `h`; a lost sequence is a leaf whose `h` is 32 zero
//! bytes. So a root fixes every sequence, which the commits' own chains do not. Source: PROTOCOL.md section 1, "Tree".
//!
//! The tree is stored as C2SP tlog-tiles ([`TilePath`]): [`Tree`] grows it with memory for its right edge only, and
//! [`inclusion_proof`] and [`consistency_proof`] read it again. Nothing that was read is believed: a finished proof is
//! checked against the root before it is handed out. The arithmetic is `tlog_tiles`'; its `TileHashReader` is not
//! used, because it skips the check of some tiles (`tests/tree.rs` shows which).

mod edge;
mod growth;
mod proof;
mod prover;
mod tile;

pub use growth::{StoredTile, Tree, TreeError};
pub use proof::{
    Consistency, Inclusion, MAX_PROOF_LINE_BYTES, ProofError, ProofLine, ProofLineError,
};
pub use prover::{
    TileError, TileMissing, TileReader, consistency_proof, consistency_tiles, inclusion_proof,
    inclusion_tiles,
};
pub use tile::{EntriesError, Layer, TILE_WIDTH, TilePath, TilePathError, read_entries};

use crate::hash::CommitHash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use trust::encoding::{from_base64, to_base64};

/// Largest number of leaves: the integers of our JSON end below 2^53.
pub const MAX_TREE_SIZE: u64 = (1 << 53) - 1;
/// Bytes of a leaf record.
pub const LEAF_RECORD_BYTES: usize = 40;
/// Bytes of a hash in a tile.
pub const NODE_BYTES: usize = 32;

/// Not the base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the canonical base64 of 32 bytes")]
pub struct NodeHashError;

/// A hash of the tree: of a leaf, of two nodes, or of the whole. Written as padded base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeHash([u8; 32]);

impl NodeHash {
    /// The root of a tree without leaves (RFC 6962 section 2.1): SHA-256 of nothing.
    pub const EMPTY: Self = Self(tlog_tiles::EMPTY_HASH.0);

    /// From the raw 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The node above two nodes.
    #[must_use]
    pub fn above(left: &Self, right: &Self) -> Self {
        Self(tlog_tiles::node_hash(left.foreign(), right.foreign()).0)
    }

    fn foreign(self) -> tlog_tiles::Hash {
        tlog_tiles::Hash(self.0)
    }
}

impl fmt::Display for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64(&self.0))
    }
}

impl fmt::Debug for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeHash {
    type Err = NodeHashError;

    fn from_str(text: &str) -> Result<Self, NodeHashError> {
        let bytes = from_base64(text).map_err(|_| NodeHashError)?;
        bytes.try_into().map(Self).map_err(|_| NodeHashError)
    }
}

impl Serialize for NodeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        trust::encoding::parsed(deserializer)
    }
}

/// What the log says about one sequence: which message is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafRecord {
    /// Stream sequence, from 1.
    pub sequence: u64,
    /// Real `h` of the message there, good or condemned; [`CommitHash::ZERO`] where the message is lost.
    pub hash: CommitHash,
}

impl LeafRecord {
    /// The leaf of a lost sequence.
    pub fn gap(sequence: u64) -> Self {
        Self { sequence, hash: CommitHash::ZERO }
    }

    /// `u64 big-endian sequence || h`.
    pub fn to_bytes(&self) -> [u8; LEAF_RECORD_BYTES] {
        let mut bytes = [0; LEAF_RECORD_BYTES];
        let (sequence, hash) = bytes.split_at_mut(8);
        sequence.copy_from_slice(&self.sequence.to_be_bytes());
        hash.copy_from_slice(self.hash.as_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; any 40 bytes are a record.
    pub fn from_bytes(bytes: &[u8; LEAF_RECORD_BYTES]) -> Self {
        let mut sequence = [0; 8];
        let mut hash = [0; 32];
        let (first, rest) = bytes.split_at(8);
        sequence.copy_from_slice(first);
        hash.copy_from_slice(rest);
        Self { sequence: u64::from_be_bytes(sequence), hash: CommitHash::from_bytes(hash) }
    }

    /// The leaf's hash in the tree.
    pub fn node(&self) -> NodeHash {
        NodeHash(tlog_tiles::record_hash(&self.to_bytes()).0)
    }
}

/// The hash in the tree of the leaf of this sequence.
pub fn leaf_hash(sequence: u64, hash: &CommitHash) -> NodeHash {
    LeafRecord { sequence, hash: *hash }.node()
}

/// How large a tree is and what its root is: what a checkpoint signs beside the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHead {
    /// Number of leaves, which is the last sequence.
    pub size: u64,
    /// The root.
    pub root: NodeHash,
}
