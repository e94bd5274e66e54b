//! A log that lost its stream, or got an old copy of it, is restored from the archive, and the sealer goes on.

use crate::world::{SQL, World, identity, writer};
use anyhow::Context as _;
use archive::ObjectName;
use bytes::Bytes;
use devkit::identities::{COMMAND_API, LOG_OPERATOR, LOG_RESTORER, WORKFLOWS};
use devkit::stack::SHARD;
use event_log::{EventLog, Reader, Restorer, stored};
use ledger::Line;
use nats::{StoredMessage, rebuild, subjects};
use trust::encoding::Sha256Digest;

impl World {
    /// Everything that the log holds.
    async fn messages(&self) -> anyhow::Result<Vec<StoredMessage>> {
        Ok(self.reader.stored_after(0, 1_000).await?)
    }

    async fn delete(&self, streams: &[String]) -> anyhow::Result<()> {
        let operator = self.stack.connect_service(LOG_OPERATOR).await?;
        for stream in streams {
            operator.jetstream().delete_stream(stream).await?;
        }
        Ok(())
    }

    /// As a backup of the stream from when it held this.
    async fn set_back(&self, messages: &[StoredMessage]) -> anyhow::Result<()> {
        self.delete(&[subjects::log_stream(SHARD)?]).await?;
        let restorer = self.stack.connect_service(LOG_RESTORER).await?;
        rebuild::begin(&restorer, SHARD, 1, false).await?;
        let restorer = Restorer::of(&Reader::new(&restorer, identity()?));
        for message in messages {
            restorer.put(&stored(message)).await?;
        }
        Ok(())
    }

    /// Appends to whatever is there now, as a command-api that was started anew.
    async fn reopen(&mut self) -> anyhow::Result<()> {
        let connection = self.stack.connect_service(COMMAND_API).await?;
        self.log = EventLog::open(&connection, identity()?, writer()).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_deleted_comes_back_and_sealing_goes_on() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 40).await?;
    assert!(world.draft("with a blob").await? > last);
    let last = world.append("the last one").await?;
    let size = world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    let followers = world.stack.connect_service(WORKFLOWS).await?;
    let mut follower = Reader::new(&followers, identity()?).follow(None).await?;
    for _ in 1..=last {
        follower.next().await?;
    }
    let (before, newest) = (world.messages().await?, world.sealed().await?.expect("one"));
    let all = [
        subjects::log_stream(SHARD)?,
        subjects::blobs_stream(SHARD)?,
        subjects::checkpoints_stream(SHARD)?,
    ];
    world.delete(&all).await?;

    let restored = world.restore(&[], &[]).await?;
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    assert_eq!(restored.number("restored")?, size);
    assert_eq!(restored.number("checkpoint_size")?, size);
    assert_eq!((restored.number("blobs")?, restored.number("blobs_missing")?), (1, 0));
    assert_eq!(world.reader.blob("acme", &Sha256Digest::of(SQL)).await?.as_deref(), Some(SQL));
    let after = world.messages().await?;
    assert_eq!(before.len(), after.len());
    for (one, other) in before.iter().zip(&after) {
        let (one, other) = (stored(one), stored(other));
        assert_eq!((one.sequence, one.subject), (other.sequence, other.subject));
        assert_eq!((one.hash, one.signature), (other.hash, other.signature));
        assert_eq!(one.payload, other.payload);
    }
    let fence = world.sealed().await?.expect("the newest checkpoint is back");
    assert_eq!(fence.head(), newest.head());
    // Again changes nothing.
    let again = world.restore(&[], &[]).await?;
    assert_eq!((again.code, again.number("restored")?), (0, 0), "{}", again.err);
    assert_eq!(again.number("already_there")?, size);

    world.reopen().await?;
    let sealer = world.sealer("second")?;
    let last = world.grow("b", 10).await?;
    world.until_sealed(&sealer, last).await?;
    world.check_archive().await?;
    assert_eq!(world.verify(&[]).await?.code, 0);
    // The mirror of the followers' account goes on, and so does who follows it.
    loop {
        match follower.next().await {
            Ok(seen) if seen.position(&identity()?.origin).sequence == last => return Ok(()),
            Ok(_) => {}
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_is_refused_until_it_is_completed() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 30).await?;
    let size = world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    let all = world.messages().await?;
    world.set_back(&all[..12]).await?;
    let refused = world.sealer("refused")?;
    assert!(!refused.wait().await.success());
    assert!(refused.log_text().contains("restore it from the archive"), "{}", refused.log_text());
    assert!(world.reopen().await.is_err(), "nothing is appended to it either");

    let restored = world.restore(&[], &[]).await?;
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    assert_eq!((restored.number("already_there")?, restored.number("restored")?), (12, size - 12));
    world.reopen().await?;
    let sealer = world.sealer("second")?;
    let last = world.grow("b", 10).await?;
    world.until_sealed(&sealer, last).await?;
    world.check_archive().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_sealer_left_in_the_archive_comes_back_too() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 10).await?;
    let size = world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    let last = world.grow("b", 5).await?;
    let all = world.messages().await?;
    let mut lines = Vec::new();
    for message in all.iter().filter(|message| message.sequence > size) {
        let time = trust::encoding::Timestamp::new(message.time);
        lines.extend(ledger::Line::of(&stored(message), time).encode()?);
    }
    let segment = archive::Segment::new(size, last).expect("a segment");
    let name = ObjectName::Commits(segment);
    world.archive()?.put_once(&name, lines.into()).await?;
    world.set_back(&all[..5]).await?;

