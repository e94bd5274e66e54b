//! Inclusion proofs: how long the check of one takes in a large tree.

use crate::output::progress;
use crate::plan::Plan;
use crate::report::{Figure, Target, counted};
use crate::statistics::float;
use anyhow::Context as _;
use ledger::tree::inclusion_proof;
use ledger::{CommitHash, Tree};
use std::collections::BTreeMap;
use std::time::Instant;

const NAME: &str = "proof";
/// Proofs that are checked in one run, of leaves all over the tree.
const PROOFS: u64 = 10_000;

/// As many leaves as the largest log of the measurement of growth has aggregates.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let leaves = plan.aggregates.iter().copied().max().context("no size")?;
    let (runs, leaves) = (plan.runs, u64::try_from(leaves)?);
    tokio::task::spawn_blocking(move || check(runs, leaves)).await?
}

fn hash(sequence: u64) -> CommitHash {
    CommitHash::of(&sequence.to_be_bytes())
}

fn check(runs: usize, leaves: u64) -> anyhow::Result<Vec<Figure>> {
    let (mut tree, mut tiles) = (Tree::empty(), BTreeMap::new());
    for sequence in 1..=leaves {
        tiles.extend(tree.push(sequence, &hash(sequence))?.into_iter().map(|t| (t.path, t.bytes)));
    }
    tiles.extend(tree.edge_tiles(0).into_iter().map(|tile| (tile.path, tile.bytes)));
    let (head, mut proofs) = (tree.head(), Vec::new());
    for index in (0..leaves).step_by(usize::try_from((leaves / PROOFS).max(1))?) {
        let (_, proof) = inclusion_proof(index, &head, &tiles)?;
        proofs.push((index + 1, hash(index + 1), proof));
    }
    let mut each = Vec::new();
    for _ in 0..runs {
        let started = Instant::now();
        for (sequence, hash, proof) in &proofs {
            proof.verify_commit(*sequence, hash, &head.root)?;
        }
        each.push(started.elapsed().as_secs_f64() * 1e6 / float(u64::try_from(proofs.len())?));
    }
    progress(&format!("proofs in a tree of {leaves} leaves: {each:.1?} us each"));
    let configuration = format!("a tree of {} leaves, one thread, less is better", counted(leaves));
    let n = u64::try_from(proofs.len())?;
    let figure = Figure::of(NAME, "an inclusion proof is checked", configuration, (&each, "µs"), n);
    Ok(vec![figure.should(Target::Below(100.0))])
}
