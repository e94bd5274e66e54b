//! What an object may be called, in one spelling only: no unchecked text reaches a path.

use ledger::line::MAX_LINE_BYTES;
use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;
use trust::encoding::Sha256Digest;

/// Longest segment of commits, bytes: whoever cuts the log into segments cuts before it. One line always fits.
pub const MAX_SEGMENT_BYTES: u64 = 32 << 20;
const _: () = assert!(MAX_LINE_BYTES as u64 <= MAX_SEGMENT_BYTES);

/// A full tile of 256 hashes.
const MAX_TILE_BYTES: u64 = 256 * 32;
/// 256 entries, each with a length of 16 bits before it.
const MAX_ENTRIES_BYTES: u64 = 256 * (2 + 0xffff);
pub(crate) const MAX_NOTE_BYTES: u64 = 64 << 10;
/// The largest message that the log's server takes.
const MAX_BLOB_BYTES: u64 = 8 << 20;
/// A million chains and more.
const MAX_HEADS_BYTES: u64 = 256 << 20;
/// The highest level of a tile in C2SP tlog-tiles.
const HIGHEST_LEVEL: u8 = 63;

/// A text that names no object, or names it in another spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object of an archive")]
pub struct NameError;

/// A write-once object of the archive. `Display` and `FromStr` are its path below the log's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// Hashes of the tree: `tile/<L>/<N>[.p/<W>]`.
    Tile {
        /// Its level.
        level: Level,
        /// Its index in the level.
        index: u64,
        /// How much of it.
        width: Width,
    },
    /// Leaf records: `tile/entries/<N>[.p/<W>]`.
    Entries {
        /// Its index.
        index: u64,
        /// How much of it.
        width: Width,
    },
    /// A signed note: `checkpoints/<size>`.
    Note {
        /// The tree's size.
        size: u64,
    },
    /// Evidence lines: `commits/<from>-<to>.ndjson`.
    Commits(Segment),
    /// A large value: `blobs/<sha256>`.
    Blob(Sha256Digest),
    /// The ends of all chains: `heads/<size>`.
    Heads {
        /// The size of the checkpoint that they belong to.
        size: u64,
    },
}

impl ObjectName {
    /// The most bytes that such an object may have, whether put or read.
    pub fn max_bytes(&self) -> u64 {
        match self {
            Self::Tile { .. } => MAX_TILE_BYTES,
            Self::Entries { .. } => MAX_ENTRIES_BYTES,
            Self::Note { .. } => MAX_NOTE_BYTES,
            Self::Commits(_) => MAX_SEGMENT_BYTES,
            Self::Blob(_) => MAX_BLOB_BYTES,
            Self::Heads { .. } => MAX_HEADS_BYTES,
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile { level, index, width } => {
                write!(formatter, "tile/{level}/")?;
                write_index(formatter, *index, *width)
            }
            Self::Entries { index, width } => {
                write!(formatter, "tile/entries/")?;
                write_index(formatter, *index, *width)
            }
            Self::Note { size } => write!(formatter, "checkpoints/{size:020}"),
            Self::Commits(Segment { from, to }) => {
                write!(formatter, "commits/{from:020}-{to:020}.ndjson")
            }
            Self::Blob(sha256) => write!(formatter, "blobs/{sha256}"),
            Self::Heads { size } => write!(formatter, "heads/{size:020}"),
        }
    }
}

impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = read(text).ok_or(NameError)?;
        // Whatever else was read tolerantly.
        if name.to_string() == text { Ok(name) } else { Err(NameError) }
    }
}

fn read(text: &str) -> Option<ObjectName> {
    let (folder, rest) = text.split_once('/')?;
    match folder {
        "tile" => {
            let (level, rest) = rest.split_once('/')?;
            let (index, width) = read_index(rest)?;
            if level == "entries" {
                return Some(ObjectName::Entries { index, width });
            }
            let level = Level::new(level.parse().ok()?)?;
            Some(ObjectName::Tile { level, index, width })
        }
        "checkpoints" => Some(ObjectName::Note { size: rest.parse().ok()? }),
        "commits" => {
            let (from, to) = rest.strip_suffix(".ndjson")?.split_once('-')?;
            Some(ObjectName::Commits(Segment::new(from.parse().ok()?, to.parse().ok()?)?))
        }
        "blobs" => Some(ObjectName::Blob(rest.parse().ok()?)),
        "heads" => Some(ObjectName::Heads { size: rest.parse().ok()? }),
        _ => None,
    }
}

