//! Real witnesses beside a real sealer: what is shown is cosigned, and a log that was put back gets nowhere.

use crate::witness::{Witness, policy_with};
use crate::world::{World, policy};
use anyhow::Context as _;
use devkit::Child;
use ledger::{CheckpointNote, LogPolicy, VerifiedCheckpoint};
use std::path::Path;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_mins(1);

/// What the archive shows as the newest.
pub async fn shown(world: &World) -> anyhow::Result<Option<CheckpointNote>> {
    let bytes = world.archive()?.newest_checkpoint().await?;
    Ok(bytes.map(|bytes| CheckpointNote::parse(&bytes)).transpose()?)
}

/// Waits until the newest note that is shown covers a sequence; it always verifies.
pub async fn until_shown(
    world: &World,
    sealer: &Child,
    policy: &LogPolicy,
    sequence: u64,
) -> anyhow::Result<VerifiedCheckpoint> {
    let note = sealer.until(PATIENCE, || async {
        shown(world).await.ok()?.filter(|note| note.claim().size >= sequence)
    });
    Ok(note.await?.verify(policy)?)
}

pub async fn stops(child: &Child, why: &str) -> anyhow::Result<()> {
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    let text = child.log_text();
    let status = ended.with_context(|| format!("it goes on: {text}"))?;
    anyhow::ensure!(!status.success() && text.contains(why), "{why}: {status}\n{text}");
    Ok(())
}

