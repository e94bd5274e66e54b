//! Jobs to agents and results back (PROTOCOL.md section 4).
//!
//! Every publish carries a `Nats-Msg-Id` and is repeated until it is acknowledged, so that a lost
//! acknowledgement stores nothing twice.

use std::fmt;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::MessagesErrorKind;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, AckKind};
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;

use crate::Connection;
use crate::subjects::{self, NameError, ResultKind};

/// How long a dispatch is repeated before its outcome is given up as unknown.
const DISPATCH_PATIENCE: Duration = Duration::from_secs(30);
const PULL_EXPIRES: Duration = Duration::from_secs(30);
const PULL_HEARTBEAT: Duration = Duration::from_secs(5);

const TRACEPARENT: &str = "traceparent";

/// Why a message could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishFailure {
    /// A segment that must not reach a subject.
    #[error("cannot name the subject")]
    Name(#[from] NameError),
    /// The message exceeds the server's `max_payload`; repeating it cannot help.
    #[error("the message for {subject} is larger than the server takes")]
    TooLarge {
        /// Where it was to go.
        subject: String,
    },
    /// No acknowledgement came: it is unknown whether the message was stored.
    #[error("no acknowledgement for {subject}")]
    Unacknowledged {
        /// Where it was to go.
        subject: String,
        /// The last failure.
        #[source]
        source: PublishError,
    },
}

/// Why a queue gives no message.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A tenant or agent name that must not reach a subject.
    #[error("cannot name the durable")]
    Name(#[from] NameError),
    /// The durable does not exist, or this identity may not use it.
    #[error("cannot open the durable {durable} of {stream}")]
    Open {
        /// Stream of the durable.
        stream: &'static str,
        /// The durable.
        durable: String,
        /// What happened.
        #[source]
        source: async_nats::Error,
    },
    /// The durable was deleted, or the client closed.
    #[error("the durable {durable} of {stream} delivers no more")]
    Ended {
        /// Stream of the durable.
        stream: &'static str,
        /// The durable.
        durable: String,
    },
    /// The server did not take an acknowledgement: the message will be delivered again.
    #[error("cannot acknowledge {subject}")]
    Acknowledge {
        /// Subject of the message.
        subject: String,
        /// What happened.
        #[source]
        source: async_nats::Error,
    },
}

/// What an agent publishes about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The job was pulled (hint).
    Claimed,
    /// The n-th sign of life (hint).
    Progress(u32),
    /// The signed outcome.
    Result,
    /// The signed refusal of a message that is not the genuine job, by 64 bits of its digest: it must not take the
    /// place of the genuine outcome, of which the server keeps one for each message id.
    Disowned(u64),
}

impl Report {
    /// The last segment of its subject.
    pub const fn kind(self) -> ResultKind {
        match self {
            Self::Claimed => ResultKind::Claimed,
            Self::Progress(_) => ResultKind::Progress,
            Self::Result | Self::Disowned(_) => ResultKind::Result,
        }
    }

    fn message_id(self, job: &str, attempt: u32) -> String {
        let kind = self.kind();
        match self {
            Self::Progress(number) => format!("{job}:{attempt}:{kind}:{number}"),
            Self::Claimed | Self::Result => format!("{job}:{attempt}:{kind}"),
            Self::Disowned(digest) => format!("{job}:{attempt}:{kind}:not-authentic:{digest:016x}"),
        }
    }
}

/// A message with its place in a trace. Nobody signed the place: it is for people who look, and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The exact bytes.
    pub payload: Bytes,
    /// W3C trace context of what sends it.
    pub traceparent: Option<String>,
}

impl From<Bytes> for Traced {
    fn from(payload: Bytes) -> Self {
        Self { payload, traceparent: None }
    }
}

/// The dispatcher's side of the jobs, in the CTL account.
#[derive(Debug, Clone)]
pub struct JobQueue {
    connection: Connection,
}

impl JobQueue {
    /// Jobs published over `connection`.
    pub fn new(connection: &Connection) -> Self {
        Self { connection: connection.clone() }
    }

