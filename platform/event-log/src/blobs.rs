//! Blobs: large values, stored once by content before the commit that names them.

use crate::append::EventLog;
use crate::error::{AppendError, LogError};
use crate::patience::Patience;
use crate::publish::{Published, publish};
use async_nats::HeaderMap;
use bytes::Bytes;
use ledger::BlobRef;
use nats::subjects;

impl EventLog {
    /// Stores bytes under their digest, if they are not there yet, and gives the reference to put into an event.
    pub async fn put_blob(
        &self,
        tenant: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<BlobRef, AppendError> {
        let reference = BlobRef::of(&bytes, media_type);
        let shard = self.reader.identity().shard.as_str();
        let subject = subjects::blob(shard, tenant, &reference.sha256.to_string())
            .map_err(|_| LogError::Name)?;
        let mut patience = Patience::new();
        loop {
            let headers = HeaderMap::new();
            let last =
                match publish(&self.reader.connection, &subject, headers, bytes.clone(), 0).await {
                    Published::Stored(_) => return Ok(reference),
                    // The subject has its one message, the same content by its name; or another append is in flight.
                    Published::Conflict => {
                        if self.reader.blob(tenant, &reference.sha256).await?.is_some() {
                            return Ok(reference);
                        }
                        "the blob is being stored".to_owned()
                    }
                    Published::Unknown(why) => why,
                };
            if !patience.pause().await {
                let sha256 = reference.sha256.to_string();
                return Err(AppendError::Blob { sha256, last });
            }
        }
    }
}
