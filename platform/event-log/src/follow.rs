//! Following a log in order, from a position that is checked first.

use crate::error::LogError;
use crate::reader::{Reader, stored};
use crate::recorded::Recorded;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use chrono::DateTime;
use futures::StreamExt as _;
use ledger::{CommitHash, Condemned, Head, Position, judge};
use nats::StoredMessage;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a mirror that is behind a stored position may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often it is asked.
const CATCH_UP_STEP: Duration = Duration::from_millis(100);
/// Aggregates whose heads are remembered; others are read again.
const HEADS: usize = 200_000;

/// What a follower sees.
#[derive(Debug)]
pub enum Followed {
    /// A good commit.
    Commit(Box<Recorded>),
    /// A condemned message: an alarm, then skip it.
    Condemned(Condemned),
}

impl Followed {
    /// The position just after it.
    pub fn position(&self, reader: &Reader) -> Position {
        match self {
            Self::Commit(recorded) => recorded.position(),
            Self::Condemned(condemned) => Position {
                origin: reader.identity().origin.clone(),
                sequence: condemned.sequence,
                hash: condemned.hash,
            },
        }
    }
}

/// Gives a log's messages in order, each once.
pub struct Follower {
    reader: Reader,
    messages: pull::Ordered,
    ahead: Option<StoredMessage>,
    last: u64,
    /// Every aggregate met so far was met from its first commit on.
    from_start: bool,
    heads: BTreeMap<String, Option<Head>>,
    pending: u64,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follower(after {})", self.last)
    }
}

impl Reader {
    /// Follows the log from after `position` (`None`: from the start). A position that this log does not hold is
    /// another history.
    pub async fn follow(&self, after: Option<Position>) -> Result<Follower, LogError> {
        if let Some(position) = &after {
            self.check_position(position).await?;
        }
        let last = after.map_or(0, |position| position.sequence);
        let failed = |error: async_nats::Error| LogError::Follow(error);
        let stream = self
            .connection
            .jetstream()
            .get_stream_no_info(self.stream())
            .await
            .map_err(|e| failed(Box::new(e)))?;
        let consumer: async_nats::jetstream::consumer::Consumer<pull::OrderedConfig> = stream
            .create_consumer(pull::OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
                ..pull::OrderedConfig::default()
            })
            .await
            .map_err(|e| failed(Box::new(e)))?;
        let messages = consumer.messages().await.map_err(|e| failed(Box::new(e)))?;
        Ok(Follower {
            reader: self.clone(),
            messages,
            ahead: None,
            last,
            from_start: last == 0,
            heads: BTreeMap::new(),
            pending: 0,
        })
    }

    /// The log holds this hash at this sequence; a mirror that is behind is given time.
    pub(crate) async fn check_position(&self, position: &Position) -> Result<(), LogError> {
        let another = |found| LogError::AnotherHistory {
            sequence: position.sequence,
            expected: position.hash,
            found,
        };
        if position.origin != self.identity.origin {
            return Err(another(None));
        }
        let mut waited = Duration::ZERO;
        loop {
            let next = self.stored_after(position.sequence.saturating_sub(1), 1).await?;
            let found = next.first().filter(|message| message.sequence == position.sequence);
            if let Some(message) = found {
                let found = CommitHash::of(&message.payload);
                return if found == position.hash { Ok(()) } else { Err(another(Some(found))) };
            }
            if !next.is_empty() || waited >= CATCH_UP {
                return Err(another(None));
            }
            tokio::time::sleep(CATCH_UP_STEP).await;
            waited += CATCH_UP_STEP;
        }
    }
}

impl Follower {
    /// The next message; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Followed, LogError> {
        // What was received is kept until it is judged, so that a dropped future does not lose it.
        if self.ahead.is_none() {
            let message = self.receive().await?;
            self.ahead = Some(message);
        }
        let Some(message) = self.ahead.as_ref() else {
            return Err(LogError::Follow("no message at hand".into()));
        };
        if message.sequence != self.last + 1 {
            return Err(LogError::Gap { expected: self.last + 1, found: message.sequence });
        }
        let (subject, sequence) = (message.subject.clone(), message.sequence);
        let head = match self.heads.get(&subject) {
            Some(head) => *head,
            None if self.from_start => None,
            None => self.reader.head_before(&subject, sequence).await?,
        };
        let Some(message) = self.ahead.take() else {
            return Err(LogError::Follow("no message at hand".into()));
        };
        self.last = sequence;
        match judge(&self.reader.identity, head, &stored(&message)) {
            Ok(commit) => {
                let head = Head { version: commit.envelope.version, hash: commit.hash };
                self.remember(subject, Some(head));
                Ok(Followed::Commit(Box::new(Recorded::of(commit))))
            }
            Err(condemned) => {
                tracing::error!(
                    log.sequence = sequence,
                    reason = condemned.reason.code(),
                    "a message of the log is condemned"
                );
                self.remember(subject, head);
                Ok(Followed::Condemned(condemned))
            }
        }
    }

    /// More messages were waiting when the last one was sent: it pays to batch.
    pub fn has_more(&self) -> bool {
        self.pending > 0
    }

    fn remember(&mut self, subject: String, head: Option<Head>) {
        if self.heads.len() >= HEADS {
            self.heads.clear();
            self.from_start = false;
        }
        self.heads.insert(subject, head);
    }

    async fn receive(&mut self) -> Result<StoredMessage, LogError> {
        let failed = |error: async_nats::Error| LogError::Follow(error);
        let message = self
            .messages
            .next()
            .await
            .ok_or_else(|| failed("the server ended the consumer".into()))?
            .map_err(|e| failed(Box::new(e)))?;
        let info = message.info().map_err(failed)?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        let published = info.published;
        let time = DateTime::from_timestamp(published.unix_timestamp(), published.nanosecond())
            .ok_or_else(|| failed("a stored time outside the calendar".into()))?;
        self.pending = pending;
        let (message, _) = message.split();
        Ok(StoredMessage {
            sequence,
            subject: message.subject.to_string(),
            time,
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
        })
    }
}
