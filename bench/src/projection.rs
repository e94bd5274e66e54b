//! Events into the tables of every slice, against a raw upsert of the same rows into the same server.

use crate::history::History;
use crate::output::progress;
use crate::plan::Plan;
use crate::report::{Figure, Target, counted};
use crate::servers::{Servers, identity};
use crate::statistics::{float, median, rate};
use crate::unnest::{Rows, Upserts};
use devkit::nats_server::SyncInterval;
use event_log::Followed;
use projections::{Database, every_slice};
use std::time::{Duration, Instant};

/// As the worker batches.
const BATCH: usize = 500;

/// Commits of a made history, a batch in one transaction, from memory: no log is read while time is taken.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let servers = Servers::start(SyncInterval::Default).await?;
    let commits = History::of(identity()?)?.take(plan.projected)?;
    let commits: Vec<_> = commits.into_iter().map(crate::history::Made::followed).collect();
    let events = commits.iter().map(events).sum::<u64>();
    let (mut ours, mut floor, mut rows) = (Vec::new(), Vec::new(), 0);
    for run in 1..=plan.runs {
        let url = servers.database(&format!("projected_{run}")).await?;
        let took = project(&url, &commits).await?;
        ours.push(rate(events, took));
        let same = Rows::read(&url).await?;
        let url = servers.database(&format!("unnest_{run}")).await?;
        let (took, written) = upsert(&url, &same, &commits).await?;
        floor.push(rate(events, took));
        rows = written;
        let (ours, floor) = (rate_of(&ours), rate_of(&floor));
        progress(&format!("projection, run {run}: {ours:.0} events/s, raw upserts {floor:.0}/s"));
    }
    servers.stop().await;
    let count = commits.len();
    let configuration = format!(
        "{} commits, {} events, {BATCH} commits in a transaction, one connection, fsync on, \
         synchronous_commit on",
        counted(count),
        counted(events)
    );
    let unit = (ours.as_slice(), "events/s");
    let each = float(rows) / float(events);
    let peer = format!("raw UNNEST upserts of the same rows ({each:.2} rows for an event)");
    let figure = Figure::of("projection", "into all slices", configuration, unit, events)
        .against(peer, median(&floor))
        .should(Target::AtLeast(8_000.0))
        .should(Target::OfPeer(0.4));
    Ok(vec![figure])
}

fn rate_of(rates: &[f64]) -> f64 {
    rates.last().copied().unwrap_or_default()
}

/// How many events a message has.
pub fn events(followed: &Followed) -> u64 {
    let Followed::Commit(recorded) = followed else { return 0 };
    let events = recorded.events.as_ref().map_or(0, Vec::len);
    u64::try_from(events).unwrap_or(u64::MAX)
}

async fn project(url: &str, commits: &[Followed]) -> anyhow::Result<Duration> {
    let database = Database::from_url(url)?;
    database.migrate().await?;
    let mut writer = every_slice(&database).writer(&identity()?.origin).await?;
    let started = Instant::now();
    for batch in commits.chunks(BATCH) {
        let written = writer.write(batch).await?;
        anyhow::ensure!(written.parked == 0, "a commit of the history cannot be projected");
    }
    let took = started.elapsed();
    writer.release().await?;
    Ok(took)
}

async fn upsert(url: &str, same: &Rows, commits: &[Followed]) -> anyhow::Result<(Duration, u64)> {
    Database::from_url(url)?.migrate().await?;
    let batches = commits.chunks(BATCH).map(|batch| same.batch(batch));
    let batches = batches.collect::<anyhow::Result<Vec<_>>>()?;
    let upserts = Upserts::into(url).await?;
    let started = Instant::now();
    for batch in &batches {
        upserts.write(batch).await?;
    }
    Ok((started.elapsed(), batches.iter().map(|batch| batch.rows).sum()))
}
