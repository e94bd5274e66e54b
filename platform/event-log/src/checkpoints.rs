//! The stream of checkpoints: the sealer's fence. Each is appended only after the one that its sealer has seen, so that
//! two sealers cannot both go on.

use crate::error::{AppendError, LogError};
use crate::patience::Patience;
use crate::publish::{Published, publish};
use crate::reader::Reader;
use async_nats::HeaderMap;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use nats::subjects;

/// The checkpoints of one log.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    reader: Reader,
}

/// A signed note, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Its sequence in the stream of checkpoints.
    pub sequence: u64,
    /// The exact bytes.
    pub note: Bytes,
}

impl Checkpoints {
    /// Of the log that `reader` reads, in the account LOG; a mirror shows them a moment later.
    pub fn of(reader: &Reader) -> Self {
        Self { reader: reader.clone() }
    }

    /// The last one that the leader holds; none before the first.
    pub async fn newest(&self) -> Result<Option<StoredCheckpoint>, LogError> {
        let failed = |error: async_nats::Error| LogError::Follow(error);
        let (stream, subject) = self.names()?;
        let jetstream = self.reader.connection.jetstream();
        let stream = jetstream.get_stream_no_info(stream).await;
        let stream = stream.map_err(|error| failed(error.into()))?;
        match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => {
                Ok(Some(StoredCheckpoint { sequence: message.sequence, note: message.payload }))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Appends a note after the one of sequence `last` (0: none), and answers its own sequence. A conflict means that
    /// another sealer was faster.
    pub async fn append(&self, note: Bytes, last: u64) -> Result<u64, AppendError> {
        let (_, subject) = self.names()?;
        let connection = &self.reader.connection;
        let mut patience = Patience::new();
        loop {
            let sent = publish(connection, &subject, HeaderMap::new(), note.clone(), last).await;
            match sent {
                Published::Stored(sequence) => return Ok(sequence),
                // An earlier try of ours may be the reason.
                Published::Conflict => {
                    let newest = self.newest().await?;
                    let ours =
                        newest.filter(|newest| newest.note == note && newest.sequence > last);
                    return ours.map(|ours| ours.sequence).ok_or(AppendError::Conflict);
                }
                Published::Unknown(why) => {
                    tracing::warn!(why, "the outcome of a checkpoint is unknown: the same again");
                    if !patience.pause().await {
                        let command = "the checkpoint".to_owned();
                        return Err(AppendError::Unknown { command, last: why });
                    }
                }
            }
        }
    }

    fn names(&self) -> Result<(String, String), LogError> {
        let shard = self.reader.identity().shard.as_str();
        let stream = subjects::checkpoints_stream(shard).map_err(|_| LogError::Name)?;
        let subject = subjects::checkpoints(shard).map_err(|_| LogError::Name)?;
        Ok((stream, subject))
    }
}
