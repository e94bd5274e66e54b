//! Proofs out of stored tiles: which tiles are needed, and the proof once they are read.
//!
//! Nobody vouches for a tile. So a finished proof is checked against the root that the caller trusts, and a wrong
//! hash in any tile that mattered is [`TileError::OtherTree`], never a proof.

use super::proof::{Consistency, Inclusion};
use super::tile::{TILE_HEIGHT, TilePath};
use super::{MAX_TREE_SIZE, NodeHash, TreeHead};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use tlog_tiles::{HashReader, Tile};

/// Where tiles are read from. An async caller first fetches [`inclusion_tiles`] or [`consistency_tiles`] into a map.
pub trait TileReader {
    /// Why a tile could not be read.
    type Error: Error + 'static;

    /// The bytes of a tile, or of a wider one of the same place.
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Self::Error>;
}

/// A tile that a map of tiles does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0}")]
pub struct TileMissing(pub TilePath);

impl TileReader for BTreeMap<TilePath, Vec<u8>> {
    type Error = TileMissing;

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, TileMissing> {
        self.get(path).cloned().ok_or(TileMissing(*path))
    }
}

/// Why tiles give no proof and no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError<E: Error + 'static> {
    /// No such leaf or size in a tree of this size, or larger than any tree may be.
    #[error("the tree holds no such leaf or size")]
    Bounds,
    /// A tile could not be read.
    #[error("cannot read {tile}")]
    Read {
        /// Which.
        tile: TilePath,
        /// Why.
        #[source]
        source: E,
    },
    /// A tile is too short, too long, or no whole number of hashes.
    #[error("{0} has the wrong length")]
    Length(TilePath),
    /// The tiles are not those of the tree with this root.
    #[error("the tiles are not those of the tree with this root")]
    OtherTree,
}

/// The tiles that [`inclusion_proof`] reads; none where the tree holds no such leaf.
pub fn inclusion_tiles(leaf_index: u64, size: u64) -> Vec<TilePath> {
    Need::inclusion(leaf_index, size).map(|need| need.tiles()).unwrap_or_default()
}

/// The tiles that [`consistency_proof`] reads; none where there is no such proof.
pub fn consistency_tiles(from: u64, to: u64) -> Vec<TilePath> {
    Need::consistency(from, to).map(|need| need.tiles()).unwrap_or_default()
}

/// The hash of a leaf, and the proof that the tree with this head holds it at this index (sequence - 1).
pub fn inclusion_proof<R: TileReader>(
    leaf_index: u64,
    head: &TreeHead,
    reader: &R,
) -> Result<(NodeHash, Inclusion), TileError<R::Error>> {
    let need = Need::inclusion(leaf_index, head.size).ok_or(TileError::Bounds)?;
    let stored = need.read(reader)?;
    let leaf = stored.hash(tlog_tiles::stored_hash_index(0, leaf_index));
    let leaf = leaf.ok_or(TileError::OtherTree)?;
    let path = tlog_tiles::prove_record(head.size, leaf_index, &stored);
    let path = path.map_err(|_| TileError::OtherTree)?;
    let proof = Inclusion { leaf_index, tree_size: head.size, path: ours(path) };
    proof.verify(&leaf, &head.root).map_err(|_| TileError::OtherTree)?;
    Ok((leaf, proof))
}

/// The root that the tree had at size `from`, and the proof that the tree with this head grew out of it.
///
/// The earlier root is as good as the later one: a consistency proof that holds fixes it. A kept checkpoint of size
/// `from` with another root is a fork.
pub fn consistency_proof<R: TileReader>(
    from: u64,
    head: &TreeHead,
    reader: &R,
) -> Result<(TreeHead, Consistency), TileError<R::Error>> {
    let need = Need::consistency(from, head.size).ok_or(TileError::Bounds)?;
    let stored = need.read(reader)?;
    let root = tlog_tiles::tree_hash(from, &stored).map_err(|_| TileError::OtherTree)?;
    let path = tlog_tiles::prove_tree(head.size, from, &stored);
    let path = path.map_err(|_| TileError::OtherTree)?;
    let proof = Consistency { from, to: head.size, path: ours(path) };
    let root = NodeHash(root.0);
    proof.verify(&root, &head.root).map_err(|_| TileError::OtherTree)?;
    Ok((TreeHead { size: from, root }, proof))
}

/// Reads one tile and cuts it to its width.
pub(super) fn read_tile<R: TileReader>(
    reader: &R,
    tile: TilePath,
) -> Result<Vec<u8>, TileError<R::Error>> {
    let stored = reader.tile(&tile).map_err(|source| TileError::Read { tile, source })?;
    tile.part(stored).ok_or(TileError::Length(tile))
}

fn ours(path: Vec<tlog_tiles::Hash>) -> Vec<NodeHash> {
    path.into_iter().map(|hash| NodeHash(hash.0)).collect()
}

/// The stored hashes that a proof is made of.
struct Need {
    size: u64,
    indexes: Vec<u64>,
}

impl Need {
    fn inclusion(leaf_index: u64, size: u64) -> Option<Self> {
        if leaf_index >= size || size > MAX_TREE_SIZE {
            return None;
        }
        let asked = Asked::default();
        tlog_tiles::prove_record(size, leaf_index, &asked).ok()?;
        let mut indexes = asked.0.into_inner();
        indexes.push(tlog_tiles::stored_hash_index(0, leaf_index));
        Some(Self { size, indexes })
    }

    fn consistency(from: u64, size: u64) -> Option<Self> {
        if from == 0 || from > size || size > MAX_TREE_SIZE {
            return None;
        }
        let asked = Asked::default();
        tlog_tiles::prove_tree(size, from, &asked).ok()?;
        tlog_tiles::tree_hash(from, &asked).ok()?;
        Some(Self { size, indexes: asked.0.into_inner() })
    }

    fn tiles(&self) -> Vec<TilePath> {
        let tiles = self.indexes.iter().filter_map(|index| tile_of(*index, self.size));
        let tiles: BTreeSet<_> = tiles.filter_map(|tile| TilePath::of(&tile)).collect();
        tiles.into_iter().collect()
    }

    fn read<R: TileReader>(&self, reader: &R) -> Result<Held, TileError<R::Error>> {
        let mut tiles = BTreeMap::new();
        for path in self.tiles() {
            tiles.insert(path, read_tile(reader, path)?);
        }
        Ok(Held { size: self.size, tiles })
    }
}

/// The tile of a tree of this size that holds a stored hash.
fn tile_of(index: u64, size: u64) -> Option<Tile> {
    Tile::from_index(TILE_HEIGHT, index).parent(0, size)
}

/// Answers anything, to learn what is asked for.
#[derive(Default)]
struct Asked(RefCell<Vec<u64>>);

impl HashReader for Asked {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        self.0.borrow_mut().extend_from_slice(indexes);
        Ok(vec![tlog_tiles::Hash::default(); indexes.len()])
    }
}

/// Tiles that were read, each as long as its width says.
struct Held {
    size: u64,
    tiles: BTreeMap<TilePath, Vec<u8>>,
}

impl Held {
    fn hash(&self, index: u64) -> Option<NodeHash> {
        let tile = tile_of(index, self.size)?;
        let bytes = self.tiles.get(&TilePath::of(&tile)?)?;
        tile.hash_at_index(bytes, index).ok().map(|hash| NodeHash(hash.0))
    }
}

impl HashReader for Held {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let hashes = indexes.iter().map(|index| self.hash(*index).map(NodeHash::foreign));
        hashes.collect::<Option<_>>().ok_or(tlog_tiles::Error::InvalidTile)
    }
}
