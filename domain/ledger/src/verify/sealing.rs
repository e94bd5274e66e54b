//! The tree over the lines of a whole log, and the roots that it is compared with on the way.

use super::fault::Fault;
use crate::hash::CommitHash;
use crate::tree::{NodeHash, Tree, TreeHead};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whose checkpoint a root is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Seal {
    /// The one that seals what is verified.
    Own,
    /// One that the verifier kept from another time or another source.
    Kept,
    /// The one beside it, which no key of the policy signed: what it contradicts counts only if a rotation explains it.
    Unbelieved,
}

/// A tree that grows with the lines until the last root is compared, then rests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sealing {
    tree: Tree,
    /// The largest size at which every root that was compared up to there agreed.
    agreed: u64,
    has_differed: bool,
    /// A message is missing or unreadable, so that no later root can be made.
    is_broken: bool,
    wanted: BTreeMap<u64, Vec<(Seal, NodeHash)>>,
    /// What the checkpoint contradicts that is not believed yet.
    held: Vec<Fault>,
}

impl Sealing {
    pub(super) fn new() -> Self {
        Self {
            tree: Tree::empty(),
            agreed: 0,
            has_differed: false,
            is_broken: false,
            wanted: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Asks for a comparison once the tree has that size. A tree without leaves agrees with every log.
    pub(super) fn want(&mut self, head: &TreeHead, seal: Seal) {
        if head.size > 0 {
            self.wanted.entry(head.size).or_default().push((seal, head.root));
        }
    }

    /// A line that nobody can read takes a place in the tree, and nobody can say with which leaf.
    pub(super) fn unreadable(&mut self) {
        self.is_broken = true;
    }

    /// Takes in the next message with its real hash, after gap leaves where the policy names every sequence between.
    pub(super) fn leaf(
        &mut self,
        sequence: u64,
        hash: &CommitHash,
        gaps: &BTreeSet<u64>,
    ) -> Vec<Fault> {
        let mut found = self.fill(sequence, gaps);
        found.extend(self.push(sequence, hash));
        found
    }

    /// The end: gap leaves up to the last wanted size, and what could not be compared.
    pub(super) fn finish(&mut self, gaps: &BTreeSet<u64>) -> Vec<Fault> {
        let end = self.wanted.keys().next_back().copied().unwrap_or_default();
        let mut found = self.fill(end.saturating_add(1), gaps);
        for (size, roots) in std::mem::take(&mut self.wanted) {
            for (seal, _) in roots {
                match seal {
                    Seal::Own => found.push(Fault::RootUnchecked { size }),
                    Seal::Kept => found.push(Fault::KeptUnchecked { size }),
                    Seal::Unbelieved => self.held.push(Fault::RootUnchecked { size }),
                }
            }
        }
        found
    }

    /// After [`Self::finish`]: what the checkpoint that was not believed contradicts.
    pub(super) fn take_held(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.held)
    }

    /// How far a checkpoint says that every message is the one that was sealed. What differs first comes after it.
    pub(super) fn agreed(&self) -> u64 {
        self.agreed
    }

    fn rests(&self) -> bool {
        self.is_broken || self.wanted.is_empty()
    }

    /// Gap leaves for the sequences before `next`, as far as the policy names them one after the other.
    fn fill(&mut self, next: u64, gaps: &BTreeSet<u64>) -> Vec<Fault> {
        let mut found = Vec::new();
        while !self.rests() {
            let sequence = self.tree.size().saturating_add(1);
            if sequence >= next || !gaps.contains(&sequence) {
                break;
            }
            found.extend(self.push(sequence, &CommitHash::ZERO));
        }
        found
    }

    fn push(&mut self, sequence: u64, hash: &CommitHash) -> Vec<Fault> {
        if self.rests() {
            return Vec::new();
        }
        if self.tree.push(sequence, hash).is_err() {
            self.is_broken = true;
            return Vec::new();
        }
        let Some(roots) = self.wanted.remove(&self.tree.size()) else { return Vec::new() };
        let (size, found) = (self.tree.size(), self.tree.root());
        let (unbelieved, believed): (Vec<_>, Vec<_>) =
            roots.into_iter().partition(|(seal, _)| *seal == Seal::Unbelieved);
        let mismatch = |root| Fault::RootMismatch { size, sealed: root, found };
        let differ = unbelieved.into_iter().filter(|(_, root)| *root != found);
        self.held.extend(differ.map(|(_, root)| mismatch(root)));
        if believed.is_empty() {
            return Vec::new();
        }
        let others: Vec<_> = believed.into_iter().filter(|(_, root)| *root != found).collect();
        self.has_differed |= !others.is_empty();
        if !self.has_differed {
            self.agreed = size;
        }
        others
            .into_iter()
            .map(|(seal, root)| match seal {
                Seal::Own | Seal::Unbelieved => Fault::RootMismatch { size, sealed: root, found },
                Seal::Kept => Fault::Fork { size, kept: root, found },
            })
            .collect()
    }
}
