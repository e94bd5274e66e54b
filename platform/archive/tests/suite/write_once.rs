//! An object is written once, whoever tries and however often.

use crate::world::{BUCKET, Server, origin};
use anyhow::ensure;
use bytes::Bytes;
use countersign_archive::{Archive, ArchiveError, ObjectName, Put};
use devkit::object_store_server::BucketLock;
use futures::future::join_all;

#[tokio::test]
async fn a_folder_takes_an_object_once() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let archive = Archive::in_folder(root.path(), &origin()?)?;
    once(&archive).await?;
    once_of_many(&archive, 20).await
}

#[tokio::test]
async fn a_bucket_takes_an_object_once() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let archive = server.archive(BUCKET, BucketLock::ForADay("COMPLIANCE")).await?;
    once(&archive).await?;
    // SeaweedFS takes half a second for each put that waits for another one of the same name.
    once_of_many(&archive, 1).await
}

async fn once(archive: &Archive) -> anyhow::Result<()> {
    let name = ObjectName::Heads { size: 1 };
    let first = Bytes::from_static(b"first");
    ensure!(archive.put_once(&name, first.clone()).await? == Put::Stored);
    ensure!(archive.put_once(&name, first.clone()).await? == Put::AlreadyThere);
    // Other bytes of the same length, fewer and more.
    for other in ["worst", "", "first and more"] {
        let put = archive.put_once(&name, Bytes::from(other)).await;
        ensure!(matches!(put, Err(ArchiveError::Differs { .. })), "{other:?}: {put:?}");
        ensure!(archive.get(&name).await?.as_ref() == Some(&first), "{other:?} is there now");
    }
    Ok(())
}

async fn once_of_many(archive: &Archive, rounds: u64) -> anyhow::Result<()> {
    for round in 0..rounds {
        let (same, other) =
            (ObjectName::Note { size: round }, ObjectName::Heads { size: 100 + round });
        let puts = join_all((0..8).map(|_| archive.put_once(&same, Bytes::from("note")))).await;
        let puts = puts.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure!(puts.iter().filter(|put| **put == Put::Stored).count() == 1, "{puts:?}");
        let bytes = |putter: u8| Bytes::from(vec![putter; 1000]);
        let puts = join_all((0..8).map(|putter| archive.put_once(&other, bytes(putter)))).await;
        let stored = puts.iter().position(|put| matches!(put, Ok(Put::Stored)));
        let differs =
            |put: &Result<Put, ArchiveError>| matches!(put, Err(ArchiveError::Differs { .. }));
        ensure!(puts.iter().filter(|put| differs(put)).count() == 7, "{puts:?}");
        let winner = u8::try_from(stored.unwrap_or(usize::MAX))?;
        ensure!(archive.get(&other).await? == Some(bytes(winner)), "the winner was overwritten");
    }
    Ok(())
}
