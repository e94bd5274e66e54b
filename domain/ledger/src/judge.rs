//! Judging many messages of one log, on any number of threads: a writer's key that signs many of them is prepared once.
//!
//! The answer is the strict one for every message by itself ([`trust::prepared`] says why that is not a batch), so that a
//! forged one is found where it is, and every reader finds the same.

use crate::condemn::{Commit, Condemned, Head, Stored, judge_hashed, placed};
use crate::hash::CommitHash;
use crate::identity::LogIdentity;
use crate::signature::{hash_is_signed, hash_is_signed_by};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use trust::keys::{NamedSignature, PublicKey};
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
        judge_hashed(&self.log, stored, hash, &|writer, hash, signature| {
            self.is_signed(writer, hash, signature)
        })
    }

    /// As [`hash_is_signed`].
    fn is_signed(&self, writer: &PublicKey, hash: &CommitHash, signature: &NamedSignature) -> bool {
        let at = self.log.writers.iter().position(|known| known.key == *writer);
        let Some(signer) = at.and_then(|at| self.signers.get(at)) else {
            return hash_is_signed(writer, hash, signature);
        };
        if signer.seen.load(Ordering::Relaxed) < WORTH_A_TABLE {
            signer.seen.fetch_add(1, Ordering::Relaxed);
            return hash_is_signed(writer, hash, signature);
        }
        let prepared = signer.prepared.get_or_init(|| PreparedKey::new(*writer));
        signature.key == writer.id() && hash_is_signed_by(prepared, hash, signature)
    }
}
