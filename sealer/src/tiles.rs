//! The tree's tiles as objects of the archive.

use archive::{Archive, ArchiveError, NameError, ObjectName};
use bytes::Bytes;
use ledger::TilePath;
use std::collections::BTreeMap;

/// The object of a tile: both have the path that C2SP tlog-tiles gives it.
pub fn object(tile: &TilePath) -> Result<ObjectName, NameError> {
    tile.to_string().parse()
}

/// Reads tiles; one that is not there is left out, and whoever needs it says so.
pub async fn read(
    archive: &Archive,
    tiles: &[TilePath],
) -> Result<BTreeMap<TilePath, Vec<u8>>, ArchiveError> {
    let mut found = BTreeMap::new();
    for tile in tiles {
        // A later sealer may have stored the full tile only.
        for stored in [*tile, tile.full()] {
            let Ok(name) = object(&stored) else { continue };
            if let Some(bytes) = archive.get(&name).await? {
                found.insert(*tile, Bytes::into(bytes));
                break;
            }
        }
    }
    Ok(found)
}
