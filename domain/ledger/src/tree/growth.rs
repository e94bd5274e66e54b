//! A tree that grows leaf by leaf, with memory for its right edge only, and hands out the tiles to store.

use super::edge::Edge;
use super::prover::{TileError, TileReader, read_tile};
use super::tile::{
    Layer, TILE_HEIGHT, TILE_WIDTH, TilePath, TilePathError, read_entries, write_entry,
};
use super::{LeafRecord, MAX_TREE_SIZE, NODE_BYTES, NodeHash, TreeHead};
use crate::hash::CommitHash;
use serde::{Deserialize, Serialize};

/// Why a leaf cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Leaves have consecutive sequences; a lost one is a gap leaf.
    #[error("sequence {found} where sequence {expected} follows")]
    Sequence {
        /// The tree's size + 1.
        expected: u64,
        /// What was given.
        found: u64,
    },
    /// The tree has [`MAX_TREE_SIZE`] leaves.
    #[error("the tree is full")]
    Full,
}

impl From<TilePathError> for TreeError {
    fn from(_: TilePathError) -> Self {
        Self::Full
    }
}

/// A tile to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTile {
    /// Where.
    pub path: TilePath,
    /// What: hashes, or entries with their lengths.
    pub bytes: Vec<u8>,
}

/// A tree of which only the unfinished tiles are in memory: at most 255 hashes for each of 7 levels, and 255 records.
///
/// To go from one stored size to another: store what every [`Self::push`] answers, then [`Self::edge_tiles`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Edge", try_from = "Edge")]
pub struct Tree {
    size: u64,
    /// For each level, the hashes of its unfinished tile.
    edges: Vec<Vec<NodeHash>>,
    /// The unfinished bundle, as it is stored.
    entries: Vec<u8>,
}

