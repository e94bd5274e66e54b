//! The worker's loop: follow the log, batch what is at hand, write it, try again later if that may help.

use crate::database::described;
use crate::pauses::Pauses;
use crate::tables::{Tables, WriteError, Writer, Written};
use anyhow::Context as _;
use event_log::{Followed, Follower, LogError, Reader};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Most commits of one transaction.
const BATCH: usize = 500;
/// No worker of this process writes yet.
const UNKNOWN: u64 = u64::MAX;
/// How often the lag is measured.
const MEASURED: Duration = Duration::from_secs(5);

/// Keeps the tables until told to stop. Another history, another worker or a broken schema is an error that stops the
/// process; everything transient is tried again. `ready` runs once this worker has the lease and follows.
pub async fn follow(
    tables: Tables,
    log: Reader,
    ready: impl FnOnce() + Send,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let reached = AtomicU64::new(UNKNOWN);
    tokio::select! {
        ended = follow_until(tables, &log, ready, &reached, stopping) => ended,
        () = measure(&log, &reached) => Ok(()),
    }
}

/// Shows how many messages of the log the slowest slice has still to take in.
async fn measure(log: &Reader, reached: &AtomicU64) {
    let mut tick = tokio::time::interval(MEASURED);
    loop {
        tick.tick().await;
        let reached = reached.load(Ordering::Relaxed);
        // While another worker writes, or the log cannot be asked, nothing is known.
        if reached == UNKNOWN {
            continue;
        }
        let Ok(last) = log.last_sequence().await else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let lag = last.saturating_sub(reached) as f64;
        metrics::gauge!("countersign_projections_position_lag").set(lag);
    }
}

async fn follow_until(
    tables: Tables,
    log: &Reader,
    ready: impl FnOnce() + Send,
    reached: &AtomicU64,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let origin = log.identity().origin.clone();
    let mut writer = tokio::select! {
        () = stopping.cancelled() => return Ok(()),
        writer = tables.writer(&origin) => writer.context("the tables cannot be taken over")?,
    };
    metrics::gauge!("countersign_projections_parked_aggregates").set(gauge(&writer));
    let position = |writer: &Writer| writer.resume_from().map_or(0, |it| it.sequence);
    reached.store(position(&writer), Ordering::Relaxed);
    let mut ready = Some(ready);
    let mut pauses = Pauses::default();
    while !stopping.is_cancelled() {
        let error = match log.follow(writer.resume_from()).await {
            Ok(mut follower) => {
                if let Some(ready) = ready.take() {
                    ready();
                }
                pauses = Pauses::default();
                match keep(&mut writer, &mut follower, reached, &stopping).await? {
                    Some(error) => error,
                    None => break,
                }
            }
            Err(error) => error,
        };
        if !error.is_transient() {
            return Err(error).context("the log cannot be followed");
        }
        let pause = pauses.longer();
        tracing::warn!(%error, pause_ms = pause.as_millis(), "following the log again later");
        tokio::select! {
            () = stopping.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    writer.release().await.context("the lease cannot be given back")
}

/// Reads and writes until the log fails (the error) or the process stops (none). While the database writes a batch, the
/// next one is read and verified.
async fn keep(
    writer: &mut Writer,
    follower: &mut Follower,
    reached: &AtomicU64,
    stopping: &CancellationToken,
) -> anyhow::Result<Option<LogError>> {
    let mut next = Batch::default();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(None),
            () = next.gather(follower) => {}
        }
        let Batch { seen, failed } = std::mem::take(&mut next);
        let is_written = {
            let writing = write(writer, &seen, stopping);
            tokio::pin!(writing);
            loop {
                tokio::select! {
                    biased;
                    written = &mut writing => break written?,
                    () = next.read(follower), if failed.is_none() && next.has_room() => {}
                }
            }
        };
        if !is_written {
            return Ok(None);
        }
        reached.store(writer.resume_from().map_or(0, |it| it.sequence), Ordering::Relaxed);
        if failed.is_some() {
            return Ok(failed);
        }
    }
}

/// What was read and is not written yet.
#[derive(Default)]
struct Batch {
    seen: Vec<Followed>,
    /// The error that ended it.
    failed: Option<LogError>,
}

impl Batch {
    fn has_room(&self) -> bool {
        self.failed.is_none() && self.seen.len() < BATCH
    }

    /// One more message. Dropping the future loses nothing.
    async fn read(&mut self, follower: &mut Follower) {
        match follower.next().await {
            Ok(seen) => self.seen.push(seen),
            Err(error) => self.failed = Some(error),
        }
    }

    /// What is at hand: at least one message.
    async fn gather(&mut self, follower: &mut Follower) {
        while self.has_room() && (self.seen.is_empty() || follower.has_more()) {
            self.read(follower).await;
        }
    }
}

/// Writes one batch, again and again while that may help; false if the process stops first.
async fn write(
    writer: &mut Writer,
    batch: &[Followed],
    stopping: &CancellationToken,
) -> Result<bool, WriteError> {
    let mut pauses = Pauses::default();
    loop {
        let began = Instant::now();
        match writer.write(batch).await {
            Ok(written) => {
                metrics::histogram!("countersign_projections_batch_duration_seconds")
                    .record(began.elapsed());
                count(writer, written);
                return Ok(true);
            }
            Err(error) if error.is_transient() => {
                let pause = pauses.longer();
                let error = described(&error);
                let pause_ms = pause.as_millis();
                tracing::warn!(error, pause_ms, "writing the batch again later");
                tokio::select! {
                    () = stopping.cancelled() => return Ok(false),
                    () = tokio::time::sleep(pause) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn count(writer: &Writer, written: Written) {
    let Written { commits, parked, condemned } = written;
    metrics::counter!("countersign_projections_commits_total").increment(commits);
    metrics::counter!("countersign_projections_parked_commits_total").increment(parked);
    metrics::counter!("countersign_projections_condemned_total").increment(condemned);
    metrics::gauge!("countersign_projections_parked_aggregates").set(gauge(writer));
}

fn gauge(writer: &Writer) -> f64 {
    u32::try_from(writer.parked_aggregates()).map_or(f64::MAX, f64::from)
}
