//! Inclusion proofs of lines, matched by sequence, in bounded memory.

use super::fault::Fault;
use crate::hash::CommitHash;
use crate::tree::{Inclusion, ProofError, ProofLine, TreeHead};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many proofs may wait for their line: they come in the order of the lines, so that one is enough for an honest
/// bundle.
const WAITING: usize = 1_024;

/// Proofs whose line has not come yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Proofs {
    head: TreeHead,
    /// Whether a line without a proof is a finding.
    is_required: bool,
    waiting: BTreeMap<u64, Inclusion>,
    lines: u64,
}

impl Proofs {
    pub(super) fn new(head: TreeHead, is_required: bool) -> Self {
        Self { head, is_required, waiting: BTreeMap::new(), lines: 0 }
    }

    /// Takes in the next line of `proofs.ndjson`, newline included; what is wrong with it, and at which sequence.
    pub(super) fn take_in(&mut self, bytes: &[u8]) -> Option<(Option<u64>, Fault)> {
        self.lines = self.lines.saturating_add(1);
        let proof = match ProofLine::parse(bytes) {
            Ok(proof) => proof,
            Err(source) => return Some((None, Fault::ProofDamaged { line: self.lines, source })),
        };
        let sequence = proof.sequence();
        if self.waiting.len() >= WAITING {
            return Some((Some(sequence), Fault::ProofUnused));
        }
        let replaced = self.waiting.insert(sequence, proof.inclusion);
        replaced.map(|_| (Some(sequence), Fault::ProofUnused))
    }

    /// Whether the message with this real hash is sealed at this sequence.
    pub(super) fn check(&mut self, sequence: u64, hash: &CommitHash) -> Option<Fault> {
        let Some(proof) = self.waiting.remove(&sequence) else {
            return self.is_required.then_some(Fault::Unproven);
        };
        if proof.tree_size != self.head.size {
            return Some(Fault::ProofWrong(ProofError::Bounds));
        }
        proof.verify_commit(sequence, hash, &self.head.root).err().map(Fault::ProofWrong)
    }

    /// The sequences of proofs whose line never came.
    pub(super) fn unused(&self) -> impl Iterator<Item = u64> {
        self.waiting.keys().copied()
    }
}
