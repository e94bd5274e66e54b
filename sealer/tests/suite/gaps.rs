//! What the log lost becomes a gap leaf, and only that.

use crate::world::World;
use archive::{ObjectName, Segment};
use bytes::Bytes;
use devkit::identities::LOG_OPERATOR;
use devkit::stack::SHARD;
use ledger::{CommitHash, HASH_HEADER, Line, SIGNATURE_HEADER, Stored, Tree};
use std::time::Duration;
use trust::encoding::Timestamp;

/// The root over the log as it is, with gap leaves where it holds nothing.
async fn root_with_gaps(world: &World, size: u64) -> anyhow::Result<ledger::NodeHash> {
    let mut tree = Tree::empty();
    let messages = world.reader.stored_after(0, 1_000).await?;
    for message in messages.iter().take_while(|message| message.sequence <= size) {
        while tree.size() + 1 < message.sequence {
            tree.push(tree.size() + 1, &CommitHash::ZERO)?;
        }
        tree.push(message.sequence, &CommitHash::of(&message.payload))?;
    }
    Ok(tree.root())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_is_a_gap_leaf_that_only_a_policy_excuses() -> anyhow::Result<()> {
    let world = World::that_forgets().await?;
    world.grow("a", 6).await?;
    for sequence in [3, 5, 6] {
        world.lose(sequence).await?;
    }
    // What doctor compares with the configuration.
    let operator = world.stack.connect_service(LOG_OPERATOR).await?;
    let streams = nats::inspect::log(&operator, SHARD, 1).await?;
    let log = streams.into_iter().find_map(|stream| stream.found).expect("the log");
    assert_eq!((log.deleted, log.messages), (vec![3, 5, 6], 4));
    let sealer = world.sealer("first")?;
    let last = world.append("b").await?;
    let size = world.until_sealed(&sealer, last).await?;
    let head = world.sealed().await?.expect("a checkpoint").head();
    assert_eq!((head.size, head.root), (size, root_with_gaps(&world, size).await?));
    assert!(sealer.log_text().contains("lost for good"), "{}", sealer.log_text());
    sealer.kill().await;
    // What stands under a signed checkpoint is taken in again.
    let again = world.sealer("again")?;
    let last = world.grow("c", 5).await?;
    let size = world.until_sealed(&again, last).await?;
    assert_eq!(
        world.sealed().await?.expect("one").head().root,
        root_with_gaps(&world, size).await?
    );
    let silent = world.verify(&[]).await?;
    assert_eq!(silent.code, 8, "{}{}", silent.out, silent.err);
    let few = world.verify(&[3, 5]).await?;
    assert_eq!(few.code, 8, "{}", few.out);
    let named = world.verify(&[3, 5, 6]).await?;
    assert_eq!(named.code, 0, "{}{}", named.out, named.err);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_archive_holds_is_restored_and_not_sealed_as_lost() -> anyhow::Result<()> {
    let world = World::that_forgets().await?;
    world.grow("a", 4).await?;
    let message = world.reader.stored_after(2, 1).await?.remove(0);
    let stored = Stored {
        sequence: message.sequence,
        subject: &message.subject,
        hash: message.header(HASH_HEADER),
        signature: message.header(SIGNATURE_HEADER),
        payload: &message.payload,
    };
    // As a sealer leaves it that was killed before it signed.
    let line = Line::of(&stored, Timestamp::new(message.time)).encode()?;
    let name = ObjectName::Commits(Segment::new(2, 3).expect("a segment"));
    world.archive()?.put_once(&name, Bytes::from(line)).await?;
    world.lose(3).await?;
    let sealer = world.sealer("stopped")?;
    // One that seals it as lost never ends.
    let status = tokio::time::timeout(Duration::from_mins(1), sealer.wait()).await?;
    assert!(!status.success());
    let text = sealer.log_text();
    assert!(text.contains("sequence 3 is lost") && text.contains("archive restore"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sealed_and_is_lost_stops_the_sealer() -> anyhow::Result<()> {
    let world = World::that_forgets().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 6).await?;
    world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    for lost in [last, 4] {
        world.lose(lost).await?;
        let sealer = world.sealer("second")?;
        assert!(!sealer.wait().await.success());
        let text = sealer.log_text();
        let named = format!("sequence {lost} was sealed, and the log has lost it");
        assert!(text.contains(&named), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_less_than_the_protocol_asks_for_a_message_of_production() -> anyhow::Result<()>
{
    let world = World::new().await?;
    let config = world.folder.path().join("hasty.toml");
    let sealer = world.sealer("hasty")?;
    sealer.kill().await;
    let text = std::fs::read_to_string(&config)?.replace("development = true", "");
    std::fs::write(&config, text)?;
    let hasty = world.sealer_of("hasty")?;
    assert!(!hasty.wait().await.success());
    assert!(hasty.log_text().contains("the protocol asks for 60"), "{}", hasty.log_text());
    Ok(())
}
