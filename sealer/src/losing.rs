//! Making sure that messages are lost: the leader and the archive are asked until the patience is over.

use crate::gap::{Asked, MOST_LOST, Next, ask, decide};
use crate::pauses::Pauses;
use anyhow::{Context as _, bail};
use archive::Archive;
use event_log::Reader;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two times that they are asked.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// What is known to be lost.
#[derive(Debug)]
pub struct Losing {
    patience: Duration,
    /// Up to here the log was made sure of; a gap longer than a batch is not waited for twice.
    sure: u64,
}

impl Losing {
    /// Nothing is lost yet.
    pub fn new(patience: Duration) -> Self {
        Self { patience, sure: 0 }
    }

    /// Whether all of these are lost for good. Not, if the leader has some of them after all, or the process stops.
    /// What the archive holds is an error: the log has to get it back.
    pub async fn are_lost(
        &mut self,
        lost: &RangeInclusive<u64>,
        (log, archive): (&Reader, &Archive),
        stopping: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let (from, to) = (*lost.start(), *lost.end());
        if to <= self.sure {
            return Ok(true);
        }
        metrics::gauge!("countersign_sealer_gap").set(1.0);
        tracing::error!(
            from,
            to,
            "messages of the log are missing: nothing after them is sealed meanwhile"
        );
        if to - from >= MOST_LOST {
            bail!("sequences {from} to {to} are lost, which is more than leaves are made of");
        }
        let is_lost = self.wait(lost, (log, archive), stopping).await?;
        if is_lost {
            tracing::error!(from, to, "messages of the log are lost for good: gap leaves");
            self.sure = to;
        }
        if !stopping.is_cancelled() {
            metrics::gauge!("countersign_sealer_gap").set(0.0);
        }
        Ok(is_lost)
    }

    async fn wait(
        &self,
        lost: &RangeInclusive<u64>,
        (log, archive): (&Reader, &Archive),
        stopping: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let began = Instant::now();
        let mut pauses = Pauses::default();
        loop {
            // Only what was asked after the patience counts as said again.
            let elapsed = began.elapsed();
            let asked = match ask(log, archive, lost).await {
                Ok(asked) => asked,
                Err(error) if error.is_transient() => {
                    tracing::warn!(error = %chassis::problem::Chain(&error), "asked again later");
                    let pause = tokio::time::sleep(pauses.longer());
                    if stopping.run_until_cancelled(pause).await.is_none() {
                        return Ok(false);
                    }
                    continue;
                }
                Err(error) => return Err(error).context("whether messages are lost is unknown"),
            };
            let pause = match decide(asked, elapsed, self.patience) {
                Next::Leaf => return Ok(true),
                Next::Restore(sequence) => bail!(
                    "sequence {sequence} is lost in the log, and the archive holds it: stop command-api, and run \
                     `countersign archive restore`"
                ),
                // A replica may be behind: not again at once.
                Next::Follow => pauses.longer(),
                Next::Wait(left) => left.min(ASKED_EVERY),
            };
            if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Ok(false);
            }
            if let Asked { held: Some(sequence), .. } = asked {
                tracing::info!(sequence, "the leader holds a message that did not come");
                return Ok(false);
            }
        }
    }
}
