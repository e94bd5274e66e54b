//! What one consumer delivers over one connection. It ends with either; the client never makes it anew by itself,
//! because only the follower can check that the stream is still the same log.

use crate::error::LogError;
use crate::reader::Reader;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use chrono::DateTime;
use futures::StreamExt as _;
use nats::StoredMessage;
use std::time::Duration;

/// A consumer that nobody pulls from is removed by the server.
const INACTIVE: Duration = Duration::from_secs(30);
/// How long a pull waits for messages.
const PULL: Duration = Duration::from_secs(30);
/// Silence that is no longer than this is not suspicious.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The messages of one consumer.
pub(crate) struct Feed {
    messages: pull::Stream,
    /// The connection that it was made over.
    connects: u64,
    /// How many messages the consumer has delivered.
    delivered: u64,
}

/// A message, and how many more were waiting when it was sent.
pub(crate) struct Delivered {
    pub(crate) message: StoredMessage,
    pub(crate) pending: u64,
}

fn failed(error: impl Into<async_nats::Error>) -> LogError {
    LogError::Follow(error.into())
}

impl Feed {
    /// Delivers everything from a sequence on.
    pub(crate) async fn open(reader: &Reader, from: u64) -> Result<Self, LogError> {
        let connects = reader.connection.connects();
        let jetstream = reader.connection.jetstream();
        let stream = jetstream.get_stream_no_info(reader.stream()).await.map_err(failed)?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            inactive_threshold: INACTIVE,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer: Consumer<pull::Config> =
            stream.create_consumer(config).await.map_err(failed)?;
        let messages = consumer.stream().expires(PULL).heartbeat(HEARTBEAT).messages().await;
        Ok(Self { messages: messages.map_err(failed)?, connects, delivered: 0 })
    }

    /// The next message. An error is the end of this feed, not of the log.
    pub(crate) async fn next(&mut self, reader: &Reader) -> Result<Delivered, LogError> {
        let mut connects = reader.connection.watch_connects();
        let made = self.connects;
        let message = tokio::select! {
            message = self.messages.next() => message,
            _ = connects.wait_for(|count| *count > made) => None,
        };
        if reader.connection.connects() != made {
            return Err(failed("the connection was made anew"));
        }
        let message = message.ok_or_else(|| failed("the server ended the consumer"))?;
        let message = message.map_err(failed)?;
        let info = message.info().map_err(failed)?;
        if info.consumer_sequence != self.delivered + 1 {
            return Err(failed("a message was lost on its way"));
        }
        self.delivered += 1;
        let (sequence, pending, published) = (info.stream_sequence, info.pending, info.published);
        let time = DateTime::from_timestamp(published.unix_timestamp(), published.nanosecond())
            .ok_or_else(|| failed("a stored time outside the calendar"))?;
        let (message, _) = message.split();
        let message = StoredMessage {
            sequence,
            subject: message.subject.to_string(),
            time,
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
        };
        Ok(Delivered { message, pending })
    }
}
