//! Before anything is appended: the stream is still the log that this process knows.

use crate::checkpoints::Checkpoints;
use crate::error::{AppendError, LogError};
use crate::reader::{Reader, StreamState, stored};
use domain::ledger::LogEvent;
use domain::registry::Event;
use ledger::{CheckpointNote, CommitHash, judge};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use trust::keys::KeyId;

/// What this process has seen of the log.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Connections made when the log was last checked.
    checked: AtomicU64,
    /// When the stream was created.
    created: i128,
    /// One checks for all that wait.
    checking: tokio::sync::Mutex<()>,
    /// The log's last sequence when it was opened.
    opened_at: u64,
    /// The newest commit that this process knows to be in the log.
    newest: Mutex<(u64, CommitHash)>,
}

impl Guard {
    /// Checks that the log is open, its first commit is of this origin, and this writer may go on.
    pub(crate) async fn open(reader: &Reader, writer: &KeyId) -> Result<Self, LogError> {
        let connects = reader.connection.connects();
        let StreamState { created, last_sequence } = unshortened(reader).await?;
        let first = first_commit(reader).await?;
        let guard = Self {
            checked: AtomicU64::new(connects),
            created,
            checking: tokio::sync::Mutex::new(()),
            opened_at: last_sequence,
            newest: Mutex::new((1, first)),
        };
        guard.may_write(reader, writer)?;
        Ok(guard)
    }

    /// The writer's interval holds the next sequence, as far as this process knows the log.
    pub(crate) fn may_write(&self, reader: &Reader, writer: &KeyId) -> Result<(), LogError> {
        covered(reader, writer, self.newest().0.max(self.opened_at) + 1)
    }

    /// After a reconnect: the stream was not recreated and still holds what it held.
    pub(crate) async fn check(&self, reader: &Reader) -> Result<(), AppendError> {
        if reader.connection.connects() == self.checked.load(Ordering::Acquire) {
            return Ok(());
        }
        let _checking = self.checking.lock().await;
        let connects = reader.connection.connects();
        if connects == self.checked.load(Ordering::Acquire) {
            return Ok(());
        }
        if reader.stream_state().await?.created != self.created {
            return Err(AppendError::AnotherLog("it was created anew".to_owned()));
        }
        unshortened(reader).await?;
        let (sequence, hash) = *self.newest();
        let there = reader.stored_after(sequence - 1, 1).await?;
        let held = there.first().is_some_and(|message| {
            message.sequence == sequence && CommitHash::of(&message.payload) == hash
        });
        if !held {
            let what = format!("it no longer holds sequence {sequence}, which was acknowledged");
            return Err(AppendError::AnotherLog(what));
        }
        self.checked.store(connects, Ordering::Release);
        Ok(())
    }

    /// A commit was acknowledged.
    pub(crate) fn appended(&self, sequence: u64, hash: CommitHash) {
        let mut newest = self.newest();
        if sequence > newest.0 {
            *newest = (sequence, hash);
        }
    }

    fn newest(&self) -> MutexGuard<'_, (u64, CommitHash)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's interval holds this sequence.
pub(crate) fn covered(reader: &Reader, writer: &KeyId, sequence: u64) -> Result<(), LogError> {
    let writer = reader.identity().writer_at(writer, sequence);
    writer.map(|_| ()).ok_or(LogError::Writer { sequence })
}

/// The stream, if it holds what was sealed: a shorter log must not grow, it would fork under the sealer's eyes. What the
/// checkpoint claims is enough, since only the sealer can append one. It is read first: the log only grows meanwhile.
async fn unshortened(reader: &Reader) -> Result<StreamState, LogError> {
    let newest = Checkpoints::of(reader).newest().await?;
    let state = reader.stream_state().await?;
    if let Some(newest) = newest {
        let note = CheckpointNote::parse(&newest.note);
        let sealed = note.map_err(|error| LogError::Follow(error.into()))?.claim().size;
        let last = state.last_sequence;
        if last < sealed {
            return Err(LogError::Shortened { last, sealed });
        }
    }
    Ok(state)
}

async fn first_commit(reader: &Reader) -> Result<CommitHash, LogError> {
    let first = reader.stored_after(0, 1).await?;
    let message = first.first().filter(|message| message.sequence == 1).ok_or(LogError::NotOpen)?;
    let commit = judge(reader.identity(), None, &stored(message)).map_err(|_| LogError::NotOpen)?;
    let aggregate_type = commit.envelope.aggregate.kind.as_str();
    let entry = commit.envelope.events.first().ok_or(LogError::NotOpen)?;
    match Event::read(aggregate_type, entry.kind.as_str(), entry.schema, &entry.data) {
        Ok(Event::Log(LogEvent::Opened(_))) => Ok(commit.hash),
        Ok(_) | Err(_) => Err(LogError::NotOpen),
    }
}
