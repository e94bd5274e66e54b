//! Putting back what a log held, message by message and each at its own sequence: nothing else may append meanwhile.

use crate::error::LogError;
use crate::patience::Patience;
use crate::publish::{Published, publish, publish_after};
use crate::reader::Reader;
use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use ledger::{HASH_HEADER, SIGNATURE_HEADER, Stored};
use nats::subjects;
use trust::encoding::Sha256Digest;

/// Where a message stands in for a lost one, until it is taken out.
const STAND_IN: &str = "a message that stands in for a lost one\n";

/// Why a message is not back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something else appends, or has appended.
    #[error("sequence {sequence} of the log was taken by something else while it was restored")]
    Taken {
        /// Which.
        sequence: u64,
    },
    /// A subject outside of the log: no message of this log can have it.
    #[error("sequence {sequence} has a subject that is none of the log")]
    Subject {
        /// Which.
        sequence: u64,
    },
    /// A hash or signature that no header can carry: no message of this log has it.
    #[error("sequence {sequence} has a header that no message can have")]
    Header {
        /// Which.
        sequence: u64,
    },
    /// Nobody knows whether it is stored: start the restore again.
    #[error("it is not known whether {what} was stored: {last}")]
    Unknown {
        /// What.
        what: String,
        /// The last failure.
        last: String,
    },
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
}

/// Puts messages back, over a connection that may append to the log and its blobs.
#[derive(Debug, Clone)]
pub struct Restorer {
    reader: Reader,
}

impl Restorer {
    /// Of the log that `reader` reads in the account LOG.
    pub fn of(reader: &Reader) -> Self {
        Self { reader: reader.clone() }
    }

    /// Puts a message back at its sequence, which is the stream's next: the exact bytes under the exact headers.
    pub async fn put(&self, message: &Stored<'_>) -> Result<(), RestoreError> {
        let mut headers = HeaderMap::new();
        for (name, text) in [(HASH_HEADER, message.hash), (SIGNATURE_HEADER, message.signature)] {
            if let Some(text) = text {
                let carried = text.parse::<HeaderValue>();
                let refused = RestoreError::Header { sequence: message.sequence };
                headers.insert(name, carried.map_err(|_| refused)?);
            }
        }
        let payload = Bytes::copy_from_slice(message.payload);
        self.put_at(message.sequence, message.subject, headers, payload).await
    }

    /// Puts a message where a lost one was, to be taken out at once.
    pub async fn put_stand_in(&self, sequence: u64) -> Result<(), RestoreError> {
        let payload = Bytes::from_static(STAND_IN.as_bytes());
        self.put_at(sequence, &self.stand_in()?, HeaderMap::new(), payload).await
    }

    /// Whether this is what [`Self::put_stand_in`] puts: a restore was stopped before it was taken out.
    pub fn is_stand_in(&self, message: &Stored<'_>) -> Result<bool, RestoreError> {
        let is_subject = self.stand_in()? == message.subject;
        Ok(is_subject && message.payload == STAND_IN.as_bytes())
    }

    /// Stores a blob, if it is not there.
    pub async fn put_blob(&self, tenant: &str, bytes: Bytes) -> Result<(), RestoreError> {
        let (reader, sha256) = (&self.reader, Sha256Digest::of(&bytes));
        let shard = reader.identity().shard.as_str();
        let subject = subjects::blob(shard, tenant, &sha256.to_string());
        let subject = subject.map_err(|_| LogError::Name)?;
        let mut patience = Patience::new();
        loop {
            let headers = HeaderMap::new();
            let sent = publish(&reader.connection, &subject, headers, bytes.clone(), 0).await;
            let last = match sent {
                Published::Stored(_) => return Ok(()),
                Published::Conflict if reader.blob(tenant, &sha256).await?.is_some() => {
                    return Ok(());
                }
                Published::Conflict => "it is being stored".to_owned(),
                Published::Unknown(why) => why,
            };
            if !patience.pause().await {
                return Err(RestoreError::Unknown { what: format!("the blob {sha256}"), last });
            }
        }
    }

    fn stand_in(&self) -> Result<String, LogError> {
        let shard = self.reader.identity().shard.as_str();
        subjects::log_stand_in(shard).map_err(|_| LogError::Name)
    }

    async fn put_at(
        &self,
        sequence: u64,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), RestoreError> {
        let shard = self.reader.identity().shard.as_str();
        if !subjects::is_of_log(shard, subject) {
            return Err(RestoreError::Subject { sequence });
        }
        let connection = &self.reader.connection;
        let mut patience = Patience::new();
        loop {
            let (headers, payload) = (headers.clone(), payload.clone());
            let before = sequence.saturating_sub(1);
            let sent = publish_after(connection, subject, headers, payload.clone(), before).await;
            let last = match sent {
                Published::Stored(stored) if stored == sequence => return Ok(()),
                Published::Stored(_) => return Err(RestoreError::Taken { sequence }),
                // An earlier try of ours may be the reason; on a cluster also one that is still in flight.
                Published::Conflict => match self.found(sequence, subject, &payload).await? {
                    Some(true) => return Ok(()),
                    Some(false) => return Err(RestoreError::Taken { sequence }),
                    None => "the server expects another sequence".to_owned(),
                },
                Published::Unknown(why) => why,
            };
            if !patience.pause().await {
                return Err(RestoreError::Unknown { what: format!("sequence {sequence}"), last });
            }
        }
    }

    /// Whether a sequence holds this message; none if the log is not that long.
    async fn found(
        &self,
        sequence: u64,
        subject: &str,
        payload: &Bytes,
    ) -> Result<Option<bool>, RestoreError> {
        let there = self.reader.stored_after(sequence.saturating_sub(1), 1).await?;
        let there = there.first();
        Ok(there
            .map(|it| it.sequence == sequence && it.subject == subject && it.payload == *payload))
    }
}
