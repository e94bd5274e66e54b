//! Writers' signatures at a rate: a key that signs many lines is prepared once.
//!
//! The answer is the strict one for every line by itself ([`trust::prepared`] says why that is not a batch), so that a
//! forged line is found where it is, and every verifier finds the same.

use crate::hash::CommitHash;
use crate::signature::{hash_is_signed, hash_is_signed_by};
use std::collections::BTreeMap;
use std::sync::Arc;
use trust::keys::{KeyId, NamedSignature, PublicKey};
use trust::prepared::PreparedKey;

/// From how many signatures of one key on its table pays.
const WORTH_A_TABLE: u32 = 256;
/// Tables that are kept, each 640 KiB: a log has one writer, and another one after each rotation.
const MOST_TABLES: usize = 8;

/// The keys that have signed lines so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Signers {
    seen: BTreeMap<KeyId, u32>,
    prepared: BTreeMap<KeyId, Arc<PreparedKey>>,
}

impl Signers {
    /// As [`hash_is_signed`].
    pub(super) fn is_signed(
        &mut self,
        writer: &PublicKey,
        hash: &CommitHash,
        signature: &NamedSignature,
    ) -> bool {
        let id = writer.id();
        if signature.key != id {
            return false;
        }
        if let Some(prepared) = self.prepared.get(&id).filter(|known| known.key() == writer) {
            return hash_is_signed_by(prepared, hash, signature);
        }
        let seen = self.seen.entry(id).or_default();
        *seen = seen.saturating_add(1);
        if *seen >= WORTH_A_TABLE && self.prepared.len() < MOST_TABLES {
            self.prepared.insert(id, Arc::new(PreparedKey::new(*writer)));
        }
        hash_is_signed(writer, hash, signature)
    }
}
