//! Runs a workflow over the log: in order, from its saved position, each event until it is answered.

use crate::config::SERVICE;
use crate::pauses::Pauses;
use crate::records::Records;
use crate::workflow::{Because, Setback, Workflow};
use anyhow::Context as _;
use event_log::{Followed, LogError, Recorded};
use ledger::Position;
use nats::{Connection, PositionError, Positions, Saved};
use std::future::Future;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

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
    /// who finds it saved by somebody else stops. A server that is away is waited for.
    pub async fn keep<W: Workflow>(
        self,
        workflow: W,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let place = patiently(|| self.positions.load(W::NAME)).await?;
        let (reached, saving) = watch::channel(place.position.clone());
        // Saving beside following: the next event does not wait for the position of the last.
        let ended = tokio::select! {
            () = stopping.cancelled() => Ok(()),
            ended = self.follow(&workflow, reached) => ended,
            ended = self.save_each(W::NAME, place, saving) => ended,
        };
        ended.with_context(|| format!("workflow {}", W::NAME))
    }

    async fn follow<W: Workflow>(
        &self,
        workflow: &W,
        reached: watch::Sender<Option<Position>>,
    ) -> anyhow::Result<()> {
        let log = self.records.reader();
        loop {
            let from = reached.borrow().clone();
            let mut follower = patiently(|| log.follow(from.clone())).await?;
            let lost = loop {
                match follower.next().await {
                    Ok(seen) => {
                        if let Followed::Commit(recorded) = &seen {
                            handle(workflow, recorded).await;
                        }
                        reached.send_replace(Some(seen.position(log)));
                    }
                    Err(error) if error.is_transient() => break error,
                    Err(error) => return Err(error.into()),
                }
            };
            tracing::warn!(workflow = W::NAME, error = %lost, "the log is followed again");
            Pauses::new().pause().await;
        }
    }

    /// Saves the newest position whenever there is one; those in between are left out.
    async fn save_each(
        &self,
        name: &str,
        mut place: Saved<Position>,
        mut reached: watch::Receiver<Option<Position>>,
    ) -> anyhow::Result<()> {
        while reached.changed().await.is_ok() {
            place.position.clone_from(&reached.borrow_and_update());
            self.save(name, &mut place).await?;
        }
        std::future::pending().await
    }

    /// Saves; after a lost answer the revision says whether it was saved.
    async fn save(&self, name: &str, place: &mut Saved<Position>) -> Result<(), PositionError> {
        loop {
            let saved = self.positions.save(name, &place.position, place.revision).await;
            match saved {
                Ok(revision) => {
                    place.revision = revision;
                    return Ok(());
                }
                Err(PositionError::Overtaken { .. } | PositionError::Save { .. }) => {
                    let now: Saved<Position> = patiently(|| self.positions.load(name)).await?;
                    if now.position == place.position {
                        place.revision = now.revision;
                        return Ok(());
                    }
                    if now.revision != place.revision {
                        return saved.map(|_| ());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Asks until the server answers; what waiting does not mend is given back.
async fn patiently<T, E, F>(mut ask: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Transient,
{
    let mut pauses = Pauses::new();
    loop {
        match ask().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "not answered yet: asking again");
                pauses.pause().await;
            }
            answered => return answered,
        }
    }
}

/// An error that time may mend.
trait Transient: std::fmt::Display {
    fn is_transient(&self) -> bool;
}

impl Transient for LogError {
    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }
}

impl Transient for PositionError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Load { .. })
    }
}

async fn handle<W: Workflow>(workflow: &W, recorded: &Recorded) {
    let events = match &recorded.events {
        Ok(events) => events,
        Err(error) => {
            tracing::error!(
                workflow = W::NAME, log.sequence = recorded.sequence, %error,
                "an event cannot be read: the commit is set aside"
            );
            return;
        }
    };
    for event in events {
        let because = Because { workflow: W::NAME, recorded, event };
        let mut pauses = Pauses::new();
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
                    pauses.pause().await;
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
}