    /// Publishes one attempt of a job; gives its sequence in `CS_JOBS`, the earlier one if this
    /// attempt was published before. Repeats for 30 s, then the outcome is unknown.
    pub async fn dispatch(
        &self,
        (tenant, agent, job): (&str, &str, &str),
        attempt: u32,
        message: Traced,
    ) -> Result<u64, PublishFailure> {
        let subject = subjects::job(tenant, agent, job)?;
        let id = format!("{job}:{attempt}");
        publish(&self.connection, subject, id, message, Some(DISPATCH_PATIENCE)).await
    }

    /// Publishes a cancellation on the job's subject.
    pub async fn cancel(
        &self,
        (tenant, agent, job): (&str, &str, &str),
        message: Traced,
    ) -> Result<u64, PublishFailure> {
        let subject = subjects::job(tenant, agent, job)?;
        let id = format!("{job}:cancel");
        publish(&self.connection, subject, id, message, Some(DISPATCH_PATIENCE)).await
    }
}

/// An agent's side: it pulls from its own durable and publishes what came of it.
#[derive(Debug)]
pub struct AgentQueue {
    connection: Connection,
    tenant: String,
    agent: String,
    pull: Pull,
}

impl AgentQueue {
    /// Opens the durable `<tenant>_<agent>`, which the AGENTS account's operator made before.
    pub async fn open(
        connection: &Connection,
        tenant: &str,
        agent: &str,
    ) -> Result<Self, QueueError> {
        let durable = subjects::agent_durable(tenant, agent)?;
        let pull = Pull::open(connection, subjects::STREAM_JOBS, durable).await?;
        let (tenant, agent) = (tenant.to_owned(), agent.to_owned());
        Ok(Self { connection: connection.clone(), tenant, agent, pull })
    }

    /// Waits for the next job. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Delivery, QueueError> {
        self.pull.next().await
    }

    /// Publishes a report about a job of this agent, again and again until it is acknowledged.
    pub async fn publish(
        &self,
        job: &str,
        attempt: u32,
        report: Report,
        message: Traced,
    ) -> Result<u64, PublishFailure> {
        let subject = subjects::result(&self.tenant, &self.agent, job, report.kind())?;
        publish(&self.connection, subject, report.message_id(job, attempt), message, None).await
    }
}

/// The workflows' side of the results, in the CTL account.
#[derive(Debug)]
pub struct ResultQueue {
    pull: Pull,
}

impl ResultQueue {
    /// Opens the durable `workflows` of `CS_RESULTS`.
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        let durable = subjects::DURABLE_RESULTS.to_owned();
        Ok(Self { pull: Pull::open(connection, subjects::STREAM_RESULTS, durable).await? })
    }

    /// Waits for the next report; [`subjects::parse_result`] takes its subject apart. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Result<Delivery, QueueError> {
        self.pull.next().await
    }
}

/// A delivered message; unless it is acknowledged it comes again.
#[derive(Debug)]
pub struct Delivery {
    message: jetstream::Message,
    /// Sequence in the stream that was read.
    pub sequence: u64,
    /// How often it was delivered, this time included.
    pub delivered: u64,
    /// When the stream stored it.
    pub stored_at: DateTime<Utc>,
}

impl Delivery {
    /// The subject that it was published on.
    pub fn subject(&self) -> &str {
        &self.message.subject
    }

    /// The exact bytes that were published.
    pub fn payload(&self) -> &Bytes {
        &self.message.payload
    }

    /// Where whoever sent it is in a trace.
    pub fn traceparent(&self) -> &str {
        self.header(TRACEPARENT).unwrap_or_default()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.message.headers.as_ref()?.get_last(name).map(async_nats::HeaderValue::as_str)
    }

    /// Settles the message and waits until the server has taken that in.
    pub async fn acknowledge(&self) -> Result<(), QueueError> {
        self.settle(self.message.double_ack().await)
    }

    /// Says that work goes on: the 30 s until redelivery start anew.
    pub async fn in_progress(&self) -> Result<(), QueueError> {
        self.settle(self.message.ack_with(AckKind::Progress).await)
    }

    /// Asks for the message again after `delay`.
    pub async fn again_after(&self, delay: Duration) -> Result<(), QueueError> {
        self.settle(self.message.ack_with(AckKind::Nak(Some(delay))).await)
    }

