//! Where the tree is stored: C2SP tlog-tiles of height 8, and bundles of leaf records.
//!
//! `tile/<level>/<index>[.p/<width>]` holds hashes, `tile/entries/<index>[.p/<width>]` the records below level 0. A
//! full tile never changes; a partial one is as wide as the tree was when it was written.
//! Source: <https://c2sp.org/tlog-tiles>.

use super::{LEAF_RECORD_BYTES, LeafRecord, MAX_TREE_SIZE, NODE_BYTES};
use std::fmt;
use std::str::FromStr;

/// Hashes of a full tile, records of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// log2 of [`TILE_WIDTH`].
pub(super) const TILE_HEIGHT: u8 = 8;
/// Level of the tile that holds the root of the largest tree.
const TOP_LEVEL: u8 = 6;
/// Longest path that is looked at: a coordinate below 2^53 needs 33 bytes.
const MAX_PATH_BYTES: usize = 48;
/// Of an entry in a bundle: the length before it, and itself.
const ENTRY_BYTES: usize = 2 + LEAF_RECORD_BYTES;

/// Not the path of a tile that a tree of ours can have, or not in the one spelling it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tile: tile/<level or entries>/<index>[.p/<width>]")]
pub struct TilePathError;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The leaf records.
    Entries,
    /// Hashes of subtrees of `256^level` leaves.
    Hashes(u8),
}

/// The place of one tile, and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    layer: Layer,
    index: u64,
    width: u16,
}

impl TilePath {
    /// A tile of a tree of at most [`MAX_TREE_SIZE`] leaves; `width` is 1 to [`TILE_WIDTH`].
    pub fn new(layer: Layer, index: u64, width: u16) -> Result<Self, TilePathError> {
        let level = match layer {
            Layer::Entries => 0,
            Layer::Hashes(level) => level,
        };
        let below = index
            .checked_mul(u64::from(TILE_WIDTH))
            .and_then(|first| first.checked_add(u64::from(width)))
            .ok_or(TilePathError)?;
        let fits = level <= TOP_LEVEL && below <= MAX_TREE_SIZE >> (level * TILE_HEIGHT);
        if fits && (1..=TILE_WIDTH).contains(&width) {
            Ok(Self { layer, index, width })
        } else {
            Err(TilePathError)
        }
    }

    /// What it holds.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Its place among the tiles of its layer, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or records it holds, 1 to [`TILE_WIDTH`].
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will never change.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile of the same place: a store may keep that one alone once it exists.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH, ..*self }
    }

    /// Length of its content, bytes.
    pub fn byte_len(&self) -> usize {
        let each = match self.layer {
            Layer::Entries => ENTRY_BYTES,
            Layer::Hashes(_) => NODE_BYTES,
        };
        usize::from(self.width).saturating_mul(each)
    }

    /// Its own bytes out of what a store answered, which may be a wider tile of the same place; `None` if that is no
    /// tile.
    pub fn part(&self, mut stored: Vec<u8>) -> Option<Vec<u8>> {
        let full = self.full().byte_len();
        let each = full.checked_div(usize::from(TILE_WIDTH))?;
        let fits = stored.len() >= self.byte_len() && stored.len() <= full;
        if !fits || !stored.len().is_multiple_of(each) {
            return None;
        }
        stored.truncate(self.byte_len());
        Some(stored)
    }

    /// The tile that a tree of this size has where `tlog_tiles` says; `None` for what no tree of ours has.
    pub(super) fn of(tile: &tlog_tiles::Tile) -> Option<Self> {
        let width = u16::try_from(tile.width()).ok()?;
        Self::new(Layer::Hashes(tile.level()), tile.level_index(), width).ok()
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Layer::Entries => f.write_str("tile/entries/")?,
            Layer::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        // Three digits at a time, all groups but the last marked: 1234067 is x001/x234/067.
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        let mut groups = groups.into_iter().rev().peekable();
        while let Some(group) = groups.next() {
            if groups.peek().is_some() {
                write!(f, "x{group:03}/")?;
            } else {
                write!(f, "{group:03}")?;
            }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        if text.len() > MAX_PATH_BYTES {
            return Err(TilePathError);
        }
        let rest = text.strip_prefix("tile/").ok_or(TilePathError)?;
        let (layer, rest) = rest.split_once('/').ok_or(TilePathError)?;
        let layer = match layer {
            "entries" => Layer::Entries,
            level => Layer::Hashes(level.parse().map_err(|_| TilePathError)?),
        };
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().map_err(|_| TilePathError)?),
            None => (rest, TILE_WIDTH),
        };
        let index = groups.split('/').try_fold(0_u64, |index, group| {
            let group: u64 = group.trim_start_matches('x').parse().ok()?;
            index.checked_mul(1000)?.checked_add(group)
        });
        let path = Self::new(layer, index.ok_or(TilePathError)?, width)?;
        // What was read too generously is not written the same way.
        if path.to_string() == text { Ok(path) } else { Err(TilePathError) }
    }
}

/// Why bytes are not a bundle of leaf records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a bundle of 1 to 256 leaf records, each with its length before it")]
pub struct EntriesError;

/// The leaf records of an entry bundle; what they say is checked against the tree, not here.
pub fn read_entries(bytes: &[u8]) -> Result<Vec<LeafRecord>, EntriesError> {
    let entries = bytes.chunks_exact(ENTRY_BYTES);
    let fits = entries.len() >= 1 && entries.len() <= usize::from(TILE_WIDTH);
    if !fits || !entries.remainder().is_empty() {
        return Err(EntriesError);
    }
    entries.map(|entry| read_entry(entry).ok_or(EntriesError)).collect()
}

fn read_entry(entry: &[u8]) -> Option<LeafRecord> {
    let record = entry.strip_prefix(entry_length().as_slice())?;
    record.try_into().ok().map(LeafRecord::from_bytes)
}

/// Appends one record to a bundle.
pub(super) fn write_entry(bundle: &mut Vec<u8>, record: &LeafRecord) {
    bundle.extend_from_slice(&entry_length());
    bundle.extend_from_slice(&record.to_bytes());
}

/// u16 big-endian length of a record.
fn entry_length() -> [u8; 2] {
    u16::try_from(LEAF_RECORD_BYTES).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for text in [
            "tile/0/000",
            "tile/0/x001/x234/067",
            "tile/3/000.p/1",
            "tile/entries/x001/000.p/255",
            "tile/6/000.p/31",
        ] {
            assert_eq!(text.parse::<TilePath>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/+0/000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/xx01/001",
            "tile/0/x1000/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/8/0/000",
            "tile/7/000.p/1",
            "tile/6/000.p/32",
            "tile/6/000",
            "tile/255/000",
            "tile/data/000",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(wrong.parse::<TilePath>(), Err(TilePathError), "{wrong}");
        }
    }

    #[test]
    fn a_bundle_of_entries_comes_back() {
        let records: Vec<_> = (1..=3).map(LeafRecord::gap).collect();
        let mut bundle = Vec::new();
        for record in &records {
            write_entry(&mut bundle, record);
        }
        assert_eq!(bundle.len(), 126);
        assert_eq!(read_entries(&bundle), Ok(records));
        assert_eq!(read_entries(&bundle[1..]), Err(EntriesError));
        assert_eq!(read_entries(&bundle[..125]), Err(EntriesError));
        assert_eq!(read_entries(&[]), Err(EntriesError));
        bundle[43] = 41;
        assert_eq!(read_entries(&bundle), Err(EntriesError));
    }
}