    let restored = world.restore(&[], &[]).await?;
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    assert_eq!(restored.number("unsealed")?, last - size);
    world.reopen().await?;
    // The same messages were taken in at another time, and are sealed all the same.
    let sealer = world.sealer("second")?;
    world.until_sealed(&sealer, last).await?;
    let last = world.grow("c", 5).await?;
    world.until_sealed(&sealer, last).await?;
    world.check_archive().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_history_is_left_as_it_is() -> anyhow::Result<()> {
    let world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 12).await?;
    world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    let mut all = world.messages().await?;
    all[6].payload = Bytes::from_static(b"another");
    world.set_back(&all[..9]).await?;
    let refused = world.restore(&[], &[]).await?;
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains("first at sequence 7"), "{}", refused.err);
    assert!(refused.err.contains("(cli.log_differs)"), "{}", refused.err);
    assert_eq!(world.messages().await?.len(), 9, "nothing was changed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_lacks_something_restores_nothing() -> anyhow::Result<()> {
    let world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 5).await?;
    let size = world.until_sealed(&sealer, last).await?;
    let last = world.grow("b", 5).await?;
    world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    let all = world.messages().await?;
    world.set_back(&all[..3]).await?;
    let segments = world.archive()?.segments(size).await?;
    let name = ObjectName::Commits(segments[0]).to_string();
    std::fs::remove_file(world.archive_dir.join(crate::world::ORIGIN).join(name))?;
    let refused = world.restore(&[], &[]).await?;
    assert_eq!(refused.code, 8, "{}", refused.err);
    assert!(refused.err.contains("(cli.archive_incomplete)"), "{}", refused.err);
    assert!(refused.err.contains("open-log --predecessor"), "{}", refused.err);
    assert_eq!(world.messages().await?.len(), 3, "nothing was changed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_stream_keeps_what_follows_and_a_lost_message_stays_lost() -> anyhow::Result<()> {
    let mut world = World::that_forgets().await?;
    world.grow("a", 6).await?;
    world.lose(4).await?;
    let sealer = world.sealer("first")?;
    let last = world.append("b").await?;
    let size = world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    world.grow("c", 3).await?;
    let longer = world.restore(&[4], &[]).await?;
    assert_eq!((longer.code, longer.number("tail")?), (0, 3), "{}{}", longer.out, longer.err);

    world.delete(&[subjects::log_stream(SHARD)?]).await?;
    let silent = world.restore(&[], &[]).await?;
    assert_eq!(silent.code, 8, "{}", silent.err);
    let restored = world.restore(&[4], &[]).await?;
    assert_eq!(restored.code, 0, "{}{}", restored.out, restored.err);
    assert_eq!((restored.number("lost")?, restored.number("restored")?), (1, size - 1));
    assert!(world.lose(5).await.is_err(), "the stream is hardened now");
    world.reopen().await?;
    let sealer = world.sealer("second")?;
    let last = world.grow("d", 3).await?;
    world.until_sealed(&sealer, last).await?;
    assert_eq!(world.verify(&[4]).await?.code, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_stream_that_does_not_follow_is_left_as_it_is() -> anyhow::Result<()> {
    let world = World::that_forgets().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 4).await?;
    let size = world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    world.grow("b", 3).await?;
    let hole = size + 2;
    world.lose(hole).await?;
    let refused = world.restore(&[], &[]).await?;
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains(&format!("sequence {hole} does not follow")), "{}", refused.err);
    world.lose(size + 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_was_changed_in_the_archive_is_not_restored() -> anyhow::Result<()> {
    let world = World::new().await?;
    let sealer = world.sealer("first")?;
    let last = world.grow("a", 12).await?;
    world.until_sealed(&sealer, last).await?;
    sealer.kill().await;
    let all = world.messages().await?;
    world.set_back(&all[..3]).await?;
    let segment = world.archive()?.segments(0).await?[0];
    let path = world.archive_dir.join(crate::world::ORIGIN);
    let path = path.join(ObjectName::Commits(segment).to_string());
    let mut lines = Vec::new();
    for line in std::fs::read(&path)?.split_inclusive(|byte| *byte == b'\n') {
        lines.push(Line::parse(line)?);
    }
    // No root covers it.
    lines[0].signature = lines.last().context("a line")?.signature.clone();
    let lines = lines.iter().map(Line::encode).collect::<Result<Vec<_>, _>>()?;
    std::fs::write(&path, lines.concat())?;
    let refused = world.restore(&[], &[]).await?;
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(
        refused.err.contains("sequence 1 of the archive is condemned (signature_wrong)"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("(cli.archive_condemned)"), "{}", refused.err);
    assert_eq!(world.messages().await?.len(), 3, "nothing was changed");
    Ok(())
}