    fn settle(&self, done: Result<(), async_nats::Error>) -> Result<(), QueueError> {
        done.map_err(|source| QueueError::Acknowledge {
            subject: self.message.subject.to_string(),
            source,
        })
    }
}

struct Pull {
    stream: &'static str,
    durable: String,
    messages: pull::Stream,
}

impl fmt::Debug for Pull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pull({}/{})", self.stream, self.durable)
    }
}

impl Pull {
    async fn open(
        connection: &Connection,
        stream: &'static str,
        durable: String,
    ) -> Result<Self, QueueError> {
        let refused = |source| QueueError::Open { stream, durable: durable.clone(), source };
        let handle = connection
            .jetstream()
            .get_stream_no_info(stream)
            .await
            .map_err(|error| refused(error.into()))?;
        let consumer: Consumer<pull::Config> =
            handle.get_consumer(&durable).await.map_err(&refused)?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(1)
            .expires(PULL_EXPIRES)
            .heartbeat(PULL_HEARTBEAT)
            .messages()
            .await
            .map_err(|error| refused(error.into()))?;
        Ok(Self { stream, durable, messages })
    }

    async fn next(&mut self) -> Result<Delivery, QueueError> {
        let ended = || QueueError::Ended { stream: self.stream, durable: self.durable.clone() };
        loop {
            let message = match self.messages.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) if is_final(error.kind()) => return Err(ended()),
                Some(Err(error)) => {
                    tracing::warn!(durable = self.durable, %error, "pulling goes on");
                    continue;
                }
                None => return Err(ended()),
            };
            let (sequence, delivered, time) = match message.info() {
                Ok(info) => {
                    let delivered = u64::try_from(info.delivered).unwrap_or(1);
                    (info.stream_sequence, delivered, info.published)
                }
                Err(error) => {
                    tracing::warn!(durable = self.durable, %error, "not a JetStream message");
                    continue;
                }
            };
            let stored_at = DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())
                .unwrap_or(DateTime::UNIX_EPOCH);
            return Ok(Delivery { message, sequence, delivered, stored_at });
        }
    }
}

fn is_final(kind: MessagesErrorKind) -> bool {
    match kind {
        MessagesErrorKind::ConsumerDeleted
        | MessagesErrorKind::PushBasedConsumer
        | MessagesErrorKind::RequestLimitExceeded => true,
        MessagesErrorKind::MissingHeartbeat
        | MessagesErrorKind::Pull
        | MessagesErrorKind::NoResponders
        | MessagesErrorKind::Other => false,
    }
}

async fn publish(
    connection: &Connection,
    subject: String,
    message_id: String,
    message: Traced,
    patience: Option<Duration>,
) -> Result<u64, PublishFailure> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
        .with_total_delay(patience);
    let Traced { payload, traceparent } = message;
    let attempt = || async {
        let message = PublishMessage::build().message_id(&message_id).payload(payload.clone());
        let message = match &traceparent {
            Some(traceparent) => message.header(TRACEPARENT, traceparent.as_str()),
            None => message,
        };
        connection.jetstream().send_publish(subject.clone(), message).await?.await
    };
    attempt
        .retry(backoff)
        .when(|error: &PublishError| error.kind() != PublishErrorKind::MaxPayloadExceeded)
        .notify(|error, delay| {
            tracing::warn!(subject, %error, ?delay, "not acknowledged: publishing again");
        })
        .await
        .map(|ack| ack.sequence)
        .map_err(|source| match source.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                PublishFailure::TooLarge { subject: subject.clone() }
            }
            _ => PublishFailure::Unacknowledged { subject: subject.clone(), source },
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_have_the_bytes_of_the_protocol() {
        assert_eq!(Report::Claimed.message_id("job_1", 2), "job_1:2:claimed");
        assert_eq!(Report::Progress(7).message_id("job_1", 2), "job_1:2:progress:7");
        let disowned = "job_1:2:result:not-authentic:00000000000000ff";
        assert_eq!(Report::Disowned(255).message_id("job_1", 2), disowned);
        assert_eq!(Report::Result.message_id("job_1", 2), "job_1:2:result");
    }
}
