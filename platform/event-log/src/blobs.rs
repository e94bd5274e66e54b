//! Blobs: large values, stored once by content before the commit that names them.

use crate::append::EventLog;
use crate::error::{AppendError, LogError};
use crate::publish::{Published, publish};
use async_nats::HeaderMap;
use bytes::Bytes;
use ledger::BlobRef;
use nats::subjects;
use std::time::Duration;

const TRIES: usize = 8;
const PAUSE: Duration = Duration::from_millis(100);

impl EventLog {
    /// Stores bytes under their digest, if they are not there yet, and gives the reference to put into an event.
    pub async fn put_blob(
        &self,
        tenant: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<BlobRef, AppendError> {
        let reference = BlobRef::of(&bytes, media_type);
        let shard = self.reader.identity.shard.as_str();
        let subject = subjects::blob(shard, tenant, &reference.sha256.to_string())
            .map_err(|_| LogError::Name)?;
        let mut last = String::new();
        for _ in 0..TRIES {
            let headers = HeaderMap::new();
            match publish(&self.reader.connection, &subject, headers, bytes.clone(), 0).await {
                Published::Stored(_) => return Ok(reference),
                // The subject has its one message, the same content by its name; or another append is in flight.
                Published::Conflict => {
                    if self.reader.blob(tenant, &reference.sha256).await?.is_some() {
                        return Ok(reference);
                    }
                    "the blob is being stored".clone_into(&mut last);
                }
                Published::Unknown(why) => last = why,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(AppendError::Unknown { command: format!("blob {}", reference.sha256), last })
    }
}
