//! The sealed log over a real log and a real archive: what is proven holds, and what is damaged proves nothing.

use crate::world::{Got, ORIGIN, World};
use anyhow::Context as _;
use client::reads::{ConsistencyBody, InclusionBody, LogBody};
use domain::identity::Role;
use ledger::{
    CheckpointNote, CommitHash, Consistency, Inclusion, Line, NodeHash, Tree, TreeHead,
    VerifiedCheckpoint, leaf_hash,
};
use serde_json::Value;
use std::time::Duration;
use trust::encoding::from_base64;

/// A log of more than one tile, sealed at two sizes.
struct Sealed {
    world: World,
    token: String,
    /// Sizes and roots of the two checkpoints, computed from the commits alone.
    older: TreeHead,
    newest: TreeHead,
    /// Of every sequence in order.
    hashes: Vec<CommitHash>,
}

impl Sealed {
    async fn start() -> anyhow::Result<Self> {
        let mut world = World::start().await?;
        let token = world.admit("system", "otto", &[Role::Auditor]).await?;
        for number in 0..67 {
            world.draft(&format!("c{number}")).await?;
        }
        world.seal().await?;
        for number in 67..264 {
            world.draft(&format!("c{number}")).await?;
        }
        world.seal().await?;
        let commits = format!("/v1/logs/{ORIGIN}/commits");
        let got = world.get(&commits, Some(&token), &[]).await?;
        let lines = got.body.split_inclusive(|byte| *byte == b'\n').map(Line::parse);
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let hashes: Vec<_> = lines.iter().map(|line| CommitHash::of(&line.payload)).collect();
        let (older, newest) = (head(&hashes, 70)?, head(&hashes, 267)?);
        Ok(Self { world, token, older, newest, hashes })
    }

    async fn get(&self, path: &str) -> anyhow::Result<Got> {
        self.world.get(path, Some(&self.token), &[]).await
    }

    async fn problem(&self, path: &str) -> anyhow::Result<(u16, String)> {
        Ok(self.get(path).await?.problem())
    }

    async fn tile(&self, name: &str) -> anyhow::Result<Got> {
        self.get(&format!("/log/{ORIGIN}/tile/{name}")).await
    }

    fn verified(&self, note: &[u8]) -> anyhow::Result<VerifiedCheckpoint> {
        Ok(CheckpointNote::parse(note)?.verify(&self.world.policy())?)
    }

    /// Asks for the proof of a sequence and checks it as a stranger does.
    async fn prove(&self, sequence: u64, size: Option<u64>) -> anyhow::Result<TreeHead> {
        let size = size.map(|size| format!("?size={size}")).unwrap_or_default();
        let path = format!("/v1/logs/{ORIGIN}/proofs/{sequence}{size}");
        let proof: InclusionBody = serde_json::from_value(self.get(&path).await?.json()?)?;
        let head = self.verified(proof.checkpoint.as_bytes())?.head();
        let (leaf_index, tree_size) = (proof.leaf_index, proof.tree_size);
        let inclusion = Inclusion { leaf_index, tree_size, path: nodes(&proof.path)? };
        anyhow::ensure!((proof.sequence, tree_size) == (sequence, head.size), "{proof:?}");
        let at = usize::try_from(leaf_index)?;
        let hash = self.hashes.get(at).context("no commit")?;
        inclusion.verify(&leaf_hash(sequence, hash), &head.root)?;
        Ok(head)
    }

    async fn grew(&self, from: u64, to: Option<u64>) -> anyhow::Result<TreeHead> {
        let to = to.map(|to| format!("&to={to}")).unwrap_or_default();
        let path = format!("/v1/logs/{ORIGIN}/consistency?from={from}{to}");
        let proof: ConsistencyBody = serde_json::from_value(self.get(&path).await?.json()?)?;
        let to = self.verified(proof.checkpoint.as_bytes())?.head();
        anyhow::ensure!((proof.from, proof.to) == (from, to.size), "{proof:?}");
        let consistency = Consistency { from, to: to.size, path: nodes(&proof.path)? };
        consistency.verify(&head(&self.hashes, from)?.root, &to.root)?;
        Ok(to)
    }
}

/// The tree of the first commits.
fn head(hashes: &[CommitHash], size: u64) -> anyhow::Result<TreeHead> {
    let mut tree = Tree::empty();
    for (sequence, hash) in (1..=size).zip(hashes) {
        tree.push(sequence, hash)?;
    }
    anyhow::ensure!(tree.size() == size, "{} commits, {size} wanted", hashes.len());
    Ok(tree.head())
}

