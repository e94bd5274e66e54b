//! A growing tree written down and read back: its size, its root, and the right edge that makes them.

use super::{StoredTile, TilePath, Tree, TreeHead};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::{from_base64, to_base64};

/// As it is spelled. What is read back makes this root, or is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edge {
    head: TreeHead,
    /// By path, base64.
    tiles: BTreeMap<String, String>,
}

/// Tiles that make no tree of the size and root beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tiles do not make the tree")]
pub struct EdgeError;

impl From<Tree> for Edge {
    fn from(tree: Tree) -> Self {
        let tile = |StoredTile { path, bytes }| (path.to_string(), to_base64(&bytes));
        Self { head: tree.head(), tiles: tree.edge_tiles(0).into_iter().map(tile).collect() }
    }
}

impl TryFrom<Edge> for Tree {
    type Error = EdgeError;

    fn try_from(Edge { head, tiles }: Edge) -> Result<Self, EdgeError> {
        let tile = |(path, text): (String, String)| {
            let path: TilePath = path.parse().map_err(|_| EdgeError)?;
            Ok((path, from_base64(&text).map_err(|_| EdgeError)?))
        };
        let tiles: BTreeMap<_, _> = tiles.into_iter().map(tile).collect::<Result<_, _>>()?;
        Self::resume(&head, &tiles).map_err(|_| EdgeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::CommitHash;
    use crate::tree::NodeHash;

    #[test]
    fn a_tree_goes_on_from_what_was_written() {
        for size in [0_u64, 1, 255, 256, 257, 70_000] {
            let mut tree = Tree::empty();
            for sequence in 1..=size {
                tree.push(sequence, &CommitHash::of(&sequence.to_be_bytes())).unwrap();
            }
            let text = serde_json::to_string(&tree).unwrap();
            let mut read: Tree = serde_json::from_str(&text).unwrap();
            let next = CommitHash::of(b"next");
            tree.push(size + 1, &next).unwrap();
            read.push(size + 1, &next).unwrap();
            assert_eq!(read.head(), tree.head(), "{size}");
            let other = text.replacen(&format!("\"size\":{size}"), "\"size\":3", 1);
            assert!(serde_json::from_str::<Tree>(&other).is_err(), "{size}");
            let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
            other["head"]["root"] = NodeHash::from_bytes([9; 32]).to_string().into();
            assert!(serde_json::from_value::<Tree>(other).is_err(), "{size}");
        }
    }
}
