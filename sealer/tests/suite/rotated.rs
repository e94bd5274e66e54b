//! The log's key is rotated: the new one goes on where the old one ended, and neither signs for the other.

use crate::world::{World, log_key, policy};
use archive::ObjectName;
use devkit::Child;
use ledger::{CheckpointError, CheckpointNote, LogKey, LogPolicy, Sizes, VerifiedCheckpoint};
use std::time::Duration;
use trust::keys::PrivateKey;

fn new_key() -> PrivateKey {
    PrivateKey::from_seed(&[17; 32])
}

/// A verifier's policy after the rotation.
fn rotated(last: u64) -> anyhow::Result<LogPolicy> {
    let old = Sizes { from: 0, to: Some(last) };
    let new = Sizes { from: last + 1, to: None };
    let keys = vec![
        LogKey { key: log_key().public(), sizes: old },
        LogKey { key: new_key().public(), sizes: new },
    ];
    Ok(LogPolicy { keys, ..policy()? })
}

async fn note_of(world: &World, size: u64) -> anyhow::Result<CheckpointNote> {
    let bytes = world.archive()?.get(&ObjectName::Note { size }).await?;
    Ok(CheckpointNote::parse(&bytes.unwrap_or_default())?)
}

async fn refuses(child: &Child, why: &str) -> anyhow::Result<()> {
    let status = child.wait().await;
    let text = child.log_text();
    anyhow::ensure!(!status.success() && text.contains(why), "{why}: {status}\n{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_goes_on_where_the_old_one_ended() -> anyhow::Result<()> {
    let world = World::new().await?;
    let sealer = world.sealer("old")?;
    let last = world.grow("before", 20).await?;
    let ended = world.until_sealed(&sealer, last).await?;
    sealer.kill().await;

    // A new key alone makes the log's own past foreign; one that began before the newest checkpoint ended, or after it,
    // would leave sizes that belong to both or to nobody.
    world.use_log_key(&new_key())?;
    refuses(&world.sealer("unannounced")?, "did not sign").await?;
    refuses(&world.sealer_after("early", &log_key(), ended - 1)?, "does not count at size").await?;
    refuses(&world.sealer_after("late", &log_key(), ended + 5)?, "must end with the newest")
        .await?;

    let sealer = world.sealer_after("new", &log_key(), ended)?;
    let last = world.grow("after", 20).await?;
    let policy = rotated(ended)?;
    let archive = world.archive()?;
    let verified = sealer.until(Duration::from_mins(1), || async {
        let newest = world.checkpoints().newest().await.ok()??;
        let verified = CheckpointNote::parse(&newest.note).ok()?.verify(&policy).ok()?;
        let size = verified.head().size;
        let is_kept = archive.exists(&ObjectName::Note { size }).await.ok()?;
        (size >= last && is_kept).then_some(verified)
    });
    let verified: VerifiedCheckpoint = verified.await?;
    assert!(verified.head().size > ended);
    for size in archive.checkpoint_sizes(None).await? {
        assert!(note_of(&world, size).await?.verify(&policy).is_ok(), "{size}");
    }
    // Who did not take the rotation in believes nothing that the new key signed, and the old one nothing later.
    let newest = note_of(&world, verified.head().size).await?;
    assert_eq!(newest.clone().verify(&crate::world::policy()?), Err(CheckpointError::Unsigned));
    sealer.kill().await;

    // The old key does not come back.
    world.use_log_key(&log_key())?;
    refuses(&world.sealer("returned")?, "did not sign").await?;
    // The new one starts again, over checkpoints of both.
    world.use_log_key(&new_key())?;
    let sealer = world.sealer_after("again", &log_key(), ended)?;
    let last = world.grow("again", 5).await?;
    let goes_on = sealer.until(Duration::from_mins(1), || async {
        let newest = world.checkpoints().newest().await.ok()??;
        let verified = CheckpointNote::parse(&newest.note).ok()?.verify(&policy).ok()?;
        (verified.head().size >= last).then_some(())
    });
    goes_on.await?;
    Ok(())
}
