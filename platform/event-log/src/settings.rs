//! How the streams of this log are configured, as the server says.

use crate::append::EventLog;
use nats::InspectError;
use nats::inspect::{self, Configured};
use tokio::sync::watch;

impl EventLog {
    /// The settings of the log, its blobs and its checkpoints, and what weakens them.
    pub async fn stream_settings(&self) -> Result<Vec<Configured>, InspectError> {
        let shard = self.reader.identity().shard.as_str();
        inspect::record(&self.reader.connection, shard).await
    }

    /// Wakes whoever must look again after a reconnect.
    pub fn watch_connects(&self) -> watch::Receiver<u64> {
        self.reader.connection.watch_connects()
    }
}
