//! Judging many messages of one log, on any number of threads: a writer's key that signs many of them is prepared once.
//!
//! The answer is the strict one for every message by itself ([`trust::prepared`] says why that is not a batch), so that a
//! forged one is found where it is, and every reader finds the same.

use crate::condemn::{Claimed, Commit, Condemned, Head, Reason, Stored, attested, claimed, placed};
use crate::hash::CommitHash;
use crate::identity::LogIdentity;
use crate::signature::{hash_is_signed, message};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use trust::prepared::PreparedKey;

/// From how many signatures of one key on its table pays.
const WORTH_A_TABLE: u32 = 256;
/// Tables that are kept, each 640 KiB: a log has one writer, and another one after each rotation.
const MOST_TABLES: usize = 8;

/// [`crate::judge`] for one log, at a rate.
#[derive(Debug)]
pub struct Judge {
    log: LogIdentity,
    /// In the order of the log's writers; those beyond the first [`MOST_TABLES`] have none.
    signers: Vec<Signer>,
}

#[derive(Debug, Default)]
struct Signer {
    seen: AtomicU32,
    prepared: OnceLock<PreparedKey>,
}

impl Judge {
    /// Of this log.
    pub fn new(log: LogIdentity) -> Self {
        let signers = log.writers.iter().take(MOST_TABLES).map(|_| Signer::default()).collect();
        Self { log, signers }
    }

    /// The log.
    pub fn log(&self) -> &LogIdentity {
        &self.log
    }

    /// As [`crate::judge`].
    pub fn judge(&self, head: Option<Head>, stored: &Stored<'_>) -> Result<Commit, Condemned> {
        placed(head, stored, self.alone(stored)?)
    }

    /// As [`crate::judge_alone`]: everything but the message's place in its aggregate's chain ([`placed`]).
    pub fn alone(&self, stored: &Stored<'_>) -> Result<Commit, Condemned> {
        self.alone_hashed(stored, CommitHash::of(stored.payload))
    }

    /// The same for whoever has hashed the payload already.
    pub(crate) fn alone_hashed(
        &self,
        stored: &Stored<'_>,
        hash: CommitHash,
    ) -> Result<Commit, Condemned> {
        let signed = claimed(&self.log, stored, &hash).map(|claimed| {
            let is_signed = self.is_signed(&claimed, &hash);
            (claimed, is_signed)
        });
        attested(stored, hash, signed)
    }

    /// [`Self::alone`] of each, in their order, for less than one by one.
    pub fn each_alone(&self, messages: &[Stored<'_>]) -> Vec<Result<Commit, Condemned>> {
        let claims: Vec<_> = messages.iter().map(|stored| self.claim(stored)).collect();
        let mut answers = vec![None; claims.len()];
        for signer in &self.signers {
            let Some(prepared) = signer.prepared.get() else { continue };
            let known = |claimed: &Claimed<'_>| {
                claimed.writer == prepared.key() && claimed.signature.key == prepared.id()
            };
            let theirs: Vec<_> = claims
                .iter()
                .zip(&mut answers)
                .filter_map(|(claim, answer)| {
                    let claimed = claim.claimed.as_ref().ok().filter(|claimed| known(claimed))?;
                    Some((message(&claim.hash), &claimed.signature.signature, answer))
                })
                .collect();
            let signed: Vec<(&[u8], &[u8])> = theirs
                .iter()
                .map(|(message, signature, _)| (message.as_slice(), signature.as_slice()))
                .collect();
            let found = prepared.verifies_each(&signed);
            for ((.., answer), is_signed) in theirs.into_iter().zip(found) {
                *answer = Some(is_signed);
            }
        }
        let judged = claims.into_iter().zip(answers).zip(messages);
        judged
            .map(|((Claim { hash, claimed }, answer), stored)| {
                let signed = claimed.map(|claimed| {
                    let is_signed = answer.unwrap_or_else(|| self.is_signed(&claimed, &hash));
                    (claimed, is_signed)
                });
                attested(stored, hash, signed)
            })
            .collect()
    }

    fn claim(&self, stored: &Stored<'_>) -> Claim<'_> {
        let hash = CommitHash::of(stored.payload);
        Claim { hash, claimed: claimed(&self.log, stored, &hash) }
    }

    /// As [`hash_is_signed`].
    fn is_signed(&self, claimed: &Claimed<'_>, hash: &CommitHash) -> bool {
        let Claimed { writer, signature, .. } = claimed;
        let at = self.log.writers.iter().position(|known| known.key == **writer);
        let Some(signer) = at.and_then(|at| self.signers.get(at)) else {
            return hash_is_signed(writer, hash, signature);
        };
        if signer.seen.load(Ordering::Relaxed) < WORTH_A_TABLE {
            signer.seen.fetch_add(1, Ordering::Relaxed);
            return hash_is_signed(writer, hash, signature);
        }
        let prepared = signer.prepared.get_or_init(|| PreparedKey::new(**writer));
        signature.key == prepared.id() && prepared.verifies(&message(hash), &signature.signature)
    }
}

/// A message by itself, but for its signature.
struct Claim<'a> {
    hash: CommitHash,
    claimed: Result<Claimed<'a>, Reason>,
}
