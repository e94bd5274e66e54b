//! A commit as followers see it.

use domain::registry::{Event, UnreadableEvent};
use ledger::{Actor, CommandRef, Commit, CommitHash, Envelope, Origin, Position};
use trust::encoding::Timestamp;

/// A good commit with its events read.
#[derive(Debug)]
pub struct Recorded {
    /// The log.
    pub origin: Origin,
    /// Its place.
    pub sequence: u64,
    /// `h`.
    pub hash: CommitHash,
    /// Whose.
    pub tenant: String,
    /// Of which type.
    pub aggregate_type: String,
    /// Of which aggregate.
    pub aggregate_id: String,
    /// The aggregate's version after it.
    pub version: u64,
    /// Who acted.
    pub actor: Actor,
    /// The command.
    pub command: CommandRef,
    /// What larger piece of work it belongs to.
    pub correlation_id: String,
    /// W3C trace context of the command.
    pub traceparent: String,
    /// When it was decided.
    pub time: Timestamp,
    /// Its events, or why this version cannot read them.
    pub events: Result<Vec<RecordedEvent>, UnreadableEvent>,
}

/// One event of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// `evt_...`
    pub id: String,
    /// Its place in the commit, from 0.
    pub index: usize,
    /// Its type, such as `schema.requested`.
    pub kind: String,
    /// The event.
    pub event: Event,
}

impl Recorded {
    /// Reads a good commit's events.
    pub fn of(commit: Commit) -> Self {
        let Commit { sequence, hash, envelope } = commit;
        let events = read(&envelope);
        let Envelope { log, tenant, aggregate, version, command, actor, .. } = envelope;
        Self {
            origin: log,
            sequence,
            hash,
            tenant: tenant.to_string(),
            aggregate_type: aggregate.kind.to_string(),
            aggregate_id: aggregate.id.to_string(),
            version,
            actor,
            command,
            correlation_id: envelope.correlation_id,
            traceparent: envelope.traceparent,
            time: envelope.time,
            events,
        }
    }

    /// The position just after it.
    pub fn position(&self) -> Position {
        Position { origin: self.origin.clone(), sequence: self.sequence, hash: self.hash }
    }
}

fn read(envelope: &Envelope) -> Result<Vec<RecordedEvent>, UnreadableEvent> {
    let aggregate_type = envelope.aggregate.kind.as_str();
    let entries = envelope.events.iter().enumerate();
    entries
        .map(|(index, entry)| {
            let event =
                Event::read(aggregate_type, entry.kind.as_str(), entry.schema, &entry.data)?;
            let (id, kind) = (entry.id.to_string(), entry.kind.to_string());
            Ok(RecordedEvent { id, index, kind, event })
        })
        .collect()
}
