//! Proofs about a tree, and the line in which a bundle carries one.

use super::{LeafRecord, MAX_TREE_SIZE, NodeHash};
use crate::hash::CommitHash;
use serde::{Deserialize, Serialize};
use trust::strict::{self, StrictError};

/// Longest line of `proofs.ndjson`, bytes: 53 hashes and three numbers need less than 3,000.
pub const MAX_PROOF_LINE_BYTES: usize = 4096;
/// A path has a hash a level, and a consistency proof one more.
const MAX_PATH: usize = 54;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ProofError {
    /// An empty tree, a leaf outside of it, a tree that shrinks, or more leaves than any tree has.
    #[error("the proof is about a leaf or a size that the tree does not have")]
    Bounds,
    /// A hash too many, or one too few.
    #[error("the proof has another length than its sizes ask for")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

impl ProofError {
    /// A stable name for output.
    pub fn code(self) -> &'static str {
        match self {
            Self::Bounds => "proof_bounds",
            Self::Length => "proof_length",
            Self::Root => "proof_root",
        }
    }
}

/// That a tree holds a leaf (RFC 6962 section 2.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inclusion {
    /// The leaf, from 0: its sequence - 1.
    pub leaf_index: u64,
    /// Number of leaves of the tree.
    pub tree_size: u64,
    /// The neighbours on the way up, the lowest first.
    pub path: Vec<NodeHash>,
}

impl Inclusion {
    /// Whether the tree with this root has this leaf at its place.
    pub fn verify(&self, leaf: &NodeHash, root: &NodeHash) -> Result<(), ProofError> {
        if self.leaf_index >= self.tree_size || self.tree_size > MAX_TREE_SIZE {
            return Err(ProofError::Bounds);
        }
        if self.path.len() != inclusion_length(self.leaf_index, self.tree_size) {
            return Err(ProofError::Length);
        }
        let path = foreign(&self.path);
        tlog_tiles::check_record(
            &path,
            self.tree_size,
            root.foreign(),
            self.leaf_index,
            leaf.foreign(),
        )
        .map_err(|_| ProofError::Root)
    }

    /// Whether the tree with this root has this commit at the proof's place. The sequence is part of the leaf, so that
    /// a receipt's commit cannot be proven at another's place.
    pub fn verify_commit(
        &self,
        sequence: u64,
        hash: &CommitHash,
        root: &NodeHash,
    ) -> Result<(), ProofError> {
        if sequence.checked_sub(1) != Some(self.leaf_index) {
            return Err(ProofError::Bounds);
        }
        self.verify(&LeafRecord { sequence, hash: *hash }.node(), root)
    }
}

/// That a tree grew out of an earlier one (RFC 6962 section 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// Leaves of the earlier tree, at least 1: every tree grew out of the empty one, which needs no proof.
    pub from: u64,
    /// Leaves of the later tree, at least `from`.
    pub to: u64,
    /// The hashes; none where both are the same tree.
    pub path: Vec<NodeHash>,
}

impl Consistency {
    /// Whether the tree with root `to` starts with the leaves of the tree with root `from`.
    pub fn verify(&self, from: &NodeHash, to: &NodeHash) -> Result<(), ProofError> {
        if self.from == 0 || self.from > self.to || self.to > MAX_TREE_SIZE {
            return Err(ProofError::Bounds);
        }
        if self.path.len() != consistency_length(self.from, self.to) {
            return Err(ProofError::Length);
        }
        let path = foreign(&self.path);
        tlog_tiles::check_tree(&path, self.to, to.foreign(), self.from, from.foreign())
            .map_err(|_| ProofError::Root)
    }
}

fn foreign(path: &[NodeHash]) -> Vec<tlog_tiles::Hash> {
    path.iter().map(|hash| hash.foreign()).collect()
}

/// Hashes in the path of a leaf: one for each level at which it has a neighbour.
fn inclusion_length(leaf_index: u64, size: u64) -> usize {
    let last = size.saturating_sub(1);
    // Below the level where the leaf and the last one meet it has a neighbour each time; above, wherever the last
    // leaf's way has a full subtree to its left.
    let inner = u64::BITS.saturating_sub((leaf_index ^ last).leading_zeros());
    let border = last.checked_shr(inner).unwrap_or_default().count_ones();
    usize::try_from(inner.saturating_add(border)).unwrap_or(MAX_PATH)
}

fn consistency_length(from: u64, to: u64) -> usize {
    if from == to {
        return 0;
    }
    // From the largest full subtree at the end of the earlier tree upwards, the way is that of its last leaf; unless
    // that subtree is the whole earlier tree, its own hash comes first.
    let level = from.trailing_zeros();
    let way = inclusion_length(
        (from.saturating_sub(1)) >> level,
        (to.saturating_sub(1) >> level).saturating_add(1),
    );
    way.saturating_add(usize::from(!from.is_power_of_two()))
}

/// Why a line of `proofs.ndjson` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ProofLineError {
    /// It does not end with a newline.
    #[error("it does not end with a newline")]
    NoNewline,
    /// Longer than [`MAX_PROOF_LINE_BYTES`].
    #[error("it is longer than any proof can be")]
    TooLong,
    /// Not strict JSON with exactly the members of a proof.
    #[error("it is not a proof's JSON")]
    Malformed(#[source] StrictError),
    /// `leaf_index` is not `sequence` - 1, or lies outside of the tree.
    #[error("its leaf_index is not the place of its sequence in a tree of its tree_size")]
    Place,
    /// The same content in another spelling.
    #[error("it is not spelled as the format spells it")]
    Spelling,
}

/// A line of `proofs.ndjson`: the inclusion proof of one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofLine {
    /// The proof.
    pub inclusion: Inclusion,
}

/// The members as they are spelled.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    sequence: u64,
    leaf_index: u64,
    tree_size: u64,
    path: Vec<NodeHash>,
}

impl ProofLine {
    /// The sequence whose leaf is proven.
    pub fn sequence(&self) -> u64 {
        self.inclusion.leaf_index.saturating_add(1)
    }

    /// The exact bytes of the line, newline included.
    pub fn encode(&self) -> Result<Vec<u8>, ProofLineError> {
        let Inclusion { leaf_index, tree_size, path } = &self.inclusion;
        let members = Members {
            sequence: self.sequence(),
            leaf_index: *leaf_index,
            tree_size: *tree_size,
            path: path.clone(),
        };
        let mut bytes = serde_json::to_vec(&members)
            .map_err(|error| ProofLineError::Malformed(StrictError::Json(error.to_string())))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Parses the exact bytes of one line, newline included. Whether the proof holds is another question.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofLineError> {
        if bytes.len() > MAX_PROOF_LINE_BYTES {
            return Err(ProofLineError::TooLong);
        }
        let text = bytes.strip_suffix(b"\n").ok_or(ProofLineError::NoNewline)?;
        let members: Members = strict::parse(text).map_err(ProofLineError::Malformed)?;
        let Members { sequence, leaf_index, tree_size, path } = members;
        let is_inside = leaf_index < tree_size && tree_size <= MAX_TREE_SIZE;
        if sequence.checked_sub(1) != Some(leaf_index) || !is_inside {
            return Err(ProofLineError::Place);
        }
        let line = Self { inclusion: Inclusion { leaf_index, tree_size, path } };
        if line.encode()? == bytes { Ok(line) } else { Err(ProofLineError::Spelling) }
    }
}
