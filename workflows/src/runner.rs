//! Runs a workflow over the log: in order, from its saved position, each event until it is answered.

use crate::config::SERVICE;
use crate::pauses::Pauses;
use crate::records::Records;
use crate::set_aside::{Aside, SetAside};
use crate::workflow::{Because, Setback, Workflow};
use anyhow::Context as _;
use event_log::{Followed, LogError, Recorded};
use ledger::Position;
use nats::{Connection, PositionError, Positions, Saved};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the lag is measured.
const MEASURED: Duration = Duration::from_secs(5);

/// Runs workflows. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Runner {
    records: Records,
    positions: Positions,
    set_aside: SetAside,
    instance: String,
}

/// How far a workflow is, and which instance of this process says so: equal positions of two instances differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    position: Option<Position>,
    instance: String,
}

impl Runner {
    /// Over the mirror of the log in CTL.
    pub fn new(connection: &Connection, records: &Records) -> anyhow::Result<Self> {
        let positions = Positions::of_service(connection, SERVICE)?;
        let set_aside = SetAside::new(connection)?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let instance = hex::encode(nonce);
        Ok(Self { records: records.clone(), positions, set_aside, instance })
    }

    /// Keeps a workflow going until the process stops. The position is saved only after every command was answered;
    /// who finds it saved by somebody else stops. A server that is away is waited for.
    pub async fn keep<W: Workflow>(
        self,
        workflow: W,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let ended = tokio::select! {
            () = stopping.cancelled() => Ok(()),
            ended = self.run(&workflow) => ended,
        };
        ended.with_context(|| format!("workflow {}", W::NAME))
    }

    async fn run<W: Workflow>(&self, workflow: &W) -> anyhow::Result<()> {
        self.set_aside.show(W::NAME).await?;
        let (position, revision) = self.claim(W::NAME).await?;
        let (reached, saving) = watch::channel(position);
        let measuring = saving.clone();
        // Saving beside following: the next event does not wait for the position of the last.
        tokio::select! {
            ended = self.follow(workflow, reached) => ended,
            ended = self.save_each(W::NAME, revision, saving) => ended,
            () = self.measure(W::NAME, measuring) => Ok(()),
        }
    }

    /// Takes the position over. An instance that still runs finds this one's name at its next save, and stops; until
    /// then it may save first, and is overtaken in the next try.
    async fn claim(&self, name: &str) -> Result<(Option<Position>, u64), PositionError> {
        loop {
            let saved: Saved<Reached> = patiently(|| self.positions.load(name)).await?;
            let position = saved.position.and_then(|reached| reached.position);
            let mut revision = saved.revision;
            match self.save(name, position.clone(), &mut revision).await {
                Ok(()) => return Ok((position, revision)),
                Err(PositionError::Overtaken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
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
                            self.handle(workflow, recorded).await?;
                        }
                        reached.send_replace(Some(seen.position(&log.identity().origin)));
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
        mut revision: u64,
        mut reached: watch::Receiver<Option<Position>>,
    ) -> anyhow::Result<()> {
        while reached.changed().await.is_ok() {
            let position = reached.borrow_and_update().clone();
            self.save(name, position, &mut revision).await?;
        }
        std::future::pending().await
    }

    /// Saves; after a lost answer what is stored says whether it was saved.
    async fn save(
        &self,
        name: &str,
        position: Option<Position>,
        revision: &mut u64,
    ) -> Result<(), PositionError> {
        let own = Reached { position, instance: self.instance.clone() };
        loop {
            let saved = self.positions.save(name, &own, *revision).await;
            match saved {
                Ok(saved) => {
                    *revision = saved;
                    return Ok(());
                }
                Err(PositionError::Overtaken { .. } | PositionError::Save { .. }) => {
                    let now: Saved<Reached> = patiently(|| self.positions.load(name)).await?;
                    if now.position.as_ref() == Some(&own) {
                        *revision = now.revision;
                        return Ok(());
                    }
                    if now.revision != *revision {
                        return saved.map(|_| ());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Shows how many messages of the log the workflow has still to handle.
    async fn measure(&self, name: &'static str, reached: watch::Receiver<Option<Position>>) {
        let mut tick = tokio::time::interval(MEASURED);
        loop {
            tick.tick().await;
            // Who cannot be asked is shown by other metrics; the lag stays as it was.
            let Ok(last) = self.records.reader().last_sequence().await else { continue };
            let reached = reached.borrow().as_ref().map_or(0, |position| position.sequence);
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let lag = last.saturating_sub(reached) as f64;
            metrics::gauge!("workflows_position_lag", "workflow" => name).set(lag);
        }
    }

    async fn handle<W: Workflow>(
        &self,
        workflow: &W,
        recorded: &Recorded,
    ) -> Result<(), PositionError> {
        let aside = |what: &str, why: String| {
            self.set_aside
                .keep(W::NAME, Aside { sequence: recorded.sequence, what: what.to_owned(), why })
        };
        let events = match &recorded.events {
            Ok(events) => events,
            Err(error) => return aside("its events", error.to_string()).await,
        };
        for event in events {
            let because = Because::of(W::NAME, recorded, event);
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
                        aside(&event.id, format!("{}: {error:#}", event.kind)).await?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Asks until the server answers; what waiting does not mend is given back.
pub(crate) async fn patiently<T, E, F>(mut ask: impl FnMut() -> F) -> Result<T, E>
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
pub(crate) trait Transient: std::fmt::Display {
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

#[cfg(test)]
mod tests;
