//! Reading a log, or its mirror in another account.

use crate::error::LogError;
use crate::loaded::Loaded;
use crate::recording::Recording;
use bytes::Bytes;
use cqrs_es::{Aggregate, EventEnvelope};
use ledger::{HASH_HEADER, Head, Judge, LogIdentity, SIGNATURE_HEADER, Stored};
use nats::batch::{self, Batch};
use nats::{Connection, ReadError, StoredMessage, leader, subjects};
use std::collections::HashMap;
use std::sync::Arc;
use trust::encoding::Sha256Digest;

/// Messages fetched at once.
const BATCH: u32 = 256;

/// Reads one log. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) connection: Connection,
    pub(crate) judge: Arc<Judge>,
}

/// A message as the ledger judges it.
pub fn stored(message: &StoredMessage) -> Stored<'_> {
    Stored {
        sequence: message.sequence,
        subject: &message.subject,
        hash: message.header(HASH_HEADER),
        signature: message.header(SIGNATURE_HEADER),
        payload: &message.payload,
    }
}

impl Reader {
    /// Reads `identity`'s log over a connection to the account that holds it or its mirror.
    pub fn new(connection: &Connection, identity: LogIdentity) -> Self {
        Self { connection: connection.clone(), judge: Arc::new(Judge::new(identity)) }
    }

    /// Which log.
    pub fn identity(&self) -> &LogIdentity {
        self.judge.log()
    }

    pub(crate) fn stream(&self) -> String {
        subjects::log_stream(self.identity().shard.as_str()).unwrap_or_default()
    }

    pub(crate) fn subject(
        &self,
        tenant: &str,
        aggregate_type: &str,
        id: &str,
    ) -> Result<String, LogError> {
        subjects::log(self.identity().shard.as_str(), tenant, aggregate_type, id)
            .map_err(|_| LogError::Name)
    }

    /// An aggregate as of now, here; `None` if it has no good commit.
    pub async fn load<A: Aggregate>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Loaded<A>>, LogError> {
        let loaded = self.history(tenant, id).await?;
        Ok(Some(loaded).filter(|loaded| loaded.version > 0))
    }

    /// An aggregate with everything that an append needs, also if it does not exist yet.
    pub(crate) async fn history<A: Aggregate>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Loaded<A>, LogError> {
        let mut loaded = Loaded::default();
        self.read_on(&self.subject(tenant, A::TYPE, id)?, &mut loaded).await?;
        Ok(loaded)
    }

    /// Takes in what came after.
    pub(crate) async fn read_on<A: Aggregate>(
        &self,
        subject: &str,
        loaded: &mut Loaded<A>,
    ) -> Result<(), LogError> {
        loop {
            let from = loaded.last_sequence + 1;
            let batch = self.messages(&self.stream(), subject, from, BATCH).await?;
            for message in &batch.messages {
                loaded.take_in(&self.judge, message)?;
            }
            if batch.messages.is_empty() || batch.pending == 0 {
                return Ok(());
            }
        }
    }

    /// Any replica answers; while the servers have not noticed that one is silent, the leader is asked instead.
    async fn messages(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        limit: u32,
    ) -> Result<Batch, ReadError> {
        let connection = &self.connection;
        match batch::messages_from(connection, stream, subject, from, limit).await {
            Err(ReadError::Incomplete { .. }) if connection.is_connected() => {
                tracing::warn!(stream, "a replica does not answer: the leader is read");
                batch::messages_from_leader(connection, stream, subject, from, limit).await
            }
            answered => answered,
        }
    }

    /// An aggregate's events in order.
    pub(crate) async fn events<A: Aggregate>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, LogError> {
        let loaded = self.history::<Recording<A>>(tenant, id).await?;
        let aggregate_id = format!("{tenant}/{id}");
        let events = loaded.aggregate.events.into_iter().enumerate();
        Ok(events
            .map(|(index, payload)| EventEnvelope {
                aggregate_id: aggregate_id.clone(),
                sequence: index + 1,
                payload,
                metadata: HashMap::new(),
            })
            .collect())
    }

    /// The head of a subject just before a sequence.
    pub(crate) async fn head_before(
        &self,
        subject: &str,
        before: u64,
    ) -> Result<Option<Head>, LogError> {
        let mut head = None;
        let mut from = 1;
        loop {
            let batch = self.messages(&self.stream(), subject, from, BATCH).await?;
            for message in batch.messages.iter().take_while(|m| m.sequence < before) {
                if let Ok(commit) = self.judge.judge(head, &stored(message)) {
                    head = Some(Head { version: commit.envelope.version, hash: commit.hash });
                }
            }
            let last = batch.messages.last().map_or(u64::MAX, |message| message.sequence);
            if batch.pending == 0 || last >= before {
                return Ok(head);
            }
            from = last + 1;
        }
    }

    /// A blob's bytes, checked against its name; `None` if it is not there.
    pub async fn blob(
        &self,
        tenant: &str,
        sha256: &Sha256Digest,
    ) -> Result<Option<Bytes>, LogError> {
        let shard = self.identity().shard.as_str();
        let subject =
            subjects::blob(shard, tenant, &sha256.to_string()).map_err(|_| LogError::Name)?;
        let stream = subjects::blobs_stream(shard).map_err(|_| LogError::Name)?;
        let batch = self.messages(&stream, &subject, 1, 1).await?;
        let Some(message) = batch.messages.into_iter().next() else { return Ok(None) };
        if Sha256Digest::of(&message.payload) != *sha256 {
            let (tenant, sha256) = (tenant.to_owned(), sha256.to_string());
            return Err(LogError::Blob { tenant, sha256 });
        }
        Ok(Some(message.payload))
    }

    /// Raw messages after a sequence, at most `limit` of them.
    pub async fn stored_after(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, LogError> {
        let all = subjects::log_all(self.identity().shard.as_str()).map_err(|_| LogError::Name)?;
        let from = sequence.saturating_add(1);
        let batch = self.messages(&self.stream(), &all, from, limit).await?;
        Ok(batch.messages)
    }

    /// Whether the leader holds a message at this sequence; asked of the log itself, not of a mirror.
    pub async fn is_held(&self, sequence: u64) -> Result<bool, LogError> {
        Ok(leader::holds(&self.connection, &self.stream(), sequence).await?)
    }

    /// The log's last sequence, here; 0 if it is empty.
    pub async fn last_sequence(&self) -> Result<u64, LogError> {
        Ok(self.stream_state().await?.last_sequence)
    }

    pub(crate) async fn stream_state(&self) -> Result<StreamState, LogError> {
        let follow = |error: async_nats::Error| LogError::Follow(error);
        let jetstream = self.connection.jetstream();
        let mut stream =
            jetstream.get_stream(self.stream()).await.map_err(|e| follow(Box::new(e)))?;
        let info = stream.info().await.map_err(|e| follow(Box::new(e)))?;
        Ok(StreamState {
            last_sequence: info.state.last_sequence,
            created: info.created.unix_timestamp_nanos(),
        })
    }
}

/// What tells one stream from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamState {
    pub(crate) last_sequence: u64,
    pub(crate) created: i128,
}
