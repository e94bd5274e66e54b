//! The appender: exactly PROTOCOL.md "Append".

use crate::cache::AggregateCache;
use crate::error::{AppendError, LogError};
use crate::guard::{Guard, covered};
use crate::loaded::Loaded;
use crate::patience::Patience;
use crate::publish::{Published, publish};
use crate::reader::Reader;
use async_nats::HeaderMap;
use bytes::Bytes;
use cqrs_es::Aggregate;
use ledger::{Commit, Envelope, HASH_HEADER, LogIdentity, SIGNATURE_HEADER, SignedCommit};
use nats::{Connection, leader};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use trust::keys::PrivateKey;

/// Appends to one log; the only way to. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct EventLog {
    pub(crate) reader: Reader,
    pub(crate) writer: Arc<PrivateKey>,
    pub(crate) in_flight: Arc<Mutex<HashSet<String>>>,
    pub(crate) cache: Arc<AggregateCache>,
    guard: Arc<Guard>,
}

/// A commit that was acknowledged.
#[derive(Debug)]
pub(crate) struct Appended {
    /// It.
    pub(crate) commit: Commit,
    /// The length of its payload.
    pub(crate) bytes: usize,
}

impl EventLog {
    /// Opens a log for appending over a connection to the account LOG.
    pub async fn open(
        connection: &Connection,
        identity: LogIdentity,
        writer: PrivateKey,
    ) -> Result<Self, LogError> {
        let reader = Reader::new(connection, identity);
        let guard = Guard::open(&reader, &writer.id()).await?;
        Ok(Self {
            reader,
            writer: Arc::new(writer),
            in_flight: Arc::default(),
            cache: Arc::default(),
            guard: Arc::new(guard),
        })
    }

    /// Connects anew, as after a failed server: the log is checked before anything is appended.
    pub async fn reconnect(&self) -> Result<(), LogError> {
        let before = self.reader.connection.connects();
        let failed = |error: async_nats::Error| LogError::Follow(error);
        let client = self.reader.connection.client();
        client.force_reconnect().await.map_err(|error| failed(Box::new(error)))?;
        let mut connects = self.reader.connection.watch_connects();
        let made = connects.wait_for(|count| *count > before).await;
        made.map(|_| ()).map_err(|error| failed(Box::new(error)))
    }

