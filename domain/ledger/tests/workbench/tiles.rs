//! A tree that grows in memory with every tile that it ever stored.

use countersign_ledger::tree::StoredTile;
use countersign_ledger::{CommitHash, TilePath, Tree, TreeHead};
use std::collections::BTreeMap;

pub type Tiles = BTreeMap<TilePath, Vec<u8>>;

/// The `h` of a sequence; every 97th is lost.
pub fn hash(sequence: u64) -> CommitHash {
    if sequence.is_multiple_of(97) {
        CommitHash::ZERO
    } else {
        CommitHash::of(format!("payload {sequence}").as_bytes())
    }
}

pub fn keep(tiles: &mut Tiles, new: Vec<StoredTile>) {
    tiles.extend(new.into_iter().map(|tile| (tile.path, tile.bytes)));
}

/// The heads of sizes 0 to `size`, and every tile that was ever handed out for a stored size.
pub fn grown(size: u64) -> anyhow::Result<(Vec<TreeHead>, Tiles)> {
    grown_with(size, hash)
}

/// The same with other leaves.
pub fn grown_with(
    size: u64,
    hash: impl Fn(u64) -> CommitHash,
) -> anyhow::Result<(Vec<TreeHead>, Tiles)> {
    let (mut tree, mut tiles) = (Tree::empty(), Tiles::new());
    let mut heads = vec![tree.head()];
    for sequence in 1..=size {
        let completed = tree.push(sequence, &hash(sequence))?;
        keep(&mut tiles, completed);
        keep(&mut tiles, tree.edge_tiles(sequence.saturating_sub(1)));
        heads.push(tree.head());
    }
    Ok((heads, tiles))
}
