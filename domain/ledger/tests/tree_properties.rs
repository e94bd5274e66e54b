//! Properties of the tree for any size: nothing changed is believed, and two logs agree exactly as far as they do.

mod workbench;

use countersign_ledger::tree::{consistency_proof, inclusion_proof};
use countersign_ledger::{CommitHash, NodeHash, leaf_hash};
use proptest::prelude::*;
use std::sync::OnceLock;
use workbench::tiles::{Tiles, grown, grown_with, hash};

/// Grown once: most of a property's time would go into it.
fn log() -> &'static (Vec<countersign_ledger::TreeHead>, Tiles) {
    static GROWN: OnceLock<(Vec<countersign_ledger::TreeHead>, Tiles)> = OnceLock::new();
    GROWN.get_or_init(|| grown(600).unwrap_or_default())
}

fn flipped(hash: &NodeHash, bit: usize) -> NodeHash {
    let mut bytes = *hash.as_bytes();
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    NodeHash::from_bytes(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_changed_bit_of_an_inclusion_is_believed(
        size in 1..=600_usize, index: prop::sample::Index, at: prop::sample::Index, bit in 0..256_usize,
    ) {
        let (heads, tiles) = log();
        let index = u64::try_from(index.index(size)).unwrap();
        let (leaf, proof) = inclusion_proof(index, &heads[size], tiles).unwrap();
        let root = heads[size].root;
        prop_assert!(proof.verify(&flipped(&leaf, bit), &root).is_err());
        prop_assert!(proof.verify(&leaf, &flipped(&root, bit)).is_err());
        prop_assert!(proof.verify_commit(index + 1, &CommitHash::of(b"other"), &root).is_err());
        if !proof.path.is_empty() {
            let mut spoilt = proof.clone();
            let at = at.index(proof.path.len());
            spoilt.path[at] = flipped(&proof.path[at], bit);
            prop_assert!(spoilt.verify(&leaf, &root).is_err());
            spoilt.path.remove(at);
            prop_assert!(spoilt.verify(&leaf, &root).is_err());
        }
        let mut longer = proof.clone();
        longer.path.push(root);
        prop_assert!(longer.verify(&leaf, &root).is_err());
        // The same path does not prove the same leaf at another place.
        for other in [index.wrapping_sub(1), index + 1] {
            let mut moved = proof.clone();
            moved.leaf_index = other;
            prop_assert!(moved.verify(&leaf, &root).is_err());
        }
    }

    #[test]
    fn every_prefix_is_consistent_with_the_whole_and_no_changed_bit_is_believed(
        size in 1..=600_usize, from: prop::sample::Index, at: prop::sample::Index, bit in 0..256_usize,
    ) {
        let (heads, tiles) = log();
        let from = from.index(size) + 1;
        let (past, proof) =
            consistency_proof(u64::try_from(from).unwrap(), &heads[size], tiles).unwrap();
        let (earlier, later) = (heads[from].root, heads[size].root);
        prop_assert_eq!(past, heads[from]);
        prop_assert_eq!(proof.verify(&earlier, &later), Ok(()));
        prop_assert!(proof.verify(&flipped(&earlier, bit), &later).is_err());
        prop_assert!(proof.verify(&earlier, &flipped(&later, bit)).is_err());
        if !proof.path.is_empty() {
            let mut spoilt = proof.clone();
            let at = at.index(proof.path.len());
            spoilt.path[at] = flipped(&proof.path[at], bit);
            prop_assert!(spoilt.verify(&earlier, &later).is_err());
        }
        let mut longer = proof.clone();
        longer.path.push(later);
        prop_assert!(longer.verify(&earlier, &later).is_err());
    }

    #[test]
    fn any_two_leaves_differ(one in 1..1_u64 << 53, other in 1..1_u64 << 53, h: [u8; 32], g: [u8; 32]) {
        let leaf = |sequence, hash| leaf_hash(sequence, &CommitHash::from_bytes(hash));
        prop_assert_eq!(leaf(one, h) == leaf(other, g), (one, h) == (other, g));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn two_logs_agree_exactly_as_far_as_they_share_their_leaves(size in 2..=600_usize, shared: prop::sample::Index) {
        let shared = shared.index(size);
        let (heads, tiles) = log();
        let first_other = u64::try_from(shared).unwrap() + 1;
        let leaf = |n: u64| if n == first_other { CommitHash::of(b"other") } else { hash(n) };
        let (others, _) = grown_with(u64::try_from(size).unwrap(), leaf).unwrap();
        for from in 1..=size {
            let proof = consistency_proof(u64::try_from(from).unwrap(), &heads[size], tiles).unwrap().1;
            let agrees = proof.verify(&others[from].root, &heads[size].root).is_ok();
            prop_assert_eq!(agrees, from <= shared);
            prop_assert_eq!(others[from] == heads[from], from <= shared);
        }
    }
}
