//! Runs a workflow over the log: in order, from its saved position, each event until it is answered.

use crate::config::SERVICE;
use crate::records::Records;
use crate::workflow::{Because, Setback, Workflow};
use anyhow::Context as _;
use event_log::{Followed, Recorded};
use ledger::Position;
use nats::{Connection, Positions, Saved};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Shortest and longest pause before an event is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Runs workflows. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Runner {
    records: Records,
    positions: Positions,
}

impl Runner {
    /// Over the mirror of the log in CTL.
    pub fn new(connection: &Connection, records: &Records) -> anyhow::Result<Self> {
        let positions = Positions::of_service(connection, SERVICE)?;
        Ok(Self { records: records.clone(), positions })
    }

    /// Keeps a workflow going until the process stops. The position is saved only after every command was answered;
    /// who finds it saved by somebody else stops.
    pub async fn keep<W: Workflow>(
        self,
        workflow: W,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let saved: Saved<Position> = self.positions.load(W::NAME).await?;
        let mut revision = saved.revision;
        let mut follower = self.records.reader().follow(saved.position).await?;
        loop {
            let seen = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                seen = follower.next() => seen.with_context(|| format!("workflow {}", W::NAME))?,
            };
            if let Followed::Commit(recorded) = &seen {
                let handled = tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    handled = handle(&workflow, recorded) => handled,
                };
                handled?;
            }
            if !follower.has_more() {
                let position = seen.position(self.records.reader());
                revision = self.positions.save(W::NAME, &position, revision).await?;
            }
        }
    }
}

async fn handle<W: Workflow>(workflow: &W, recorded: &Recorded) -> anyhow::Result<()> {
    let events = match &recorded.events {
        Ok(events) => events,
        Err(error) => {
            tracing::error!(
                workflow = W::NAME, log.sequence = recorded.sequence, %error,
                "an event cannot be read: the commit is set aside"
            );
            return Ok(());
        }
    };
    for event in events {
        let because = Because { workflow: W::NAME, recorded, event };
        let mut pause = PAUSE.0;
        while let Err(setback) = workflow.react(&because).await {
            match setback {
                Setback::Later(error) => {
                    tracing::warn!(
                        workflow = W::NAME,
                        log.sequence = recorded.sequence,
                        event = event.kind,
                        error = format!("{error:#}"),
                        "trying again"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
                Setback::SetAside(error) => {
                    tracing::error!(
                        workflow = W::NAME,
                        log.sequence = recorded.sequence,
                        event = event.kind,
                        error = format!("{error:#}"),
                        "set aside"
                    );
                    break;
                }
            }
        }
    }
    Ok(())
}
