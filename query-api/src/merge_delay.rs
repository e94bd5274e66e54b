//! How long the oldest message has been waiting for its seal: counted here, where a sealer that is down cannot hide it.

use crate::sealed::MAX_MERGE_DELAY_SECONDS;
use anyhow::Context as _;
use archive::Archive;
use chassis::Clock;
use event_log::Reader;
use ledger::CheckpointNote;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const STEP: Duration = Duration::from_secs(5);

/// Shows it as a metric, and says when it is longer than the log promises, until told to stop.
pub async fn watch(
    log: Reader,
    archive: Archive,
    clock: Clock,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut is_late = false;
    while stopping.run_until_cancelled(tokio::time::sleep(STEP)).await.is_some() {
        match waiting(&log, &archive, &clock).await {
            Ok(waited) => {
                metrics::gauge!("countersign_log_unsealed_age_seconds").set(waited.as_secs_f64());
                let was_late =
                    std::mem::replace(&mut is_late, waited.as_secs() > MAX_MERGE_DELAY_SECONDS);
                if is_late && !was_late {
                    let seconds = waited.as_secs();
                    tracing::error!(
                        seconds,
                        "messages wait longer for their seal than is promised"
                    );
                } else if was_late && !is_late {
                    tracing::info!("messages are sealed in time again");
                }
            }
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "how long messages wait for their seal is unknown"
            ),
        }
    }
    Ok(())
}

/// How long the first message after the newest checkpoint has been in the log; zero where there is none. What the
/// checkpoint claims is enough: whoever could forge one here could also stop this process.
pub async fn waiting(log: &Reader, archive: &Archive, clock: &Clock) -> anyhow::Result<Duration> {
    let note = archive.newest_checkpoint().await.context("the archive cannot be read")?;
    let note = note.map(|bytes| CheckpointNote::parse(&bytes)).transpose();
    let note = note.context("the archive shows no checkpoint")?;
    let sealed = note.map_or(0, |note| note.claim().size);
    let after = log.stored_after(sealed, 1).await.context("the log cannot be read")?;
    let waited = after.first().map(|message| clock.now().datetime() - message.time);
    Ok(waited.and_then(|waited| waited.to_std().ok()).unwrap_or_default())
}
