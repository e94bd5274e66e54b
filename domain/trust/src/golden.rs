//! The keys of the checked-in golden vectors: public seeds, so nothing that they sign counts for anything.
//!
//! Every list of usable keys in this crate leaves them out; there is no switch.

use crate::keys::PublicKey;

/// Key ids of the seeds that `tests/suite/vectors.rs` and, last, `domain/ledger/vectors` derive.
pub const KEY_IDS: [&str; 7] = [
    "86bc2037689079d0f7deae40a6c1567e14281ce74e945b657d77b0703f3e2243",
    "ab3a7e526f79f14ee01fa1b91c35e2e0a4c0293eca8d8eec5e4ab80a39c8b3db",
    "8f427c33fa604257302ed2b1fe796051c92113b64296b4bb82f2b8e1ce29e08a",
    "0ce7a2ae304c746c5548e3e42e5933f52c7e29ebe11e8f4075d959f1d0472693",
    "fdcb2f30821d715de3b5cc514894bd7d4e3807873eee30528d918878cd7b27e5",
    "d91c3c99b5d8e2b0d72260f5d4a05d82f9a61b64c2352c691d301735c2e34a59",
    "7f00e2e04b69365ff1eb5b23a955d6a7cb0abbe38ef70d2befcf7373cfea1cea",
];

/// Whether the key is one of the golden vectors'.
pub fn is_golden(key: &PublicKey) -> bool {
    let id = key.id().to_string();
    KEY_IDS.contains(&id.as_str())
}
