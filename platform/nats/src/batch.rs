//! Reads that need no consumer: batched direct get (server 2.11 and later) and the leader's last
//! message of a subject.
//!
//! A direct get may be answered by a follower and is not read-your-writes; [`last_on_leader`] is, as long as whoever
//! answers still leads ([`crate::leader`]).

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Serialize;

use crate::Connection;

/// Longest silence within a batch: a replica that says nothing is not waited for as long as a leader.
const SILENCE: Duration = Duration::from_secs(2);

/// One message as its stream holds it.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Sequence in the stream.
    pub sequence: u64,
    /// Subject that it was stored under.
    pub subject: String,
    /// When the server stored it.
    pub time: DateTime<Utc>,
    /// Its headers; a direct get adds `Nats-Stream`, `Nats-Sequence`, `Nats-Subject` and
    /// `Nats-Time-Stamp` to the stored ones.
    pub headers: HeaderMap,
    /// The exact bytes that were stored.
    pub payload: Bytes,
}

impl StoredMessage {
    /// The last value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get_last(name).map(async_nats::HeaderValue::as_str)
    }
}

impl TryFrom<StreamMessage> for StoredMessage {
    type Error = ReadError;

    fn try_from(message: StreamMessage) -> Result<Self, ReadError> {
        let StreamMessage { subject, sequence, headers, payload, time } = message;
        let time = DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())
            .ok_or(ReadError::Time { sequence })?;
        Ok(Self { sequence, subject: subject.into_string(), time, headers, payload })
    }
}

/// The answer to one batched direct get.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Messages in ascending sequence.
    pub messages: Vec<StoredMessage>,
    /// How many more messages match after these; read on while it is not 0.
    pub pending: u64,
    /// For [`last_of_each`]: the sequence that the view stands at.
    pub up_to_sequence: Option<u64>,
}

/// Why a read gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody answers for this stream: it does not exist here, or has `allow_direct` off.
    #[error("no server answers direct gets of stream {stream}")]
    NoResponders {
        /// The stream.
        stream: String,
    },
    /// The request did not leave this process.
    #[error("cannot ask for messages of stream {stream}")]
    Request {
        /// The stream.
        stream: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused the request (408: malformed, 413: too many subjects match).
    #[error("the server refused to read stream {stream}: {status} {description}")]
    Refused {
        /// The stream.
        stream: String,
        /// NATS status code.
        status: u16,
        /// The server's words.
        description: String,
    },
    /// The answer lacks a message, stopped in its middle, or never came.
    #[error("the answer from stream {stream} is incomplete after {received} messages")]
    Incomplete {
        /// The stream.
        stream: String,
        /// Messages that had come.
        received: usize,
    },
    /// Whoever answered as leader has not heard enough of the others lately: another one may lead.
    #[error(
        "who answers for stream {stream} has heard {heard} of {nodes} nodes lately: another may lead"
    )]
    NotLeading {
        /// The stream.
        stream: String,
        /// Nodes heard lately, itself among them.
        heard: usize,
        /// Nodes that hold the stream.
        nodes: usize,
    },
    /// A message came without the headers that say which one it is.
    #[error("a message of stream {stream} came without its place in the stream")]
    Malformed {
        /// The stream.
        stream: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored time outside the calendar.
    #[error("the stored time of sequence {sequence} is out of range")]
    Time {
        /// Sequence in the stream.
        sequence: u64,
    },
}

impl ReadError {
    pub(crate) fn request(
        stream: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Request { stream: stream.to_owned(), source: source.into() }
    }
}

#[derive(Serialize)]
struct NextRequest<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: u32,
}

#[derive(Serialize)]
struct LastRequest<'a> {
    multi_last: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to_seq: Option<u64>,
}

/// Up to `batch` messages of `stream` whose subject matches `subject` (wildcards allowed), from
/// sequence `from` on. No match is an empty batch.
pub async fn messages_from(
    connection: &Connection,
    stream: &str,
    subject: &str,
    from: u64,
    batch: u32,
) -> Result<Batch, ReadError> {
    read(connection, stream, &NextRequest { seq: from.max(1), next_by_subj: subject, batch }).await
}

