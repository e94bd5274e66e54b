//! What is put comes back, byte by byte and in order.

use crate::world::{BUCKET, Server, evidence, origin, seal, segment};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use countersign_archive::{Archive, Level, ObjectName, Put, Width, lines};
use devkit::object_store_server::BucketLock;
use futures::TryStreamExt as _;
use ledger::Line;
use std::num::NonZeroU8;
use trust::encoding::Sha256Digest;

#[tokio::test]
async fn a_folder_gives_back_what_was_put() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let archive = Archive::in_folder(root.path(), &origin()?)?;
    every_kind_of_object(&archive).await?;
    the_whole_log(&archive).await?;
    let checkpoint = root.path().join("log.acme.example/checkpoint");
    ensure!(std::fs::read(checkpoint)? == b"note of size 7\n");
    Ok(())
}

#[tokio::test]
async fn a_bucket_gives_back_what_was_put() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let archive = server.archive(BUCKET, BucketLock::ForADay("COMPLIANCE")).await?;
    every_kind_of_object(&archive).await?;
    the_whole_log(&archive).await
}

async fn every_kind_of_object(archive: &Archive) -> anyhow::Result<()> {
    let level = Level::new(0).context("no level")?;
    let width = Width::Partial(NonZeroU8::new(7).context("no width")?);
    let blob = Bytes::from(vec![b'x'; 4 << 20]);
    let digest = Sha256Digest::of(&blob);
    for (name, bytes) in [
        (ObjectName::Tile { level, index: 1_234_067, width }, Bytes::from(vec![1; 7 * 32])),
        (
            ObjectName::Tile { level, index: 1_234_067, width: Width::Full },
            Bytes::from(vec![1; 256 * 32]),
        ),
        (ObjectName::Entries { index: 0, width }, Bytes::from_static(b"\0\x01a")),
        (ObjectName::Blob(digest), blob.clone()),
        (ObjectName::Blob(Sha256Digest::of(b"")), Bytes::new()),
        (ObjectName::Heads { size: 7 }, Bytes::from_static(b"\xff\0\n")),
    ] {
        ensure!(!archive.exists(&name).await?, "{name} is there before it is put");
        ensure!(archive.get(&name).await?.is_none(), "{name} is read before it is put");
        ensure!(archive.put_once(&name, bytes.clone()).await? == Put::Stored);
        ensure!(archive.exists(&name).await?, "{name} is not there");
        ensure!(archive.get(&name).await? == Some(bytes), "{name} comes back changed");
    }
    ensure!(archive.blob(digest).await? == Some(blob));
    ensure!(archive.heads_sizes(None).await? == [7]);
    ensure!(archive.heads_sizes(Some(7)).await?.is_empty());
    Ok(())
}

async fn the_whole_log(archive: &Archive) -> anyhow::Result<()> {
    ensure!(archive.newest_checkpoint().await?.is_none());
    ensure!(archive.checkpoint_sizes(None).await?.is_empty());
    seal(archive, 0, 2).await?;
    // A sealer that was killed before the checkpoint, and the one after it.
    let orphan = ObjectName::Commits(segment(2, 4)?);
    archive.put_once(&orphan, evidence(2, 4)?).await?;
    seal(archive, 2, 5).await?;
    seal(archive, 5, 7).await?;
    ensure!(archive.checkpoint_sizes(None).await? == [2, 5, 7]);
    ensure!(archive.checkpoint_sizes(Some(5)).await? == [7]);
    ensure!(archive.newest_checkpoint().await? == Some(Bytes::from("note of size 7\n")));
    ensure!(archive.segments(0).await? == [segment(0, 2)?, segment(2, 5)?, segment(5, 7)?]);
    ensure!(sequences(archive, 0).await? == [1, 2, 3, 4, 5, 6, 7]);
    ensure!(sequences(archive, 2).await? == [3, 4, 5, 6, 7]);
    ensure!(sequences(archive, 4).await? == [3, 4, 5, 6, 7]);
    ensure!(sequences(archive, 7).await?.is_empty());
    Ok(())
}

async fn sequences(archive: &Archive, after: u64) -> anyhow::Result<Vec<u64>> {
    let mut log = std::pin::pin!(archive.read_log(after).await?);
    let mut found = Vec::new();
    while let Some((_, segment)) = log.try_next().await? {
        for line in lines(segment) {
            found.push(Line::parse(&line)?.sequence);
        }
    }
    Ok(found)
}