    /// Reads the same log.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// An aggregate, without its commands; that there is none is said only with the leader's word. What exists may have
    /// grown since.
    pub async fn load<A: Aggregate + Clone + 'static>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Loaded<A>>, LogError> {
        let seen = self.seen::<A>(tenant, id).await?;
        if seen.version > 0 { Ok(Some(seen)) } else { self.load_current(tenant, id).await }
    }

    /// An aggregate with everything that the leader holds, without its commands.
    pub async fn load_current<A: Aggregate + Clone + 'static>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Loaded<A>>, LogError> {
        let subject = self.reader.subject(tenant, A::TYPE, id)?;
        let mut loaded = self.seen::<A>(tenant, id).await?;
        self.catch_up(&subject, &mut loaded, &mut Patience::new()).await?;
        Ok(Some(loaded).filter(|loaded| loaded.version > 0))
    }

    /// An aggregate as a replica shows it, without its commands: only what was not kept is read and verified again.
    async fn seen<A: Aggregate + Clone + 'static>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Loaded<A>, LogError> {
        let subject = self.reader.subject(tenant, A::TYPE, id)?;
        let connects = self.reader.connection.connects();
        if let Some(mut seen) = self.cache.look::<A>(&subject, connects) {
            let kept = seen.messages;
            self.reader.read_on(&subject, &mut seen).await?;
            if seen.messages == kept {
                return Ok(seen);
            }
        }
        let loaded = self.reader.history::<A>(tenant, id).await?;
        let seen = loaded.without_commands();
        self.cache.put(subject, loaded, connects);
        Ok(seen)
    }

    /// Reads on until everything is in that the leader holds now; a read may come from a replica that is behind.
    pub(crate) async fn catch_up<A: Aggregate>(
        &self,
        subject: &str,
        loaded: &mut Loaded<A>,
        patience: &mut Patience,
    ) -> Result<(), LogError> {
        let (connection, stream) = (&self.reader.connection, self.reader.stream());
        let held = loop {
            // A node that has just lost or regained its place says that it cannot tell.
            match leader::messages_of(connection, &stream, subject).await {
                // It has not taken in yet what a replica has; and it never will if it is another history.
                Ok(held) if held < loaded.messages => {
                    if !patience.pause().await {
                        let read = loaded.messages;
                        return Err(LogError::Behind { subject: subject.to_owned(), read, held });
                    }
                }
                Ok(held) => break held,
                Err(error) => {
                    tracing::warn!(%error, "the leader has not answered");
                    if !patience.pause().await {
                        return Err(error.into());
                    }
                }
            }
        };
        while loaded.messages < held {
            self.reader.read_on(subject, loaded).await?;
            let read = loaded.messages;
            if read < held && !patience.pause().await {
                return Err(LogError::Behind { subject: subject.to_owned(), read, held });
            }
        }
        Ok(())
    }

    /// Signs and appends one commit after the subject's stream sequence `last`.
    pub(crate) async fn append(
        &self,
        envelope: Envelope,
        last: u64,
    ) -> Result<Appended, AppendError> {
        let command = envelope.command.id.to_string();
        let began = Instant::now();
        let appended = append(&self.reader, &self.writer, Some(&self.guard), envelope, last).await;
        let result = match &appended {
            Ok(_) => "appended",
            Err(AppendError::Conflict) => "conflict",
            Err(_) => "failed",
        };
        metrics::counter!("countersign_event_log_appends_total", "result" => result).increment(1);
        metrics::histogram!("countersign_event_log_append_duration_seconds")
            .record(began.elapsed());
        let appended = appended?;
        // What the client kept while the server was away may have reached another stream.
        match self.guard.check(&self.reader).await {
            Err(AppendError::Log(error)) => {
                return Err(AppendError::Unknown { command, last: error.to_string() });
            }
            checked => checked?,
        }
        let Commit { sequence, hash, .. } = appended.commit;
        self.guard.appended(sequence, hash);
        // Others had written up to the end of this key's interval meanwhile: it is condemned, and nobody may build on it.
        covered(&self.reader, &self.writer.id(), sequence)?;
        Ok(appended)
    }
}

/// Publishes the same bytes with the same expectation until an acknowledgement or a conflict, each time only into the
/// stream that the guard knows.
pub(crate) async fn append(
    reader: &Reader,
    writer: &PrivateKey,
    guard: Option<&Guard>,
    envelope: Envelope,
    last: u64,
) -> Result<Appended, AppendError> {
    let signed = envelope.sign(&reader.identity().shard, writer)?;
    let SignedCommit { subject, payload, hash, signature } = signed;
    let headers = || {
        let mut headers = HeaderMap::new();
        headers.insert(HASH_HEADER, hash.to_string().as_str());
        headers.insert(SIGNATURE_HEADER, signature.to_string().as_str());
        headers
    };
    let payload = Bytes::from(payload);
    let mut patience = Patience::new();
    let mut tried = false;
    loop {
        let checked = match guard {
            Some(guard) => {
                guard.may_write(reader, &writer.id())?;
                guard.check(reader).await
            }
            None => Ok(()),
        };
        let published = match checked {
            Ok(()) => publish(&reader.connection, &subject, headers(), payload.clone(), last).await,
            Err(AppendError::Log(error)) if tried && error.is_transient() => {
                Published::Unknown(error.to_string())
            }
            Err(error) => return Err(error),
        };
        tried = true;
        match published {
            Published::Stored(sequence) => {
                let commit = Commit { sequence, hash, envelope };
                return Ok(Appended { commit, bytes: payload.len() });
            }
            Published::Conflict => return Err(AppendError::Conflict),
            Published::Unknown(why) => {
                tracing::warn!(why, "the outcome of an append is unknown: the same bytes again");
                if !patience.pause().await {
                    let command = envelope.command.id.to_string();
                    return Err(AppendError::Unknown { command, last: why });
                }
            }
        }
    }
}
