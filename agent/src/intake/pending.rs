//! How many messages lie in the agent's durable that were not delivered yet.

use async_nats::jetstream::consumer::{Consumer, pull};
use nats::{Connection, QueueError, subjects};
use tokio::sync::Mutex;

/// The agent's own durable, asked for its state only.
#[derive(Debug)]
pub struct Pending(Mutex<Consumer<pull::Config>>);

impl Pending {
    /// Of the durable `<tenant>_<agent>`.
    pub async fn open(
        connection: &Connection,
        tenant: &str,
        agent: &str,
    ) -> Result<Self, QueueError> {
        let (stream, durable) = (subjects::STREAM_JOBS, subjects::agent_durable(tenant, agent)?);
        let refused = |source| QueueError::Open { stream, durable: durable.clone(), source };
        let handle = connection
            .jetstream()
            .get_stream_no_info(stream)
            .await
            .map_err(|error| refused(error.into()))?;
        Ok(Self(Mutex::new(handle.get_consumer(&durable).await.map_err(refused)?)))
    }

    /// How many at this moment. Unknown is none: a cancel is then heard while the job runs.
    pub(super) async fn count(&self) -> u64 {
        match self.0.lock().await.info().await {
            Ok(info) => info.num_pending,
            Err(error) => {
                tracing::warn!(%error, "the state of the durable is not known");
                0
            }
        }
    }
}
