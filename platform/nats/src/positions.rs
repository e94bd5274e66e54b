//! Positions of long-lived readers in the key-value bucket `CS_POSITIONS`.
//!
//! A save names the revision that it replaces; whoever loses that race is no longer the only
//! reader and must stop. The revision is the fence.

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Connection;
use crate::batch::{ReadError, last_on_leader};
use crate::subjects::{self, NameError};

/// What a bucket client writes as operation when it deletes or purges a key.
const OPERATION_HEADER: &str = "KV-Operation";

/// Why a position could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// A service or position name that must not reach a subject.
    #[error("cannot name the position")]
    Name(#[from] NameError),
    /// The leader gave no answer.
    #[error("cannot load position {name}")]
    Load {
        /// The position.
        name: String,
        /// What happened.
        #[source]
        source: ReadError,
    },
    /// The stored bytes are not such a position.
    #[error("the stored position {name} is not readable")]
    Unreadable {
        /// The position.
        name: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Someone else has saved since: this reader is not the only one and must stop.
    #[error("position {name} is no longer at revision {expected}: another reader saved it")]
    Overtaken {
        /// The position.
        name: String,
        /// The revision that was to be replaced.
        expected: u64,
    },
    /// It is unknown whether the position was saved; load it again.
    #[error("cannot save position {name}")]
    Save {
        /// The position.
        name: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A loaded position with the revision that the next save must replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved<T> {
    /// The position; `None` if none was saved yet.
    pub position: Option<T>,
    /// Revision in the bucket; 0 if the key was never written.
    pub revision: u64,
}

/// The positions of one service.
#[derive(Debug, Clone)]
pub struct Positions {
    connection: Connection,
    service: String,
}

impl Positions {
    /// The positions that `service` (a slug) owns.
    pub fn of_service(connection: &Connection, service: &str) -> Result<Self, NameError> {
        let service = subjects::slug("service", service)?.to_owned();
        Ok(Self { connection: connection.clone(), service })
    }

    /// Loads position `name` from the leader.
    pub async fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Saved<T>, PositionError> {
        let subject = subjects::position(&self.service, name)?;
        let stored = last_on_leader(&self.connection, subjects::STREAM_POSITIONS, &subject)
            .await
            .map_err(|source| PositionError::Load { name: name.to_owned(), source })?;
        let Some(message) = stored else { return Ok(Saved { position: None, revision: 0 }) };
        let revision = message.sequence;
        if message.header(OPERATION_HEADER).is_some() {
            return Ok(Saved { position: None, revision });
        }
        let position = serde_json::from_slice(&message.payload)
            .map_err(|source| PositionError::Unreadable { name: name.to_owned(), source })?;
        Ok(Saved { position: Some(position), revision })
    }

    /// Saves position `name` if it still is at revision `expected`; gives its new revision.
    pub async fn save<T: Serialize>(
        &self,
        name: &str,
        position: &T,
        expected: u64,
    ) -> Result<u64, PositionError> {
        let subject = subjects::position(&self.service, name)?;
        let failed = |source| PositionError::Save { name: name.to_owned(), source };
        let bytes = serde_json::to_vec(position).map_err(|error| failed(error.into()))?;
        let message = PublishMessage::build()
            .expected_last_subject_sequence(expected)
            .expected_stream(subjects::STREAM_POSITIONS)
            .payload(bytes.into());
        let acknowledged = match self.connection.jetstream().send_publish(subject, message).await {
            Ok(publish) => publish.await,
            Err(error) => Err(error),
        };
        match acknowledged {
            Ok(ack) => Ok(ack.sequence),
            Err(error) if is_conflict(&error) => {
                Err(PositionError::Overtaken { name: name.to_owned(), expected })
            }
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// 10071 on one server, 10164 in a cluster (notes/event-log.md).
fn is_conflict(error: &async_nats::jetstream::context::PublishError) -> bool {
    use std::error::Error as _;
    error.kind() == PublishErrorKind::WrongLastSequence
        || error
            .source()
            .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>())
            .is_some_and(|refusal| refusal.error_code().0 == 10_164)
}
