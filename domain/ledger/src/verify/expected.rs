//! What an earlier bundle holds: each of its sequences must be here, with the same hash.

use crate::hash::CommitHash;
use crate::name::Origin;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The hashes of an earlier bundle, by sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub(super) origin: Origin,
    pub(super) hashes: BTreeMap<u64, CommitHash>,
    /// First bad line, if the earlier bundle is itself damaged.
    pub(super) damaged: Option<u64>,
    /// First sequence that the earlier bundle lacks.
    pub(super) incomplete: Option<u64>,
}

impl Expected {
    /// Hashes that the verifier holds from elsewhere: receipts, positions.
    pub fn new(origin: Origin, hashes: BTreeMap<u64, CommitHash>) -> Self {
        Self { origin, hashes, damaged: None, incomplete: None }
    }

    /// The hash at a sequence, asked once.
    pub(super) fn take(&mut self, sequence: u64) -> Option<CommitHash> {
        self.hashes.remove(&sequence)
    }

    /// What was never asked for, as ranges of consecutive sequences.
    pub(super) fn left(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for sequence in self.hashes.keys() {
            match ranges.last_mut() {
                Some((_, last)) if last.saturating_add(1) == *sequence => *last = *sequence,
                _ => ranges.push((*sequence, *sequence)),
            }
        }
        ranges
    }
}
