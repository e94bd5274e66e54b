//! Gathering: what comes next of the log, batch after batch, while what came before is stored and sealed.

use crate::batch::{Batch, Closed, MOST_MESSAGES};
use crate::losing::Losing;
use crate::pauses::Pauses;
use anyhow::Context as _;
use archive::Archive;
use event_log::{Follower, LogError, Reader};
use ledger::{Head, Tree};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest wait for more messages after the first: well below the second that the protocol allows.
const GATHERING: Duration = Duration::from_millis(300);
/// Heads are stored after so many messages, or as many as there are heads: that costs the same a message.
const SNAPSHOT_AFTER: u64 = 10_000;

/// A whole batch, with the heads of all chains where they are to be stored.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) batch: Closed,
    pub(crate) heads: Option<BTreeMap<String, Head>>,
}

/// The one that reads the log.
#[derive(Debug)]
pub(crate) struct Gatherer {
    pub(crate) tree: Tree,
    pub(crate) follower: Follower,
    /// The size of the newest snapshot of heads.
    pub(crate) snapshot: u64,
    pub(crate) losing: Losing,
    pub(crate) log: Reader,
    pub(crate) archive: Archive,
}

impl Gatherer {
    /// Until the process stops, or nobody takes what is gathered. What was gathered before an error was given.
    pub(crate) async fn run(
        mut self,
        gathered: mpsc::Sender<Gathered>,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        while let Some(batch) = self.gather(&stopping).await? {
            let heads = self.heads();
            if gathered.send(Gathered { batch, heads }).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn heads(&mut self) -> Option<BTreeMap<String, Head>> {
        let size = self.tree.size();
        let chains = u64::try_from(self.follower.chains()).unwrap_or(u64::MAX);
        if size - self.snapshot < SNAPSHOT_AFTER.max(chains) {
            return None;
        }
        self.snapshot = size;
        let heads = self.follower.heads().map(|(subject, head)| (subject.to_owned(), head));
        Some(heads.collect())
    }

    /// What came, a moment after the first of it at the latest; none if the process stops.
    async fn gather(&mut self, stopping: &CancellationToken) -> anyhow::Result<Option<Closed>> {
        let mut batch = Batch::after(self.tree.size());
        let mut until: Option<Instant> = None;
        let mut pauses = Pauses::default();
        while !batch.is_full() {
            let next = tokio::select! {
                () = stopping.cancelled() => return Ok(None),
                () = elapsed(until) => break,
                next = self.follower.next_judged() => next,
            };
            match next {
                Ok(judged) => {
                    batch.add(&mut self.tree, &judged).context("the log cannot be taken in")?;
                    until.get_or_insert_with(|| Instant::now() + GATHERING);
                }
                Err(error) if error.is_transient() => {
                    let pause = pauses.longer();
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "following again later");
                    tokio::select! {
                        () = stopping.cancelled() => return Ok(None),
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                // What came before is sealed first.
                Err(LogError::Gap { .. }) if batch.leaves() > 0 => break,
                Err(LogError::Gap { expected, found }) => {
                    let lost = expected..=found - 1;
                    if self.losing.are_lost(&lost, (&self.log, &self.archive), stopping).await? {
                        self.take_gap(&mut batch, &lost)?;
                    } else if stopping.is_cancelled() {
                        return Ok(None);
                    } else {
                        self.follower.read_again();
                    }
                }
                Err(error) => return Err(error).context("the log cannot be followed"),
            }
        }
        Ok(Some(batch.close(&self.tree).context("a batch cannot be closed")?))
    }

    /// Leaves without a hash, as many as one checkpoint takes.
    fn take_gap(&mut self, batch: &mut Batch, lost: &RangeInclusive<u64>) -> anyhow::Result<()> {
        let through = (*lost.end()).min(self.tree.size() + MOST_MESSAGES);
        for sequence in *lost.start()..=through {
            batch.add_gap(&mut self.tree, sequence).context("a gap leaf cannot be taken in")?;
        }
        self.follower.pass_lost(through).context("the log cannot be followed over a gap")
    }
}

async fn elapsed(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
