//! Three servers in unrest: one after the other is stopped in time and goes on, or is killed and started again, the
//! leader more often than the others. Every caller meets its own writes, whichever server it asks.

use crate::servers::{Servers, data_source, followed, lock, register, release};
use crate::world::request;
use anyhow::{Context as _, bail, ensure};
use countersign_event_log as event_log;
use devkit::Cluster;
use devkit::identities::LOG_OPERATOR;
use domain::catalog::{DataSource, DataSourceCommand, DataSourceError};
use event_log::{Answered, EventLog, ExecuteError, Follower, Reader, Recorded, Target};
use futures::future::try_join_all;
use ledger::Receipt;
use nats::Connection;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const STREAM: &str = "CS_LOG_main";
const CALLERS: usize = 4;
/// How long the callers may need until every one of them has been answered again.
const PATIENCE: Duration = Duration::from_mins(2);

/// Somebody who asks one thing after the other, of any server, and remembers every answer.
struct Caller<'a> {
    logs: &'a [EventLog],
    name: String,
    shop: Target,
    random: fastrand::Rng,
    asked: u32,
    receipts: Vec<(String, Receipt)>,
    unanswered: u64,
}

impl<'a> Caller<'a> {
    fn new(logs: &'a [EventLog], number: usize, seed: u64) -> Self {
        let name = format!("caller-{seed}-{number}");
        let (shop, random) = (data_source(&name), fastrand::Rng::with_seed(seed + number as u64));
        Self { logs, name, shop, random, asked: 0, receipts: Vec::new(), unanswered: 0 }
    }

    /// Locks and releases: each is right only if the one before is known.
    async fn live(
        mut self,
        answered: watch::Sender<u64>,
        over: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        self.records(register(&self.name)).await?;
        while !*over.borrow() {
            self.records(lock(1)).await?;
            self.is_refused(lock(1), &DataSourceError::AlreadyWaiting).await?;
            self.records(release(1)).await?;
            self.is_refused(release(1), &DataSourceError::NotHolder).await?;
            answered.send_modify(|rounds| *rounds += 1);
        }
        Ok(self)
    }

    async fn records(&mut self, command: DataSourceCommand) -> anyhow::Result<()> {
        let (id, answer) = self.ask(&command).await?;
        let answered = answer.map_err(|refusal| {
            let name = &self.name;
            anyhow::anyhow!(
                "{name}: {command:?} was refused as {refusal:?}: an answer from what was"
            )
        })?;
        self.receipts.push((id, answered.receipt()));
        Ok(())
    }

    async fn is_refused(
        &mut self,
        command: DataSourceCommand,
        expected: &DataSourceError,
    ) -> anyhow::Result<()> {
        match self.ask(&command).await? {
            (_, Err(refusal)) if refusal == *expected => Ok(()),
            (_, other) => bail!("{}: {command:?} was answered {other:?}", self.name),
        }
    }

    /// One command until it is answered, each time through any server.
    async fn ask(
        &mut self,
        command: &DataSourceCommand,
    ) -> anyhow::Result<(String, Result<Answered, DataSourceError>)> {
        self.asked += 1;
        let request = request(&format!("{} {}", self.name, self.asked), "")?;
        let id = request.command.to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.random.choice(self.logs).context("no server")?;
            match log.execute::<DataSource, _>(&self.shop, command.clone(), &request).await {
                Ok(answered) => return Ok((id, Ok(answered))),
                Err(ExecuteError::Refused(refusal)) => return Ok((id, Err(refusal))),
                Err(ExecuteError::Append(_) | ExecuteError::Conflict | ExecuteError::InFlight) => {
                    self.unanswered += 1;
                    ensure!(Instant::now() < until, "{}: nobody answers", self.name);
                }
                Err(other) => return Err(other.into()),
            }
        }
    }
}

/// Waits until every caller has come round twice more: in one of them everything was asked from now on.
async fn go_on(callers: &mut [watch::Receiver<u64>]) -> anyhow::Result<()> {
    let waits = callers.iter_mut().map(|caller| {
        let seen = *caller.borrow();
        async move { caller.wait_for(|rounds| *rounds >= seen + 2).await.map(|_| ()) }
    });
    tokio::time::timeout(PATIENCE, try_join_all(waits)).await.context("nothing goes on")??;
    Ok(())
}