fn sealer(
    world: &World,
    name: &str,
    quorum: usize,
    witnesses: &[&Witness],
) -> anyhow::Result<Child> {
    world.sealer_before(name, &world.archive_dir, quorum, witnesses)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_verifies_under_a_quorum_of_one_and_of_two() -> anyhow::Result<()> {
    let world = World::new().await?;
    let one = Witness::new(world.folder.path(), "one.witness", 21).await?;
    let two = Witness::new(world.folder.path(), "two.witness", 22).await?;
    let (_one, _two) = (one.start().await?, two.start().await?);
    let sealer = sealer(&world, "witnessed", 2, &[&one, &two])?;
    for round in 0..3 {
        let last = world.grow(&format!("round{round}"), 20).await?;
        let shown = until_shown(&world, &sealer, &policy_with(&[&one, &two], 2)?, last).await?;
        assert!(shown.is_witnessed() && shown.cosigned().len() == 2);
        let note = shown.note().clone();
        assert!(note.clone().verify(&policy_with(&[&two], 1)?)?.is_witnessed());
        assert!(!note.verify(&policy()?)?.is_witnessed());
    }
    // Monitors see at the witness what everybody sees at the log.
    let theirs = one.checkpoint().await?.context("a note")?;
    let size = theirs.claim().size;
    assert!(theirs.verify(&policy_with(&[&one], 1)?)?.is_witnessed());
    assert!(one.card().await?.contains(&format!("log sealed.log {size} ")));
    world.check_archive().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_down_delays_what_is_shown_and_nothing_else() -> anyhow::Result<()> {
    let world = World::new().await?;
    let up = Witness::new(world.folder.path(), "up.witness", 21).await?;
    let down = Witness::new(world.folder.path(), "down.witness", 22).await?;
    let both = policy_with(&[&up, &down], 2)?;
    let _up = up.start().await?;
    let first = sealer(&world, "first", 2, &[&up, &down])?;
    let last = world.grow("a", 10).await?;
    world.until_sealed(&first, last).await?;
    assert_eq!(shown(&world).await?, None);
    // A start shows no more than the run before it.
    first.kill().await;
    let second = sealer(&world, "second", 2, &[&up, &down])?;
    let last = world.grow("b", 10).await?;
    world.until_sealed(&second, last).await?;
    assert_eq!(shown(&world).await?, None);
    let started = down.start().await?;
    let before = until_shown(&world, &second, &both, last).await?;
    started.kill().await;
    let last = world.grow("c", 10).await?;
    world.until_sealed(&second, last).await?;
    second.kill().await;
    let third = sealer(&world, "third", 2, &[&up, &down])?;
    let last = world.grow("d", 10).await?;
    world.until_sealed(&third, last).await?;
    let still = shown(&world).await?.context("a note")?.verify(&both)?;
    assert_eq!(still.head(), before.head());
    let _down = down.start().await?;
    until_shown(&world, &third, &both, last).await?;
    world.check_archive().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_witnesses_is_enough_where_the_quorum_is_one() -> anyhow::Result<()> {
    let world = World::new().await?;
    let down = Witness::new(world.folder.path(), "down.witness", 22).await?;
    let up = Witness::new(world.folder.path(), "up.witness", 21).await?;
    let _up = up.start().await?;
    let sealer = sealer(&world, "sealer", 1, &[&down, &up])?;
    let last = world.grow("a", 10).await?;
    let shown = until_shown(&world, &sealer, &policy_with(&[&down, &up], 1)?, last).await?;
    assert_eq!(shown.cosigned()[0].witness.as_str(), "up.witness");
    Ok(())
}

/// A log that a witness has seen, and the witness.
async fn seen(parent: &Path) -> anyhow::Result<(World, Witness, Child, CheckpointNote)> {
    let world = World::new().await?;
    let witness = Witness::new(parent, "w.witness", 21).await?;
    let running = witness.start().await?;
    let sealer = sealer(&world, "true", 1, &[&witness])?;
    let last = world.grow("true", 20).await?;
    until_shown(&world, &sealer, &policy_with(&[&witness], 1)?, last).await?;
    sealer.kill().await;
    let note = witness.checkpoint().await?.context("a note")?;
    Ok((world, witness, running, note))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealer_whose_state_was_put_back_stops() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_true, witness, _running, note) = seen(folder.path()).await?;
    // The same log after a restore that lost its end: stream, archive and checkpoints of an earlier time.
    let restored = World::new().await?;
    let lonely = restored.sealer("lonely")?;
    let last = restored.grow("true", 5).await?;
    restored.until_sealed(&lonely, last).await?;
    lonely.kill().await;
    let sizes = restored.archive()?.checkpoint_sizes(None).await?;
    let again = sealer(&restored, "again", 1, &[&witness])?;
    let size = note.claim().size;
    stops(&again, &format!("witness w.witness has cosigned size {size}, and the largest")).await?;
    assert_eq!(restored.archive()?.checkpoint_sizes(None).await?, sizes);
    // Everything was lost: not even an empty archive is believed.
    let empty = World::new().await?;
    let fresh = sealer(&empty, "fresh", 1, &[&witness])?;
    stops(&fresh, "and the largest checkpoint here is 0: state was lost").await?;
    assert!(empty.archive()?.checkpoint_sizes(None).await?.is_empty());
    assert_eq!(witness.checkpoint().await?, Some(note));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_and_grew_another_way_is_not_cosigned() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_true, witness, running, note) = seen(folder.path()).await?;
    running.kill().await;
    let forked = World::new().await?;
    let last = forked.grow("other", 30).await?;
    assert!(last > note.claim().size);
    // While the witness is away the fork is signed, but nobody is shown it.
    let alone = sealer(&forked, "alone", 1, &[&witness])?;
    forked.until_sealed(&alone, last).await?;
    assert_eq!(shown(&forked).await?, None);
    // When it comes back the sealer hears of it, and stops; so does every later one.
    let _running = witness.start().await?;
    stops(&alone, "it cosigned another history, a fork").await?;
    let later = sealer(&forked, "later", 1, &[&witness])?;
    stops(&later, "it cosigned another history, a fork").await?;
    assert_eq!(shown(&forked).await?, None);
    assert_eq!(witness.checkpoint().await?, Some(note));
    Ok(())
}
