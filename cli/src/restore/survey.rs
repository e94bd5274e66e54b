//! The whole archive, verified before anything is touched: every line in its place, the root of every checkpoint that is
//! known, and the chains by which a longer stream is judged.

use super::error::RestoreError;
use super::told::{Place, Volume};
use crate::audit::Progress;
use ledger::{
    CheckpointNote, Commit, CommitHash, Condemned, Head, LogIdentity, Stored, Tree, TreeHead, judge,
};
use std::collections::{BTreeMap, BTreeSet};

/// The ends of all chains.
#[derive(Debug)]
pub struct Chains {
    identity: LogIdentity,
    heads: BTreeMap<String, Head>,
}

impl Chains {
    /// None yet.
    pub fn of(identity: LogIdentity) -> Self {
        Self { identity, heads: BTreeMap::new() }
    }

    /// Takes in the next message.
    pub fn take_in(&mut self, stored: &Stored<'_>) -> Result<Commit, Condemned> {
        let commit = judge(&self.identity, self.heads.get(stored.subject).copied(), stored)?;
        let head = Head { version: commit.envelope.version, hash: commit.hash };
        self.heads.insert(stored.subject.to_owned(), head);
        Ok(commit)
    }
}

/// A checkpoint that the archive has to give, and where it was found.
#[derive(Debug, Clone)]
pub struct Known {
    /// The checkpoint.
    pub note: CheckpointNote,
    /// Where.
    pub place: &'static str,
}

/// What the archive holds.
#[derive(Debug)]
pub struct Survey {
    /// The tree under the largest checkpoint.
    pub sealed: TreeHead,
    /// The last sequence that is restored; beyond the seal what is in its chains' order.
    pub end: u64,
    /// Messages that are no commits, and were sealed so.
    pub condemned: BTreeSet<u64>,
    /// Sequences that are lost.
    pub lost: u64,
    /// Where all chains stand at the end.
    pub chains: Chains,
}

/// Reads it all. Every checkpoint in `known` has to be a past of the largest.
///
/// A root covers sequence and payload of a message, not its subject, hash and signature. So one that is no commit is
/// refused, unless somebody who knows the log has named it.
pub async fn survey(
    volume: &Volume,
    identity: LogIdentity,
    (known, named): (&[Known], &BTreeSet<u64>),
    mut progress: Progress<'_>,
) -> Result<Survey, RestoreError> {
    let mut tree = Tree::empty();
    let (mut chains, mut condemned, mut lost) = (Chains::of(identity), BTreeSet::new(), 0);
    let mut sealed = tree.head();
    let mut told = volume.after(0);
    while let Some(place) = told.next().await? {
        let sequence = place.sequence();
        let hash = match &place {
            Place::Lost(_) => {
                lost += 1;
                CommitHash::ZERO
            }
            Place::Message(line) => {
                if let Err(refused) = chains.take_in(&line.stored()) {
                    if sequence > volume.sealed {
                        // Nobody can tell what the log took in from what somebody put into the archive.
                        break;
                    }
                    if !named.contains(&sequence) {
                        let reason = refused.reason.code();
                        return Err(RestoreError::Condemned { sequence, reason });
                    }
                    condemned.insert(sequence);
                }
                CommitHash::of(&line.payload)
            }
        };
        let damaged = |_| RestoreError::Damaged { sequence };
        tree.push(sequence, &hash).map_err(damaged)?;
        for Known { note, place } in known.iter().filter(|it| it.note.claim().size == sequence) {
            if note.claim().root != tree.root() {
                return Err(RestoreError::Root { size: sequence, place });
            }
        }
        if sequence == volume.sealed {
            sealed = tree.head();
        }
        progress.step();
    }
    Ok(Survey { sealed, end: tree.size(), condemned, lost, chains })
}
