//! What nobody could do anything about: kept durably before it is passed over, counted, and named in an alarm.
//!
//! `ops/runbooks/set-aside.md` says what an operator does about it.

use crate::config::SERVICE;
use crate::pauses::Pauses;
use crate::runner::patiently;
use nats::{Connection, PositionError, Positions, Saved};
use serde::{Deserialize, Serialize};

/// So many are kept by name; older ones are only counted.
const NAMED: usize = 100;

/// One thing that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Where it is: a sequence of the log, or of `CS_RESULTS` for `intake`.
    pub sequence: u64,
    /// The event's id, or the job.
    pub what: String,
    /// Why nothing could be done.
    pub why: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    count: u64,
    newest: Vec<Aside>,
}

/// Keeps what is set aside. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct SetAside {
    positions: Positions,
}

impl SetAside {
    /// Beside the positions of this service.
    pub fn new(connection: &Connection) -> anyhow::Result<Self> {
        Ok(Self { positions: Positions::of_service(connection, SERVICE)? })
    }

    /// Shows on `/metrics` what is kept for a workflow.
    pub async fn show(&self, workflow: &'static str) -> Result<(), PositionError> {
        let kept = self.load(&name(workflow)).await?.position.unwrap_or_default();
        gauge(workflow, kept.count);
        Ok(())
    }

    /// Keeps it; returns only once it is kept. The same thing again is kept once.
    pub async fn keep(&self, workflow: &'static str, aside: Aside) -> Result<(), PositionError> {
        tracing::error!(
            workflow,
            sequence = aside.sequence,
            what = aside.what,
            why = aside.why,
            runbook = "ops/runbooks/set-aside.md",
            "set aside"
        );
        let name = name(workflow);
        let mut pauses = Pauses::new();
        loop {
            let Saved { position, revision } = self.load(&name).await?;
            let mut kept = position.unwrap_or_default();
            let same = |it: &Aside| it.sequence == aside.sequence && it.what == aside.what;
            if !kept.newest.iter().any(same) {
                kept.count += 1;
                kept.newest.push(aside.clone());
                let surplus = kept.newest.len().saturating_sub(NAMED);
                kept.newest.drain(..surplus);
            }
            match self.positions.save(&name, &kept, revision).await {
                Ok(_) => {
                    gauge(workflow, kept.count);
                    return Ok(());
                }
                // Another instance, or a lost answer: what is there now says.
                Err(PositionError::Overtaken { .. } | PositionError::Save { .. }) => {
                    pauses.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn load(&self, name: &str) -> Result<Saved<Kept>, PositionError> {
        patiently(|| self.positions.load(name)).await
    }
}

fn name(workflow: &str) -> String {
    format!("{workflow}_set_aside")
}

fn gauge(workflow: &'static str, count: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("workflows_set_aside", "workflow" => workflow).set(count as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use devkit::{Options, Stack, identities};

    fn aside(sequence: u64) -> Aside {
        let (what, why) = ("job_1".to_owned(), "jobs.result_invalid".to_owned());
        Aside { sequence, what, why }
    }

    #[tokio::test]
    async fn what_is_set_aside_is_still_there_for_the_next_instance() {
        chassis::process::install_crypto();
        let stack = Stack::start(Options::default()).await.unwrap();
        let connection = stack.connect_service(identities::WORKFLOWS).await.unwrap();
        let first = SetAside::new(&connection).unwrap();
        for sequence in [7, 7, 8] {
            first.keep("intake", aside(sequence)).await.unwrap();
        }
        let other = stack.connect_service(identities::WORKFLOWS).await.unwrap();
        let next = SetAside::new(&other).unwrap();
        let kept = next.load(&name("intake")).await.unwrap().position.unwrap();
        assert_eq!(kept, Kept { count: 2, newest: vec![aside(7), aside(8)] });
        assert_eq!(next.load(&name("checks")).await.unwrap().position, None);
        for sequence in 9..=120 {
            next.keep("intake", aside(sequence)).await.unwrap();
        }
        let kept = next.load(&name("intake")).await.unwrap().position.unwrap();
        assert_eq!((kept.count, kept.newest.len(), kept.newest[0].sequence), (114, NAMED, 21));
        stack.stop().await;
    }
}