async fn unrest(
    cluster: &mut Cluster,
    operators: &[Connection; 3],
    mut callers: Vec<watch::Receiver<u64>>,
    (rounds, seed): (u64, u64),
) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..rounds {
        go_on(&mut callers).await?;
        let [first, ..] = operators;
        let leader = cluster.leader_other_than(None, first, STREAM).await?;
        let node = if random.u8(..3) > 0 { leader } else { random.usize(..3) };
        // The first two rounds are the same with every seed, so that the shortest run sees both.
        let pauses = if round < 2 { round == 0 } else { random.bool() };
        let node = if round < 2 { leader } else { node };
        if pauses {
            cluster.node(node).child().pause();
        } else {
            cluster.kill(node).await;
        }
        if node == leader {
            // Whoever is connected to the one that stands still hears nothing.
            let [one, two, three] = operators;
            let another = [two, three, one].into_iter().nth(leader).context("three nodes")?;
            cluster.leader_other_than(Some(leader), another, STREAM).await?;
        }
        go_on(&mut callers).await.with_context(|| format!("round {round} without node {node}"))?;
        if pauses {
            cluster.node(node).child().resume();
        } else {
            cluster.start_again(node).await?;
        }
    }
    go_on(&mut callers).await
}

/// Every acknowledged command is in the caller's history once, where its receipt says; nothing else is.
fn is_all_of(caller: &Caller<'_>, log: &[Recorded]) -> anyhow::Result<()> {
    let history = log.iter().filter(|recorded| recorded.aggregate_id == caller.shop.id);
    let history: BTreeMap<String, &Recorded> =
        history.map(|recorded| (recorded.command.id.to_string(), recorded)).collect();
    let all = log.iter().filter(|recorded| recorded.aggregate_id == caller.shop.id).count();
    ensure!(history.len() == all, "{}: a command is recorded twice", caller.name);
    ensure!(all == caller.receipts.len(), "{}: more is recorded than acknowledged", caller.name);
    for (command, receipt) in &caller.receipts {
        let recorded = history.get(command).context("acknowledged and not recorded")?;
        let held = (recorded.sequence, recorded.version, recorded.hash);
        ensure!(held == (receipt.sequence, receipt.version, receipt.hash), "{recorded:?}");
    }
    Ok(())
}

/// A follower, once the servers have settled enough to make its consumer.
async fn settled(reader: &Reader) -> anyhow::Result<Follower> {
    let until = Instant::now() + PATIENCE;
    loop {
        match reader.follow(None).await {
            Err(error) if error.is_transient() && Instant::now() < until => {}
            other => return Ok(other?),
        }
    }
}

#[expect(clippy::print_stderr, reason = "a long run says what it did")]
async fn endured(rounds: u64, seed: u64) -> anyhow::Result<()> {
    let mut servers = Servers::three().await?;
    let logs = try_join_all((0..3).map(|node| servers.log(node))).await?;
    let reader = servers.reader(0).await?;
    let Servers::Three(cluster, _) = &mut servers else { bail!("one server has no leader") };
    let operators = [
        cluster.connect_service(0, LOG_OPERATOR).await?,
        cluster.connect_service(1, LOG_OPERATOR).await?,
        cluster.connect_service(2, LOG_OPERATOR).await?,
    ];
    let (end, over) = watch::channel(false);
    let (mut lives, mut watched) = (Vec::new(), Vec::new());
    for number in 0..CALLERS {
        let (answered, rounds) = watch::channel(0);
        watched.push(rounds);
        lives.push(Caller::new(&logs, number, seed).live(answered, over.clone()));
    }
    let disturbing = async {
        let disturbed = unrest(cluster, &operators, watched, (rounds, seed)).await;
        end.send_replace(true);
        disturbed
    };
    let (callers, ()) = tokio::try_join!(try_join_all(lives), disturbing)?;
    let last = logs.first().context("no log")?.reader().last_sequence().await?;
    let log = followed(&mut settled(&reader).await?, last).await?;
    for caller in &callers {
        is_all_of(caller, &log)?;
    }
    let commits: usize = callers.iter().map(|caller| caller.receipts.len()).sum();
    let unanswered: u64 = callers.iter().map(|caller| caller.unanswered).sum();
    eprintln!(
        "{rounds} rounds, seed {seed}: {commits} commits, {unanswered} tries without an answer"
    );
    servers.stop().await;
    Ok(())
}

#[tokio::test]
async fn callers_meet_their_own_writes_while_leaders_pause_and_die() -> anyhow::Result<()> {
    Box::pin(endured(2, 1)).await
}

/// `cargo xtask storm cluster --rounds N --seed S`
#[tokio::test]
#[ignore = "long: cargo xtask storm cluster runs it"]
#[expect(clippy::disallowed_methods, reason = "the command gives its numbers by the environment")]
async fn callers_meet_their_own_writes_in_a_long_unrest() -> anyhow::Result<()> {
    let rounds = std::env::var("COUNTERSIGN_UNREST_ROUNDS").map_or(Ok(20), |text| text.parse())?;
    let seed = std::env::var("COUNTERSIGN_UNREST_SEED").map_or(Ok(1), |text| text.parse())?;
    Box::pin(endured(rounds, seed)).await
}
