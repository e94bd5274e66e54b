//! A stranger's client of C2SP tlog-tiles: plain HTTP, SHA-256 and base64. It shares nothing with the ledger, so that
//! what it recomputes is what the specifications say and not what we made of them.
//!
//! Sources: <https://c2sp.org/tlog-tiles>, <https://c2sp.org/tlog-checkpoint>, RFC 6962 section 2.1.

use crate::world::{ORIGIN, World};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::identity::Role;
use sha2::{Digest as _, Sha256};

type Hash = [u8; 32];

struct TileClient {
    http: reqwest::Client,
    /// The monitoring prefix.
    prefix: String,
    token: String,
}

impl TileClient {
    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let request = self.http.get(format!("{}/{path}", self.prefix)).bearer_auth(&self.token);
        let response = request.send().await?.error_for_status()?;
        Ok(response.bytes().await?.to_vec())
    }

    /// Origin, size and root.
    async fn checkpoint(&self) -> Result<(String, u64, Vec<u8>)> {
        let note = String::from_utf8(self.get("checkpoint").await?)?;
        let (text, signatures) = note.split_once("\n\n").context("no signatures")?;
        ensure!(signatures.lines().all(|line| line.starts_with("\u{2014} ")), "{signatures}");
        let mut lines = text.lines();
        let mut next = || lines.next().context("a line is missing");
        Ok((next()?.to_owned(), next()?.parse()?, STANDARD.decode(next()?)?))
    }

    /// The tiles of a layer of so many items, one after the other.
    async fn layer(&self, layer: &str, items: u64) -> Result<Vec<Vec<u8>>> {
        let mut tiles = Vec::new();
        for index in 0..items.div_ceil(256) {
            let width = (items - index * 256).min(256);
            let part = if width == 256 { String::new() } else { format!(".p/{width}") };
            tiles.push(self.get(&format!("tile/{layer}/{}{part}", name(index))).await?);
        }
        Ok(tiles)
    }
}

/// Groups of three digits, all but the last after an `x`.
fn name(index: u64) -> String {
    let (mut name, mut above) = (format!("{:03}", index % 1000), index / 1000);
    while above > 0 {
        name = format!("x{:03}/{name}", above % 1000);
        above /= 1000;
    }
    name
}

/// RFC 6962 section 2.1: the hash of a leaf.
fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// RFC 6962 section 2.1: the hash of the tree over these leaves, by its recursive definition.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            let node = Sha256::new().chain_update([1]).chain_update(root(left));
            node.chain_update(root(right)).finalize().into()
        }
    }
}

/// The entries of a bundle: each after its length, 16 bits big-endian.
fn entries(mut bundle: &[u8]) -> Result<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).context("a bundle is cut off")?;
        entries.push(entry);
        bundle = rest;
    }
    ensure!(bundle.is_empty(), "a bundle is cut off");
    Ok(entries)
}

#[tokio::test]
async fn a_stranger_reads_the_tree_and_computes_its_root() -> Result<()> {
    let mut world = World::start().await?;
    let token = world.admit("system", "otto", &[Role::Auditor]).await?;
    let base = world.serve().await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let client = TileClient { http, prefix: format!("{base}/log/{ORIGIN}"), token };
    for (drafts, size) in [(2, 5), (260, 265)] {
        for number in 0..drafts {
            world.draft(&format!("{size}-{number}")).await?;
        }
        world.seal().await?;
        let (origin, found, sealed) = client.checkpoint().await?;
        assert_eq!((origin.as_str(), found), (ORIGIN, size));

        // The root, by the records alone.
        let bundles = client.layer("entries", size).await?;
        let mut leaves = Vec::new();
        for (bundle, sequence) in bundles.iter().zip((1_u64..).step_by(256)) {
            for (entry, sequence) in entries(bundle)?.into_iter().zip(sequence..) {
                assert_eq!((entry.len(), &entry[..8]), (40, sequence.to_be_bytes().as_slice()));
                leaves.push(leaf(entry));
            }
        }
        assert_eq!(leaves.len(), usize::try_from(size)?);
        assert_eq!(root(&leaves).as_slice(), sealed);

        // And every hash of the tiles, level by level.
        let (mut level, mut below) = (0, leaves);
        while !below.is_empty() {
            let items = u64::try_from(below.len())?;
            let tiles = client.layer(&level.to_string(), items).await?.concat();
            assert_eq!(tiles, below.concat(), "level {level}");
            below = below.chunks_exact(256).map(root).collect();
            level += 1;
        }
        assert_eq!(level, if size < 256 { 1 } else { 2 });
    }
    world.stop().await
}

#[test]
fn a_tile_has_the_name_that_the_specification_gives_as_an_example() {
    assert_eq!(name(1_234_067), "x001/x234/067");
    assert_eq!((name(0), name(1000)), ("000".to_owned(), "x001/000".to_owned()));
}
