//! Sealing: a backlog, and how long an acknowledged commit waits for its checkpoint while others append.
//!
//! The sealer runs in this process, over connections of its own, into an archive of synced files.

use crate::append::Appender;
use crate::callers::Run;
use crate::catch_up::fill;
use crate::locks::{self, DataSources, ROUNDS};
use crate::output::progress;
use crate::plan::Plan;
use crate::report::{Figure, Target, counted};
use crate::servers::{Servers, identity};
use crate::statistics::{median, rate};
use anyhow::Context as _;
use archive::Archive;
use chassis::Clock;
use devkit::identities::SEALER;
use devkit::nats_server::SyncInterval;
use domain::catalog::DataSource;
use event_log::{Checkpoints, EventLog, Reader};
use scenario::scratch::Scratch;
use sealer::{LogKeys, Published, Sealer, Standing};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trust::keys::PrivateKey;

const NAME: &str = "sealing";
/// Who appends at a time.
const CALLERS: usize = 64;

/// Every run has a log and an archive of its own.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let (mut backlog, mut waits, mut appends) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = 0;
    for run in 1..=plan.runs {
        let measured = one(plan).await?;
        last = measured.last;
        backlog.push(rate(last, measured.backlog));
        appends.push(measured.waits.rate);
        progress(&format!(
            "sealing, run {run}: backlog {:.0?}/s, sealed after p99 {:.0} ms at {:.0} commits/s",
            backlog.last(),
            measured.waits.p99,
            measured.waits.rate
        ));
        waits.push(measured.waits);
    }
    let configuration = format!(
        "{} commits read from the log, each verified, tiles and lines in an archive of synced files",
        counted(last)
    );
    let waiting =
        format!("{CALLERS} callers, checkpoints 300 ms after the first message or after 1,000");
    Ok(vec![
        Figure::of(NAME, "a backlog", configuration, (&backlog, "commits/s"), last)
            .against("appends of the same run, while the sealer follows", median(&appends))
            .should(Target::AtLeast(40_000.0))
            .should(Target::OfPeer(1.0)),
        Figure::of_runs(NAME, "acknowledged to sealed", waiting, (&waits, "commits/s"))
            .should(Target::P99Below(2_000.0)),
    ])
}

struct Measured {
    last: u64,
    backlog: Duration,
    waits: Run,
}

async fn one(plan: &Plan) -> anyhow::Result<Measured> {
    let servers = Servers::start(SyncInterval::Default).await?;
    let scratch = Scratch::new()?;
    let connection = servers.appender().await?;
    let (last, _) = fill(&connection, plan.sealed).await?;
    let started = Instant::now();
    let running = Running::start(&servers, scratch.path()).await?;
    running.until(last).await?;
    let backlog = started.elapsed();
    let waits = waits(&Appender::of(connection).await?, &running, plan.waited).await?;
    running.stop().await?;
    servers.stop().await;
    Ok(Measured { last, backlog, waits })
}

/// A sealer at work.
struct Running {
    published: Published,
    stopping: CancellationToken,
    task: JoinSet<anyhow::Result<()>>,
}

impl Running {
    async fn start(servers: &Servers, folder: &Path) -> anyhow::Result<Self> {
        let log = Reader::new(&servers.stack().connect_service(SEALER).await?, identity()?);
        let archive = Archive::in_folder(folder, &identity()?.origin)?;
        let (checkpoints, stopping) = (Checkpoints::of(&log), CancellationToken::new());
        let keys = LogKeys::new(PrivateKey::from_seed(&[9; 32]), &[])?;
        let standing = Standing::find(&log, &checkpoints, &archive, &keys, &stopping).await?;
        let standing = standing.context("the sealer was stopped")?;
        let (sealer, published) =
            Sealer::new(standing, log, checkpoints, archive, keys.own().clone(), Clock::system());
        let mut task = JoinSet::new();
        task.spawn(sealer.run(|| (), stopping.clone()));
        Ok(Self { published, stopping, task })
    }

    async fn until(&self, sequence: u64) -> anyhow::Result<()> {
        let mut published = self.published.clone();
        let sealed = published
            .wait_for(|note| note.as_ref().is_some_and(|note| note.claim().size >= sequence));
        sealed.await.context("the sealer ended")?;
        Ok(())
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.stopping.cancel();
        self.task.join_next().await.context("there was a sealer")??
    }
}

/// Appends, and how long each acknowledged commit had to wait for the checkpoint over it.
async fn waits(appender: &Appender, running: &Running, commands: usize) -> anyhow::Result<Run> {
    let sources = DataSources::of("sealed", CALLERS, commands);
    sources.register(appender.connection()).await?;
    let done = CancellationToken::new();
    let working = async {
        let _done = done.clone().drop_guard();
        let (acknowledged, took) = append(appender, &sources).await?;
        running.until(acknowledged.last().context("nothing was appended")?.0).await?;
        anyhow::Ok((acknowledged, took))
    };
    let watching = sealed(running.published.clone(), done.clone());
    let (worked, sealed) = tokio::join!(working, watching);
    let (acknowledged, took) = worked?;
    let each = acknowledged.into_iter().map(|(sequence, at)| {
        let first = sealed.partition_point(|(size, _)| *size < sequence);
        let (_, when) = sealed.get(first).context("a commit was never sealed")?;
        Ok(when.saturating_duration_since(at))
    });
    Ok(Run::of(each.collect::<anyhow::Result<_>>()?, took))
}

/// Every caller's commands; which sequence was acknowledged when, in order, and how long all took.
async fn append(
    appender: &Appender,
    sources: &DataSources,
) -> anyhow::Result<(Vec<(u64, Instant)>, Duration)> {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(call(appender.log().clone(), sources.clone(), caller));
    }
    let mut acknowledged = Vec::new();
    while let Some(ended) = callers.join_next().await {
        acknowledged.extend(ended??);
    }
    let took = started.elapsed();
    acknowledged.sort_unstable();
    Ok((acknowledged, took))
}

/// When each checkpoint was seen, until told to stop.
async fn sealed(mut published: Published, stopping: CancellationToken) -> Vec<(u64, Instant)> {
    let mut seen = Vec::new();
    let mut is_last = false;
    loop {
        let size = published.borrow_and_update().as_ref().map_or(0, |note| note.claim().size);
        seen.push((size, Instant::now()));
        if is_last {
            return seen;
        }
        // What was published before the end is seen once more.
        let changed = stopping.run_until_cancelled(published.changed()).await;
        is_last = !matches!(changed, Some(Ok(())));
    }
}

async fn call(
    log: EventLog,
    sources: DataSources,
    caller: usize,
) -> anyhow::Result<Vec<(u64, Instant)>> {
    let mut acknowledged = Vec::new();
    for index in 0..ROUNDS * sources.per_caller {
        let (place, round) = sources.place(caller, index);
        let request = locks::request(&sources.set, place, round);
        let (target, command) = (sources.target(place)?, locks::command(round));
        let answered = log.execute::<DataSource, _>(&target, command, &request).await?;
        acknowledged.push((answered.commit.sequence, Instant::now()));
    }
    Ok(acknowledged)
}
