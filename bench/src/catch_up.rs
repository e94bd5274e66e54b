//! Followers that start at the beginning of a log on a real server: the worker's tables and its search index.

use crate::history::History;
use crate::output::progress;
use crate::plan::Plan;
use crate::report::{Figure, Target, counted};
use crate::seed::{self, Message};
use crate::servers::{Servers, identity};
use crate::statistics::rate;
use crate::story::files;
use anyhow::{Context as _, bail};
use devkit::identities::PROJECTIONS;
use devkit::nats_server::SyncInterval;
use devkit::stack::SHARD;
use event_log::Reader;
use nats::{Connection, subjects};
use projections::search::{self, Search};
use projections::{Database, Progress, every_slice, follow};
use scenario::scratch::Scratch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trust::encoding::Sha256Digest;
use trust::keys::PrivateKey;

const NAME: &str = "catch-up";
/// The longest that a follower may take.
const PATIENCE: Duration = Duration::from_mins(15);
const STEP: Duration = Duration::from_millis(50);

/// Fills a log, then lets the worker catch up with it, again and again.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let servers = Servers::start(SyncInterval::Default).await?;
    let appender = servers.appender().await?;
    let started = Instant::now();
    let (last, events) = fill(&appender, plan.caught_up).await?;
    let connection = servers.stack().connect_service(PROJECTIONS).await?;
    let reader = Reader::new(&connection, identity()?);
    mirrored(&reader, last).await?;
    let took = started.elapsed().as_secs_f64();
    progress(&format!("catch-up: {} commits are in the log after {took:.1} s", counted(last)));
    let (mut tables, mut index) = (Vec::new(), Vec::new());
    for run in 1..=plan.catch_ups {
        let url = servers.database(&format!("caught_up_{run}")).await?;
        let took = into_tables(&url, &reader, last).await?;
        tables.push(took);
        progress(&format!("catch-up, run {run}: tables after {:.1} s", took.as_secs_f64()));
        let took = into_index(&reader, last).await?;
        index.push(took);
        progress(&format!("catch-up, run {run}: index after {:.1} s", took.as_secs_f64()));
    }
    servers.stop().await;
    let rates = |count, took: &[Duration]| -> Vec<f64> {
        took.iter().map(|took| rate(count, *took)).collect()
    };
    let configuration = format!(
        "{} commits with {} events, read from the mirror and verified, PostgreSQL with fsync",
        counted(last),
        counted(events)
    );
    let (all, commits) = (rates(events, &tables), rates(last, &tables));
    let seconds: Vec<_> = tables.iter().map(Duration::as_secs_f64).collect();
    let documents = rates(events, &index);
    let tables = "the projections worker into all slices";
    let indexed = "the projections worker into the search index";
    Ok(vec![
        Figure::of(NAME, tables, configuration.clone(), (&seconds, "s"), last),
        Figure::of(NAME, tables, configuration.clone(), (&commits, "commits/s"), last),
        Figure::of(NAME, tables, configuration.clone(), (&all, "events/s"), last),
        Figure::of(NAME, indexed, configuration, (&documents, "documents/s"), last)
            .should(Target::AtLeast(50_000.0)),
    ])
}

/// Writes the first commits of a history into an empty log; answers how many, and how many events they have.
pub async fn fill(connection: &Connection, commits: usize) -> anyhow::Result<(u64, u64)> {
    let counter = Arc::new(AtomicU64::new(0));
    let events = Arc::clone(&counter);
    let make = move |key: &PrivateKey, send: &dyn Fn(Message) -> anyhow::Result<()>| {
        for (tenant, bytes) in files() {
            let digest = Sha256Digest::of(&bytes).to_string();
            send(Message::blob(subjects::blob(SHARD, &tenant, &digest)?, bytes))?;
        }
        let log = identity()?;
        let mut history = History::of(log.clone())?;
        for _ in 0..commits {
            let made = history.commit()?;
            let count = u64::try_from(made.envelope.events.len())?;
            events.fetch_add(count, Ordering::Relaxed);
            send(Message::commit(made.subject(&log), made.payload, &made.hash, key))?;
        }
        Ok(())
    };
    let last = seed::publish(connection, make).await?;
    anyhow::ensure!(last == u64::try_from(commits)?, "the log ends at {last}");
    Ok((last, counter.load(Ordering::Relaxed)))
}

/// Waits until a mirror holds everything up to a sequence.
pub async fn mirrored(reader: &Reader, last: u64) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    while reader.last_sequence().await? < last {
        anyhow::ensure!(Instant::now() < until, "the mirror does not catch up");
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

async fn into_tables(url: &str, reader: &Reader, last: u64) -> anyhow::Result<Duration> {
    let database = Database::from_url(url)?;
    database.migrate().await?;
    let stopping = CancellationToken::new();
    let (reached, listener) = Progress::of(&database, &identity()?.origin);
    let mut tasks = JoinSet::new();
    tasks.spawn(listener.listen(stopping.clone()));
    let started = Instant::now();
    tasks.spawn(follow(every_slice(&database), reader.clone(), || (), stopping.clone()));
    let seen = async { Ok(reached.reached(last, PATIENCE).await?) };
    finished(tasks, stopping, started, seen).await
}

async fn into_index(reader: &Reader, last: u64) -> anyhow::Result<Duration> {
    let scratch = Scratch::new()?;
    let folder = scratch.path().join("index");
    let stopping = CancellationToken::new();
    let (search, watcher) = Search::of(&folder, &identity()?.origin);
    let mut tasks = JoinSet::new();
    tasks.spawn(watcher.watch(stopping.clone()));
    let started = Instant::now();
    let (log, stop) = (reader.clone(), stopping.clone());
    tasks.spawn(async move { search::keep(&folder, log, || (), stop).await });
    let seen = async { Ok(search.reached(last, PATIENCE).await?) };
    finished(tasks, stopping, started, seen).await
}

/// How long it took until something was seen; then everything is stopped.
async fn finished(
    mut tasks: JoinSet<anyhow::Result<()>>,
    stopping: CancellationToken,
    started: Instant,
    seen: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Duration> {
    tokio::select! {
        seen = seen => seen?,
        ended = tasks.join_next() => match ended {
            Some(ended) => bail!("a follower ended: {:?}", ended?),
            None => bail!("nobody follows"),
        },
    }
    let took = started.elapsed();
    stopping.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.context("a follower ended")??;
    }
    Ok(took)
}
