//! Nothing is signed that contradicts what was signed before.

use crate::world::{World, log_key, origin};
use archive::ObjectName;
use bytes::Bytes;
use devkit::Child;
use ledger::{Checkpoint, NodeHash, TreeHead};
use trust::keys::PrivateKey;

async fn refuses(child: &Child, why: &str) -> anyhow::Result<()> {
    let status = child.wait().await;
    let text = child.log_text();
    anyhow::ensure!(!status.success() && text.contains(why), "{why}: {status}\n{text}");
    Ok(())
}

/// A checkpoint that the log's own key signed and that is not one of this log.
fn lie(size: u64, key: &PrivateKey) -> anyhow::Result<Bytes> {
    let head = TreeHead { size, root: NodeHash::from_bytes([9; 32]) };
    Ok(Bytes::from(Checkpoint::new(origin()?, &head).seal(key, 1_800_000_000)?.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_history_stops_the_sealer() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.grow("a", 20).await?;
    world.checkpoints().append(lie(10, &log_key())?, 0).await?;
    refuses(&world.sealer("forked")?, "a fork").await?;
    assert!(world.archive()?.checkpoint_sizes(None).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_shorter_than_what_was_sealed_stops_the_sealer() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.checkpoints().append(lie(1_000, &log_key())?, 0).await?;
    refuses(&world.sealer("shortened")?, "restore it from the archive").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_not_the_logs_stops_the_sealer() -> anyhow::Result<()> {
    let world = World::new().await?;
    let stranger = PrivateKey::from_seed(&[8; 32]);
    world.archive()?.put_once(&ObjectName::Note { size: 1 }, lie(1, &stranger)?).await?;
    refuses(&world.sealer("foreign")?, "did not sign").await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_checkpoints_that_contradict_each_other_stop_the_sealer() -> anyhow::Result<()> {
    let world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 30).await?;
    world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    // The stream still has the true one; the archive gets a larger one that is not of this log.
    world.grow("b", 10).await?;
    world
        .archive()?
        .put_once(&ObjectName::Note { size: last + 3 }, lie(last + 3, &log_key())?)
        .await?;
    refuses(&world.sealer("second")?, "a fork").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_appended_to_a_log_that_is_shorter_than_what_was_sealed() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.append("before").await?;
    world.checkpoints().append(lie(1_000, &log_key())?, 0).await?;
    world.log.reconnect().await?;
    let refused = world.append("after").await.map_err(|error| format!("{error:#}"));
    assert!(
        refused.as_ref().is_err_and(|why| why.contains("1000 messages were sealed")),
        "{refused:?}"
    );
    Ok(())
}
