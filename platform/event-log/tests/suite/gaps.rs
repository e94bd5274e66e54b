//! Lost messages: passed where they are declared, and where a log is put back message by message.

use crate::world::{enrolled, identity, writer};
use countersign_event_log as event_log;
use devkit::identities::{LOG_RESTORER, WORKFLOWS};
use devkit::stack::SHARD;
use devkit::{Options, Stack};
use event_log::{EventLog, Follower, LogError, Reader, RestoreError, Restorer, open_log};
use ledger::{LogIdentity, Stored};
use nats::{Connection, rebuild, subjects};

fn with_gaps(gaps: &[u64]) -> anyhow::Result<LogIdentity> {
    Ok(LogIdentity { gaps: gaps.to_vec(), ..identity()? })
}

/// Five commits of which 3 and 4 are lost, also to the mirror.
async fn forgetful() -> anyhow::Result<(Stack, Connection)> {
    chassis::process::install_crypto();
    let stack = Stack::start(Options::default()).await?;
    let restorer = stack.connect_service(LOG_RESTORER).await?;
    restorer.jetstream().delete_stream(subjects::log_stream(SHARD)?).await?;
    rebuild::begin(&restorer, SHARD, 1, true).await?;
    let connection = stack.connect_service(devkit::identities::COMMAND_API).await?;
    let opening = crate::world::request("open", "")?;
    open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
    let log = EventLog::open(&connection, identity()?, writer()).await?;
    for name in ["a", "b", "c", "d"] {
        enrolled(&log, name, name).await?;
    }
    for sequence in [3, 4] {
        rebuild::leave_out(&restorer, SHARD, sequence).await?;
    }
    Ok((stack, restorer))
}

async fn sequences(follower: &mut Follower) -> Result<Vec<u64>, LogError> {
    let mut seen = Vec::new();
    while seen.last() != Some(&5) {
        seen.push(follower.next_judged().await?.message.sequence);
    }
    Ok(seen)
}

#[tokio::test]
async fn only_gaps_that_are_declared_are_passed() -> anyhow::Result<()> {
    let (stack, restorer) = forgetful().await?;
    let follow = async |gaps: &[u64]| -> anyhow::Result<Result<Vec<u64>, LogError>> {
        let reader = Reader::new(&restorer, with_gaps(gaps)?);
        let mut follower = reader.follow(None).await?;
        Ok(sequences(&mut follower).await)
    };
    assert_eq!(follow(&[3, 4]).await??, [1, 2, 5]);
    for few in [&[][..], &[3], &[4]] {
        let stopped = follow(few).await?;
        assert!(matches!(stopped, Err(LogError::Gap { expected: 3, found: 5 })), "{stopped:?}");
    }
    let stopped = follow(&[2, 3, 4]).await?;
    assert!(matches!(stopped, Err(LogError::GapFilled { sequence: 2 })), "{stopped:?}");
    // Who counts leaves is told of each, and goes on where it says so; a position may be a lost one.
    let reader = Reader::new(&restorer, with_gaps(&[3, 4])?);
    let mut follower = reader.follow_with(None, std::collections::BTreeMap::new()).await?;
    let told = sequences(&mut follower).await;
    assert!(matches!(told, Err(LogError::Gap { expected: 3, found: 5 })), "{told:?}");
    assert!(follower.pass_lost(5).is_err(), "it has that one");
    follower.pass_lost(4)?;
    follower.read_again();
    assert_eq!(sequences(&mut follower).await?, [5]);
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_mirror_that_still_holds_what_is_declared_lost_stops_its_reader() -> anyhow::Result<()> {
    let (stack, log) = crate::world::stack().await?;
    enrolled(&log, "a", "a").await?;
    let control = stack.connect_service(WORKFLOWS).await?;
    let mut follower = Reader::new(&control, with_gaps(&[2])?).follow(None).await?;
    follower.next().await?;
    let stopped = follower.next().await;
    assert!(matches!(stopped, Err(LogError::GapFilled { sequence: 2 })), "{stopped:?}");
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_message_is_put_at_its_own_sequence_or_not_at_all() -> anyhow::Result<()> {
    let (stack, connection) = forgetful().await?;
    let restorer = Restorer::of(&Reader::new(&connection, identity()?));
    let message = |sequence, payload| Stored {
        sequence,
        subject: "cs.log.main.acme.agent.agt_00000000000000000000000001",
        hash: Some("h"),
        signature: None,
        payload,
    };
    restorer.put(&message(6, b"six")).await?;
    // Our own, whose answer was lost, and somebody else's.
    restorer.put(&message(6, b"six")).await?;
    let taken = restorer.put(&message(6, b"other")).await;
    assert!(matches!(taken, Err(RestoreError::Taken { sequence: 6 })), "{taken:?}");
    let reader = Reader::new(&connection, identity()?);
    assert_eq!(reader.last_sequence().await?, 6);
    for subject in ["cs.log.other.a", "cs.log.main.a.*", "cs.blob.main.a.b", "cs.log.main.a b"] {
        let astray = restorer.put(&Stored { subject, ..message(7, b"x") }).await;
        assert!(matches!(astray, Err(RestoreError::Subject { sequence: 7 })), "{subject}");
    }
    rebuild::finish(&connection, SHARD, 1).await?;
    let hardened = rebuild::leave_out(&connection, SHARD, 5).await;
    assert!(hardened.is_err(), "a hardened stream forgets nothing");
    stack.stop().await;
    Ok(())
}
