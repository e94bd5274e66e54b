//! Callers: each issues one command after another, all at the same time.

use crate::statistics::{float, median, milliseconds, percentile, rate};
use anyhow::Context as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The kernel counts processor time in hundredths of a second (`USER_HZ`).
const TICK_MS: u64 = 10;

/// What a caller does again and again.
pub trait Work: Send + Sync + 'static {
    /// The `index`-th piece of work of a caller.
    fn one(&self, caller: usize, index: usize) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// One run: a rate, and how long each piece took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Pieces of work.
    pub count: u64,
    /// In a second.
    pub rate: f64,
    /// Half took at most so many milliseconds.
    pub p50: f64,
    /// 99 of 100 took at most so many milliseconds.
    pub p99: f64,
    /// Processor time of this process for each piece, microseconds; the servers' is not in it.
    pub processor: f64,
}

impl Run {
    /// Of work that took `took` together, and each piece as long as it says.
    pub fn of(mut each: Vec<Duration>, took: Duration) -> Self {
        each.sort_unstable();
        let count = u64::try_from(each.len()).unwrap_or(u64::MAX);
        let at = |share| milliseconds(percentile(&each, share));
        Self { count, rate: rate(count, took), p50: at(50), p99: at(99), processor: 0.0 }
    }
}

/// The medians of several runs.
pub fn middle(runs: &[Run]) -> Option<Run> {
    let first = runs.first()?;
    let of = |what: fn(&Run) -> f64| median(&runs.iter().map(what).collect::<Vec<_>>());
    let (rate, p50, p99) = (of(|run| run.rate), of(|run| run.p50), of(|run| run.p99));
    Some(Run { count: first.count, rate, p50, p99, processor: of(|run| run.processor) })
}

/// Lets `callers` callers do `each` pieces of work.
pub async fn call<W: Work>(work: &Arc<W>, callers: usize, each: usize) -> anyhow::Result<Run> {
    let mut tasks = JoinSet::new();
    let (started, used) = (Instant::now(), processor_time()?);
    for caller in 0..callers {
        let work = Arc::clone(work);
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(each);
            for index in 0..each {
                let started = Instant::now();
                work.one(caller, index).await?;
                took.push(started.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::with_capacity(callers * each);
    while let Some(ended) = tasks.join_next().await {
        took.extend(ended.context("a caller ended")??);
    }
    let (elapsed, used) = (started.elapsed(), processor_time()?.saturating_sub(used));
    let run = Run::of(took, elapsed);
    Ok(Run { processor: milliseconds(used) * 1_000.0 / float(run.count.max(1)), ..run })
}

/// Processor time that this process has used, in user space and in the kernel.
fn processor_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program is in parentheses and may hold anything; user and system time are the 14th and 15th word.
    let (_, words) = stat.rsplit_once(')').context("an unknown form of /proc/self/stat")?;
    let ticks = words.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(TICK_MS * ticks.sum::<Result<u64, _>>()?))
}
