//! The tree's tiles: both the ledger and the archive name them as C2SP tlog-tiles does.

use crate::archive::Archive;
use crate::error::ArchiveError;
use crate::name::{NameError, ObjectName};
use bytes::Bytes;
use ledger::TilePath;
use std::collections::BTreeMap;

impl ObjectName {
    /// The object of a tile.
    pub fn of_tile(tile: &TilePath) -> Result<Self, NameError> {
        tile.to_string().parse()
    }
}

impl Archive {
    /// Reads tiles, each alone or as part of the full one. One that is not there is left out, and whoever needs it says
    /// so.
    pub async fn tiles(
        &self,
        tiles: &[TilePath],
    ) -> Result<BTreeMap<TilePath, Vec<u8>>, ArchiveError> {
        let mut found = BTreeMap::new();
        for tile in tiles {
            for stored in [*tile, tile.full()] {
                let Ok(name) = ObjectName::of_tile(&stored) else { continue };
                if let Some(bytes) = self.get(&name).await? {
                    found.insert(*tile, Bytes::into(bytes));
                    break;
                }
            }
        }
        Ok(found)
    }
}