impl Tree {
    /// A tree without leaves.
    pub fn empty() -> Self {
        Self { size: 0, edges: Vec::new(), entries: Vec::new() }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the leaf of the next sequence; answers the tiles and the bundle that it completed, most often none.
    pub fn push(&mut self, sequence: u64, hash: &CommitHash) -> Result<Vec<StoredTile>, TreeError> {
        let expected = self.size.saturating_add(1);
        if sequence != expected {
            return Err(TreeError::Sequence { expected, found: sequence });
        }
        if self.size >= MAX_TREE_SIZE {
            return Err(TreeError::Full);
        }
        let record = LeafRecord { sequence, hash: *hash };
        let index = self.size >> TILE_HEIGHT;
        self.size = expected;
        write_entry(&mut self.entries, &record);
        let mut completed = self.rise(record.node())?;
        if !completed.is_empty() {
            let path = TilePath::new(Layer::Entries, index, TILE_WIDTH)?;
            completed.insert(0, StoredTile { path, bytes: std::mem::take(&mut self.entries) });
        }
        Ok(completed)
    }

    /// Puts a hash on level 0 and, as long as it completes a tile, that tile's hash on the level above.
    fn rise(&mut self, mut node: NodeHash) -> Result<Vec<StoredTile>, TreeError> {
        let mut completed = Vec::new();
        for level in 0_u8.. {
            if self.edges.len() <= usize::from(level) {
                self.edges.push(Vec::new());
            }
            let Some(edge) = self.edges.get_mut(usize::from(level)) else { break };
            edge.push(node);
            if edge.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let bytes = concatenated(edge);
            edge.clear();
            // The size at this level counts the tile that is now complete.
            let index = (self.size >> (level * TILE_HEIGHT) >> TILE_HEIGHT).saturating_sub(1);
            node = NodeHash(tlog_tiles::Tile::subtree_hash(&bytes).0);
            let path = TilePath::new(Layer::Hashes(level), index, TILE_WIDTH)?;
            completed.push(StoredTile { path, bytes });
        }
        Ok(completed)
    }

    /// The root (RFC 6962 section 2.1); [`NodeHash::EMPTY`] without leaves. Costs up to 255 hashes a level.
    pub fn root(&self) -> NodeHash {
        let mut right: Option<NodeHash> = None;
        for edge in &self.edges {
            for peak in peaks(edge).into_iter().rev() {
                right = Some(right.map_or(peak, |right| NodeHash::above(&peak, &right)));
            }
        }
        right.unwrap_or(NodeHash::EMPTY)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The partial tiles and the partial bundle of this size that a tree of the stored size `since` does not have.
    pub fn edge_tiles(&self, since: u64) -> Vec<StoredTile> {
        let mut tiles = Vec::new();
        if since == self.size {
            return tiles;
        }
        for path in edge_paths(self.size) {
            let bytes = match path.layer() {
                Layer::Entries => self.entries.clone(),
                Layer::Hashes(level) => {
                    let shift = level * TILE_HEIGHT;
                    if since >> shift == self.size >> shift {
                        continue;
                    }
                    self.edges
                        .get(usize::from(level))
                        .map(|edge| concatenated(edge))
                        .unwrap_or_default()
                }
            };
            tiles.push(StoredTile { path, bytes });
        }
        tiles
    }

    /// What [`Self::resume`] reads: the right edge of a tree of this size.
    pub fn resume_tiles(size: u64) -> Vec<TilePath> {
        edge_paths(size)
    }

    /// Restores a tree from its right edge and checks it against its root; records against their hashes too.
    pub fn resume<R: TileReader>(head: &TreeHead, reader: &R) -> Result<Self, TileError<R::Error>> {
        if head.size > MAX_TREE_SIZE {
            return Err(TileError::Bounds);
        }
        let mut tree = Self { size: head.size, edges: Vec::new(), entries: Vec::new() };
        for path in edge_paths(head.size) {
            let bytes = read_tile(reader, path)?;
            match path.layer() {
                Layer::Entries => tree.entries = bytes,
                Layer::Hashes(level) => {
                    let levels = usize::from(level).saturating_add(1);
                    tree.edges.resize_with(levels.max(tree.edges.len()), Vec::new);
                    if let Some(edge) = tree.edges.get_mut(usize::from(level)) {
                        *edge = hashes(&bytes);
                    }
                }
            }
        }
        if tree.root() != head.root || !tree.entries_are_its_leaves() {
            return Err(TileError::OtherTree);
        }
        Ok(tree)
    }

    fn entries_are_its_leaves(&self) -> bool {
        let Some(leaves) = self.edges.first().filter(|leaves| !leaves.is_empty()) else {
            return self.entries.is_empty();
        };
        let first = (self.size >> TILE_HEIGHT << TILE_HEIGHT).saturating_add(1);
        read_entries(&self.entries).is_ok_and(|records| {
            records.len() == leaves.len()
                && (first..).zip(&records).zip(leaves).all(|((sequence, record), leaf)| {
                    record.sequence == sequence && record.node() == *leaf
                })
        })
    }
}

/// The partial tiles of a tree of this size: one a level where the level's count is no multiple of 256, and the bundle.
fn edge_paths(size: u64) -> Vec<TilePath> {
    let mut paths = Vec::new();
    for level in 0_u8..8 {
        let count = size >> (level * TILE_HEIGHT);
        let width = u16::try_from(count % u64::from(TILE_WIDTH)).unwrap_or_default();
        let layers: &[Layer] =
            if level == 0 { &[Layer::Entries, Layer::Hashes(0)] } else { &[Layer::Hashes(level)] };
        for layer in layers {
            // A width of 0 is no tile.
            paths.extend(TilePath::new(*layer, count >> TILE_HEIGHT, width).ok());
        }
    }
    paths
}

/// The complete subtrees that hashes of one level make, the largest first.
fn peaks(mut hashes: &[NodeHash]) -> Vec<NodeHash> {
    let mut peaks = Vec::new();
    while let Some(log2) = hashes.len().checked_ilog2() {
        let Some((subtree, rest)) = hashes.split_at_checked(1 << log2) else { break };
        peaks.push(NodeHash(tlog_tiles::Tile::subtree_hash(&concatenated(subtree)).0));
        hashes = rest;
    }
    peaks
}

fn concatenated(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn hashes(bytes: &[u8]) -> Vec<NodeHash> {
    let hashes = bytes.chunks_exact(NODE_BYTES);
    hashes.filter_map(|hash| hash.try_into().ok().map(NodeHash)).collect()
}