/// The last message of every subject that matches one of `subjects`, all as of one point of the
/// stream (`up_to`, or now). No match is an empty batch; the server refuses more than 1024.
pub async fn last_of_each(
    connection: &Connection,
    stream: &str,
    subjects: &[&str],
    up_to: Option<u64>,
) -> Result<Batch, ReadError> {
    read(connection, stream, &LastRequest { multi_last: subjects, up_to_seq: up_to }).await
}

/// The last message of `subject` as the stream's leader holds it: read-your-writes.
pub async fn last_on_leader(
    connection: &Connection,
    stream: &str,
    subject: &str,
) -> Result<Option<StoredMessage>, ReadError> {
    let request = |source| ReadError::Request { stream: stream.to_owned(), source };
    let handle = connection
        .jetstream()
        .get_stream_no_info(stream)
        .await
        .map_err(|error| request(error.into()))?;
    match handle.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message.try_into()?)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(request(error.into())),
    }
}

/// As [`messages_from`], but as the stream's leader holds them, asked one by one: for when a replica is silent.
pub async fn messages_from_leader(
    connection: &Connection,
    stream: &str,
    subject: &str,
    from: u64,
    batch: u32,
) -> Result<Batch, ReadError> {
    let request = |source| ReadError::Request { stream: stream.to_owned(), source };
    let handle = connection.jetstream().get_stream_no_info(stream).await;
    let handle = handle.map_err(|error| request(error.into()))?;
    let mut read = Batch::default();
    let mut next = from.max(1);
    for _ in 0..batch {
        match handle.get_first_raw_message_by_subject(subject, next).await {
            Ok(message) => {
                next = message.sequence + 1;
                read.messages.push(message.try_into()?);
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(read);
            }
            Err(error) => return Err(request(error.into())),
        }
    }
    // Whether there is more was not asked: whoever reads on finds out.
    read.pending = 1;
    Ok(read)
}

async fn read(
    connection: &Connection,
    stream: &str,
    request: &impl Serialize,
) -> Result<Batch, ReadError> {
    let failed = |source| ReadError::Request { stream: stream.to_owned(), source };
    let client = connection.client();
    let body = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
    let inbox = client.new_inbox();
    let mut answers =
        client.subscribe(inbox.clone()).await.map_err(|error| failed(error.into()))?;
    client
        .publish_with_reply(format!("$JS.API.DIRECT.GET.{stream}"), inbox, body.into())
        .await
        .map_err(|error| failed(error.into()))?;
    let mut batch = Batch::default();
    let mut last = 0;
    let incomplete = |received| ReadError::Incomplete { stream: stream.to_owned(), received };
    loop {
        let Ok(Some(answer)) = tokio::time::timeout(SILENCE, answers.next()).await else {
            return Err(incomplete(batch.messages.len()));
        };
        // Every message, and the end, names the one before it: a lost one is seen.
        if number(&answer, "Nats-Last-Sequence").is_some_and(|before| before != last) {
            return Err(incomplete(batch.messages.len()));
        }
        match answer.status.map(|status| status.as_u16()) {
            None => {
                let message = stored(stream, answer)?;
                last = message.sequence;
                batch.messages.push(message);
            }
            Some(204) => {
                batch.pending = number(&answer, "Nats-Num-Pending").unwrap_or(0);
                batch.up_to_sequence = number(&answer, "Nats-UpTo-Sequence");
                return Ok(batch);
            }
            Some(404) => return Ok(batch),
            Some(503) => return Err(ReadError::NoResponders { stream: stream.to_owned() }),
            Some(status) => {
                let description = answer.description.unwrap_or_default();
                return Err(ReadError::Refused { stream: stream.to_owned(), status, description });
            }
        }
    }
}

fn stored(stream: &str, message: async_nats::Message) -> Result<StoredMessage, ReadError> {
    StreamMessage::try_from(message)
        .map_err(|error| ReadError::Malformed { stream: stream.to_owned(), source: error.into() })?
        .try_into()
}

fn number(message: &async_nats::Message, name: &str) -> Option<u64> {
    message.headers.as_ref()?.get_last(name)?.as_str().parse().ok()
}