/// Three digits an element, all but the last after an `x`: 1234067 is `x001/x234/067`.
fn write_index(formatter: &mut fmt::Formatter<'_>, index: u64, width: Width) -> fmt::Result {
    let mut elements = vec![index % 1000];
    let mut above = index / 1000;
    while above > 0 {
        elements.push(above % 1000);
        above /= 1000;
    }
    for element in elements.iter().skip(1).rev() {
        write!(formatter, "x{element:03}/")?;
    }
    write!(formatter, "{:03}", index % 1000)?;
    match width {
        Width::Full => Ok(()),
        Width::Partial(width) => write!(formatter, ".p/{width}"),
    }
}

fn read_index(text: &str) -> Option<(u64, Width)> {
    let (elements, width) = match text.split_once(".p/") {
        Some((elements, width)) => (elements, Width::Partial(width.parse().ok()?)),
        None => (text, Width::Full),
    };
    let mut index: u64 = 0;
    for element in elements.split('/') {
        let digits: u64 = element.strip_prefix('x').unwrap_or(element).parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(digits)?;
    }
    Some((index, width))
}

/// The level of a tile, 0 to 63; 0 holds the hashes of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// `None` above 63.
    pub fn new(level: u8) -> Option<Self> {
        (level <= HIGHEST_LEVEL).then_some(Self(level))
    }

    /// Its number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How much of a tile an object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// All 256 hashes or entries.
    Full,
    /// The first 1 to 255.
    Partial(NonZeroU8),
}

/// The part of the log between two checkpoints: the sequences `from + 1` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    from: u64,
    to: u64,
}

impl Segment {
    /// `None` if it holds nothing.
    pub fn new(from: u64, to: u64) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// The size of the checkpoint before it; 0 where there is none.
    pub fn from(self) -> u64 {
        self.from
    }

    /// The size of the checkpoint at its end, which is its last sequence.
    pub fn to(self) -> u64 {
        self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn width() -> impl Strategy<Value = Width> {
        any::<u8>().prop_map(|width| NonZeroU8::new(width).map_or(Width::Full, Width::Partial))
    }

    fn name() -> impl Strategy<Value = ObjectName> {
        prop_oneof![
            (0..64_u8, any::<u64>(), width()).prop_map(|(level, index, width)| {
                ObjectName::Tile { level: Level::new(level).unwrap(), index, width }
            }),
            (0..2_000_000_u64, width())
                .prop_map(|(index, width)| ObjectName::Entries { index, width }),
            any::<u64>().prop_map(|size| ObjectName::Note { size }),
            (0..u64::MAX)
                .prop_flat_map(|from| (Just(from), from + 1..=u64::MAX))
                .prop_map(|(from, to)| ObjectName::Commits(Segment::new(from, to).unwrap())),
            any::<[u8; 32]>().prop_map(|raw| ObjectName::Blob(Sha256Digest::from_bytes(raw))),
            any::<u64>().prop_map(|size| ObjectName::Heads { size }),
        ]
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_is_written(name in name()) {
            prop_assert_eq!(name.to_string().parse::<ObjectName>().unwrap(), name);
        }

        #[test]
        fn whatever_is_read_is_written_again(
            text in "(tile/(entries|[0-9]{1,2})|checkpoints|commits|blobs|heads)/[x0-9a-f./p-]{1,24}"
        ) {
            if let Ok(name) = text.parse::<ObjectName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }

    #[test]
    fn names_are_spelled_as_the_layout_spells_them() {
        let level = Level::new(2).unwrap();
        let width = Width::Partial(NonZeroU8::new(8).unwrap());
        for (name, text) in [
            (ObjectName::Tile { level, index: 1_234_067, width }, "tile/2/x001/x234/067.p/8"),
            (ObjectName::Tile { level, index: 0, width: Width::Full }, "tile/2/000"),
            (ObjectName::Entries { index: 1000, width: Width::Full }, "tile/entries/x001/000"),
            (ObjectName::Note { size: 42 }, "checkpoints/00000000000000000042"),
            (
                ObjectName::Commits(Segment::new(0, 42).unwrap()),
                "commits/00000000000000000000-00000000000000000042.ndjson",
            ),
            (ObjectName::Heads { size: u64::MAX }, "heads/18446744073709551615"),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse::<ObjectName>(), Ok(name));
        }
    }

    #[test]
    fn no_other_spelling_is_read() {
        for text in [
            "",
            "checkpoint",
            "checkpoints/42",
            "checkpoints/+0000000000000000042",
            "checkpoints/../checkpoint",
            "/checkpoints/00000000000000000042",
            "commits/00000000000000000042-00000000000000000042.ndjson",
            "commits/00000000000000000043-00000000000000000042.ndjson",
            "tile/64/000",
            "tile/00/000",
            "tile/0/0",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/x001/x002",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/08",
            "tile/0/001.p/",
            "tile/entries/+01",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "blobs/ABCDEF",
            "blobs/../x",
            "heads/1",
        ] {
            assert_eq!(text.parse::<ObjectName>(), Err(NameError), "{text}");
        }
    }
}