fn nodes(path: &[String]) -> anyhow::Result<Vec<NodeHash>> {
    Ok(path.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn every_message_is_proven_under_both_checkpoints() {
    let sealed = Sealed::start().await.unwrap();
    let checkpoint = sealed.get(&format!("/log/{ORIGIN}/checkpoint")).await.unwrap();
    assert_eq!(checkpoint.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(checkpoint.header("cache-control"), "no-cache");
    let newest = sealed.verified(&checkpoint.body).unwrap();
    assert_eq!((newest.head(), newest.sealed_at()), (sealed.newest, 1_800_000_000));

    for sequence in 1..=267 {
        assert_eq!(sealed.prove(sequence, None).await.unwrap(), sealed.newest, "{sequence}");
    }
    assert_eq!(sealed.prove(267, Some(267)).await.unwrap(), sealed.newest);
    for sequence in 1..=70 {
        assert_eq!(sealed.prove(sequence, Some(70)).await.unwrap(), sealed.older, "{sequence}");
    }
    for from in [1, 2, 3, 69, 70, 71, 128, 255, 256, 257, 266, 267] {
        assert_eq!(sealed.grew(from, None).await.unwrap(), sealed.newest, "{from}");
    }
    for from in [1, 64, 70] {
        assert_eq!(sealed.grew(from, Some(70)).await.unwrap(), sealed.older, "{from}");
    }

    // The reads of the log itself say how far it is sealed.
    for path in ["", "/commits?after=266"] {
        let got = sealed.get(&format!("/v1/logs/{ORIGIN}{path}")).await.unwrap();
        let note = from_base64(got.header("cs-checkpoint")).unwrap();
        assert_eq!(note, checkpoint.body, "{path}");
    }
    let log = sealed.get(&format!("/v1/logs/{ORIGIN}")).await.unwrap().json().unwrap();
    let log: LogBody = serde_json::from_value(log).unwrap();
    assert_eq!((log.sealed_size, log.max_merge_delay_seconds), (Some(267), 60));
    sealed.world.stop().await.unwrap();
}

#[tokio::test]
async fn what_no_checkpoint_covers_is_not_proven() {
    let sealed = Sealed::start().await.unwrap();
    let last = sealed.world.draft("one more").await.unwrap();
    assert_eq!(last.sequence, 268);
    let log = format!("/v1/logs/{ORIGIN}");
    let early = sealed.get(&format!("{log}/proofs/268")).await.unwrap();
    assert_eq!(early.problem(), (404, "ledger.not_sealed".to_owned()));
    assert_eq!(early.header("retry-after"), "1");
    for (path, status, code) in [
        ("/proofs/1?size=71", 404, "ledger.checkpoint_not_found"),
        ("/proofs/1?size=0", 404, "ledger.checkpoint_not_found"),
        ("/proofs/1?size=18446744073709551615", 404, "ledger.checkpoint_not_found"),
        ("/proofs/71?size=70", 400, "ledger.sizes_malformed"),
        ("/proofs/18446744073709551615", 404, "ledger.not_sealed"),
        ("/proofs/0", 400, "http.malformed_id"),
        ("/proofs/-1", 400, "http.malformed_id"),
        ("/proofs/1?size=-1", 400, "http.invalid_query"),
        ("/proofs/1?sizes=70", 400, "http.invalid_query"),
        ("/consistency?from=1&to=71", 404, "ledger.checkpoint_not_found"),
        ("/consistency?from=0", 400, "ledger.sizes_malformed"),
        ("/consistency?from=0&to=70", 400, "ledger.sizes_malformed"),
        ("/consistency?from=71&to=70", 400, "ledger.sizes_malformed"),
        ("/consistency?from=268", 400, "ledger.sizes_malformed"),
        ("/consistency?from=18446744073709551615", 400, "ledger.sizes_malformed"),
        ("/consistency", 400, "http.invalid_query"),
        ("/consistency?from=1&from=2", 400, "http.invalid_query"),
    ] {
        let problem = sealed.problem(&format!("{log}{path}")).await.unwrap();
        assert_eq!(problem, (status, code.to_owned()), "{path}");
    }
    for path in ["/log/other.log/checkpoint", "/log/other.log/tile/0/000"] {
        assert_eq!(sealed.problem(path).await.unwrap(), (404, "ledger.log_not_found".to_owned()));
    }
    sealed.world.stop().await.unwrap();
}

/// Names that no tile has, or that would lead out of the archive; and one that has a query.
const NO_TILES: &[&str] = &[
    "0/001",
    "0/001.p/12",
    "0/002",
    "1/000",
    "2/000",
    "2/000.p/1",
    "63/000",
    "256/000",
    "entries/001",
    "0",
    "0/",
    "0/0",
    "0/0000",
    "00/000",
    "+0/000",
    "-1/000",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/",
    "0/000.p/011",
    "0/x000/001",
    "0/x001",
    "0//000",
    "/0/000",
    "0/000/",
    "data/000",
    "entries/..",
    "../checkpoint",
    "../../secret",
    "0/../0/000",
    "0/../../../secret",
    "..",
    ".",
    "0/./000",
    "%2e%2e/checkpoint",
    "%2e%2e/%2e%2e/secret",
    "..%2fcheckpoint",
    "..%2f..%2fsecret",
    "0%2f000",
    "0/%30%30%30",
    "0/000%00",
    "0/000%0a",
    "%00",
    "%ff",
    "%ff/000",
    "%C0%AE%C0%AE/secret",
    "..%5csecret",
    "%252e%252e/secret",
    "0/000%2ep/70",
    "0/000?size=1%ff/..",
    "entries/000%20",
    "0/x999/x999/x999/x999/x999/x999/999",
    "0/x009/x007/x199/x254/x740/992",
];

#[tokio::test]
async fn a_tile_is_served_as_it_is_kept_and_by_one_name() {
    let sealed = Sealed::start().await.unwrap();
    for (name, len) in [
        ("0/000", 256 * 32),
        ("0/001.p/11", 11 * 32),
        ("1/000.p/1", 32),
        ("0/000.p/70", 70 * 32),
        ("entries/000", 256 * 42),
        ("entries/001.p/11", 11 * 42),
        ("entries/000.p/70", 70 * 42),
    ] {
        let got = sealed.tile(name).await.unwrap();
        assert_eq!(got.status.as_u16(), 200, "{name}");
        assert_eq!(got.body.len(), len, "{name}");
        let kept = std::fs::read(sealed.world.archived(&format!("tile/{name}"))).unwrap();
        assert_eq!(got.body, kept, "{name}");
        assert_eq!(got.header("content-type"), "application/octet-stream");
        assert_eq!(got.header("cache-control"), "private, max-age=31536000, immutable");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
    }
    // An archive may keep the full tile alone: any part of it is its beginning.
    std::fs::remove_dir_all(sealed.world.archived("tile/0/000.p")).unwrap();
    let full = sealed.tile("0/000").await.unwrap().body;
    for width in [1, 70, 255] {
        let part = sealed.tile(&format!("0/000.p/{width}")).await.unwrap();
        assert_eq!(part.body, full[..width * 32]);
    }
    assert_eq!(sealed.prove(70, Some(70)).await.unwrap(), sealed.older);

    let secret = sealed.world.archived("../secret");
    std::fs::write(&secret, b"not a tile").unwrap();
    for name in NO_TILES {
        let got = sealed.tile(name).await.unwrap();
        // A query is no part of a name.
        let expected = if name.starts_with("0/000?") { "" } else { "ledger.tile_not_found" };
        assert_eq!(got.problem().1, expected, "{name}: {:?}", got.status);
        assert_eq!(got.status.as_u16() == 404, !expected.is_empty(), "{name}");
    }
    let long = "0/".repeat(8_000);
    assert_eq!(sealed.tile(&long).await.unwrap().problem().1, "ledger.tile_not_found");
    sealed.world.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_archive_proves_nothing() {
    let sealed = Sealed::start().await.unwrap();
    let (log, world) = (format!("/v1/logs/{ORIGIN}"), &sealed.world);
    let internal = (500, "internal".to_owned());
    let proofs = ["/proofs/1", "/proofs/256", "/proofs/267", "/consistency?from=70"];
    for tile in ["tile/0/000", "tile/0/001.p/11"] {
        let file = world.archived(tile);
        let kept = std::fs::read(&file).unwrap();
        let mut flipped = kept.clone();
        flipped[40] ^= 1;
        for damaged in [Some(flipped), Some(kept[..kept.len() - 1].to_vec()), Some(vec![]), None] {
            match &damaged {
                Some(bytes) => std::fs::write(&file, bytes).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            let mut refused = 0;
            for proof in proofs {
                let got = sealed.get(&format!("{log}{proof}")).await.unwrap();
                if got.status.as_u16() != 200 {
                    assert_eq!(got.problem(), internal, "{tile} {proof}");
                    refused += 1;
                }
            }
            assert!(refused >= 2, "{tile} of {:?} bytes", damaged.as_ref().map(Vec::len));
            // A tile of another length is not kept for ever by whoever asked for it.
            let got = sealed.tile(tile.trim_start_matches("tile/")).await.unwrap();
            let expected = match damaged.as_ref().map(|bytes| bytes.len() == kept.len()) {
                Some(true) => (200, String::new()),
                Some(false) => internal.clone(),
                None => (404, "ledger.tile_not_found".to_owned()),
            };
            assert_eq!(got.problem(), expected, "{tile}");
        }
        std::fs::write(&file, &kept).unwrap();
    }

    // What is no file leads nowhere.
    let (file, elsewhere) = (world.archived("tile/entries/000"), world.archived("../elsewhere"));
    std::fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert_eq!(sealed.tile("entries/000").await.unwrap().problem(), internal);

    // What cannot be read is not damaged for all that.
    let entries = world.archived("tile/entries");
    std::fs::rename(&entries, world.archived("tile/away")).unwrap();
    std::fs::write(&entries, b"no folder").unwrap();
    let got = sealed.tile("entries/001.p/11").await.unwrap();
    assert_eq!(got.problem(), (503, "ledger.archive_unavailable".to_owned()));
    assert_eq!(got.header("retry-after"), "1");

    // One checkpoint in the place of another, another log's, and none at all.
    let (older, newest) =
        (world.archived("checkpoints/00000000000000000070"), world.archived("checkpoint"));
    let kept = std::fs::read(&newest).unwrap();
    std::fs::write(&older, &kept).unwrap();
    assert_eq!(sealed.problem(&format!("{log}/proofs/1?size=70")).await.unwrap(), internal);
    let foreign = String::from_utf8(kept.clone()).unwrap().replace(ORIGIN, "another.log");
    for damaged in [foreign.as_bytes(), &kept[..kept.len() - 3], b"\xff", b""] {
        std::fs::write(&newest, damaged).unwrap();
        for path in [format!("/log/{ORIGIN}/checkpoint"), log.clone(), format!("{log}/proofs/1")] {
            assert_eq!(sealed.problem(&path).await.unwrap(), internal, "{path}");
        }
        // The log itself is no worse for it.
        let got = sealed.get(&format!("{log}/commits?after=266")).await.unwrap();
        assert_eq!((got.status.as_u16(), got.header("cs-checkpoint")), (200, ""));
    }
    std::fs::write(&newest, &kept).unwrap();
    assert_eq!(sealed.prove(1, None).await.unwrap(), sealed.newest);
    sealed.world.stop().await.unwrap();
}

#[tokio::test]
async fn before_the_first_seal_and_without_an_archive_there_is_nothing_to_show() {
    let mut world = World::start().await.unwrap();
    let auditor = world.admit("system", "otto", &[Role::Auditor]).await.unwrap();
    let log = format!("/v1/logs/{ORIGIN}");
    let paths = [
        format!("/log/{ORIGIN}/checkpoint"),
        format!("{log}/proofs/1"),
        format!("{log}/consistency?from=1"),
    ];
    for code in ["ledger.not_sealed", "ledger.no_archive"] {
        for path in &paths {
            let got = world.get(path, Some(&auditor), &[]).await.unwrap();
            assert_eq!(got.problem(), (404, code.to_owned()), "{path}");
        }
        let tile = format!("/log/{ORIGIN}/tile/0/000");
        let got = world.get(&tile, Some(&auditor), &[]).await.unwrap();
        let expected = if code == "ledger.no_archive" { code } else { "ledger.tile_not_found" };
        assert_eq!(got.problem(), (404, expected.to_owned()));
        for path in [log.clone(), format!("{log}/commits")] {
            let got = world.get(&path, Some(&auditor), &[]).await.unwrap();
            assert_eq!((got.status.as_u16(), got.header("cs-checkpoint")), (200, ""), "{path}");
        }
        let body = world.get(&log, Some(&auditor), &[]).await.unwrap().json().unwrap();
        assert_eq!(body.get("sealed_size"), None::<&Value>);
        world.router = world.unsealed.clone();
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_waits_for_its_seal_until_it_has_one() {
    let mut world = World::start().await.unwrap();
    let hour = Duration::from_mins(59);
    assert!(world.waiting_in_an_hour().await.unwrap() > hour, "no checkpoint yet");
    world.seal().await.unwrap();
    assert_eq!(world.waiting_in_an_hour().await.unwrap(), Duration::ZERO);
    world.draft("later").await.unwrap();
    let waited = world.waiting_in_an_hour().await.unwrap();
    assert!(waited > hour && waited < Duration::from_mins(70), "{waited:?}");
    world.stop().await.unwrap();
}
