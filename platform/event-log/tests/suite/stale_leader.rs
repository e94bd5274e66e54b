//! A leader that was stopped in time while another one led, and goes on as if nothing had happened.

use crate::servers::{Servers, data_source, followed, lock, register, release};
use crate::world::{TENANT, request};
use anyhow::Context as _;
use countersign_event_log as event_log;
use devkit::identities::{COMMAND_API, LOG_OPERATOR};
use domain::catalog::{DataSource, DataSourceCommand, DataSourceError};
use event_log::{Answered, EventLog, ExecuteError, Reader, Recorded, Request};
use futures::future::try_join_all;
use ledger::Receipt;
use nats::Connection;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

const STREAM: &str = "CS_LOG_main";
/// Questions that the old leader would answer wrongly from what it knows, each on a data source of its own.
const SHOPS: [&str; 6] = ["retry", "release", "version", "body", "lock", "unknown"];

type Answer = Result<Answered, ExecuteError<DataSourceError>>;

/// Every acknowledgement that anybody was given.
#[derive(Default)]
struct Acknowledged {
    receipts: RefCell<Vec<(String, Receipt)>>,
}

impl Acknowledged {
    async fn ask(
        &self,
        log: &EventLog,
        shop: &str,
        command: DataSourceCommand,
        request: Request,
    ) -> Answer {
        let answer = log.execute::<DataSource, _>(&data_source(shop), command, &request).await;
        if let Ok(answered) = &answer {
            self.receipts.borrow_mut().push((request.command.to_string(), answered.receipt()));
        }
        answer
    }

    /// Each acknowledged command is in the history once, where its receipt says; nothing else is.
    fn is_all_of(&self, history: &[Recorded]) -> anyhow::Result<()> {
        let receipts = self.receipts.borrow();
        for (command, receipt) in receipts.iter() {
            let commits: Vec<&Recorded> =
                history.iter().filter(|it| it.command.id.to_string() == *command).collect();
            let [commit] = commits[..] else { anyhow::bail!("{command}: {commits:?}") };
            let held = (commit.sequence, commit.version, commit.hash);
            let said = (receipt.sequence, receipt.version, receipt.hash);
            anyhow::ensure!(held == said, "{commit:?} is not {receipt:?}");
        }
        let commands: BTreeSet<&String> = receipts.iter().map(|(command, _)| command).collect();
        anyhow::ensure!(history.len() == commands.len() + 1, "more is recorded than acknowledged");
        Ok(())
    }
}

fn named(shop: &str, what: &str) -> anyhow::Result<Request> {
    request(&format!("{shop} {what}"), what)
}

/// How many messages the client has sent to its server.
fn sent(connection: &Connection) -> u64 {
    connection.client().statistics().out_messages.load(Ordering::Relaxed)
}

/// What the old leader still knows.
async fn before(log: &EventLog, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    for shop in SHOPS.iter().filter(|shop| **shop != "unknown") {
        let registered = named(shop, "register")?;
        acknowledged.ask(log, shop, register(shop), registered).await?;
        acknowledged.ask(log, shop, lock(1), named(shop, "lock 1")?).await?;
    }
    Ok(())
}

/// What it has missed: another change holds the lock.
async fn meanwhile(log: &EventLog, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    let missed = |shop: &'static str| async move {
        let commands = match shop {
            "unknown" => vec![(register(shop), "register")],
            _ => vec![(release(1), "release 1"), (lock(2), "lock 2")],
        };
        for (command, what) in commands {
            let answered = acknowledged.ask(log, shop, command, named(shop, what)?).await;
            let answered = answered.with_context(|| format!("{shop}: {what}"))?;
            anyhow::ensure!(!answered.replayed, "{shop}: {what}");
        }
        Ok(())
    };
    try_join_all(SHOPS.map(missed)).await.map(|_| ())
}

/// Asks through the old leader, which gets all of it before it goes on.
async fn asked_through(
    log: &EventLog,
    acknowledged: &Acknowledged,
    resume: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let ask = |shop, command, request| acknowledged.ask(log, shop, command, request);
    let seen = Request { expected_version: Some(4), ..named("version", "lock 3")? };
    let other_body = request("body release 1", "another body")?;
    let missed = data_source("unknown");
    let (retry, held, version, body, again, unknown, ()) = tokio::join!(
        ask("retry", release(1), named("retry", "release 1")?),
        ask("release", release(2), named("release", "release 2")?),
        ask("version", lock(3), seen),
        ask("body", release(1), other_body),
        ask("lock", lock(1), named("lock", "lock 1 again")?),
        log.load_current::<DataSource>(TENANT, &missed.id),
        resume,
    );
    let retry = retry?;
    assert_eq!((retry.receipt().version, retry.replayed), (3, true), "it was acknowledged before");
    // Both leaders get what is published: where the old one is first to say conflict, the command is found recorded.
    for recorded in [held?, version?, again?] {
        assert_eq!(recorded.receipt().version, 5, "{recorded:?}");
    }
    assert!(matches!(body, Err(ExecuteError::OtherBody)), "{body:?}");
    assert_eq!(unknown?.context("it exists")?.version, 1);
    Ok(())
}

#[tokio::test]
async fn a_stale_leader_answers_nothing_from_what_it_knew() -> anyhow::Result<()> {
    let servers = Servers::three().await?;
    let Servers::Three(cluster, _) = &servers else { anyhow::bail!("one server has no leader") };
    let anyone = cluster.connect_service(0, LOG_OPERATOR).await?;
    let old = cluster.leader_other_than(None, &anyone, STREAM).await?;
    let stale_connection = servers.connect(&servers.node(old).url(), COMMAND_API).await?;
    let stale = servers.log_over(&stale_connection).await?;
    let live = servers.log(old + 1).await?;
    let operator = cluster.connect_service(old + 1, LOG_OPERATOR).await?;
    let readers: [Reader; 2] = [servers.reader(old).await?, servers.reader(old + 2).await?];
    let mut followers = [readers[0].follow(None).await?, readers[1].follow(None).await?];
    let acknowledged = Acknowledged::default();
    before(&stale, &acknowledged).await?;

    cluster.node(old).child().pause();
    cluster.leader_other_than(Some(old), &operator, STREAM).await?;
    meanwhile(&live, &acknowledged).await?;
    let already = sent(&stale_connection);
    let resume = async {
        // Each question has left the client with its subscription to the answer, but the leader has not read it.
        while sent(&stale_connection) < already + SHOPS.len() as u64 {
            tokio::task::yield_now().await;
        }
        cluster.node(old).child().resume();
    };
    Box::pin(asked_through(&stale, &acknowledged, resume)).await?;

    let goes_on = async |log, what| {
        acknowledged.ask(log, what, register(what), named(what, "register")?).await?;
        Ok::<_, anyhow::Error>(acknowledged.ask(log, "retry", lock(7), named("retry", what)?).await)
    };
    let first = goes_on(&stale, "through the old one").await?;
    assert!(first.is_ok_and(|answered| !answered.replayed));
    let second = goes_on(&live, "through the new one").await?;
    let waits = matches!(second, Err(ExecuteError::Refused(DataSourceError::AlreadyWaiting)));
    assert!(waits, "{second:?}");
    let last = live.reader().last_sequence().await?;
    // A mirror whose origin lost its leader is fed again by the server after up to half a minute.
    for follower in &mut followers {
        acknowledged.is_all_of(&followed(follower, last).await?)?;
    }
    servers.stop().await;
    Ok(())
}
