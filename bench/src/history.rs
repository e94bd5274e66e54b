//! A made history: what the platform would have recorded for many changes of many tenants, from draft to applied.
//!
//! Two hundred changes are always under way at once, each for a data source of its own, so that neighbours in the log
//! belong to different aggregates, as they do where many people work.

use crate::servers::{actor, writer};
use crate::story::{Entry, opening, story};
use anyhow::Context as _;
use chrono::DateTime;
use domain::ids::{CommandId, event_id};
use event_log::{Followed, Recorded};
use ledger::{
    AggregateRef, CommandRef, Commit, CommitHash, Envelope, EventEntry, Head, LogIdentity,
    RequestDigest, SPEC,
};
use std::collections::{BTreeMap, VecDeque};
use trust::encoding::Timestamp;
use trust::keys::KeyId;

/// Changes that are under way at once.
pub const SLOTS: usize = 200;
/// Tenants.
pub const TENANTS: usize = 10;
/// Microseconds since 1970 of the first commit.
const START: i64 = 1_767_225_600_000_000;
/// Microseconds between two commits.
const STEP: i64 = 250_000;

/// The `index`-th tenant.
pub fn tenant(index: usize) -> String {
    format!("tenant-{}", index % TENANTS)
}

/// One commit, with the bytes that are stored.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its place in the log.
    pub sequence: u64,
    /// Its members.
    pub envelope: Envelope,
    /// The exact bytes.
    pub payload: Vec<u8>,
    /// Their hash.
    pub hash: CommitHash,
}

impl Made {
    /// As a follower sees it.
    pub fn followed(self) -> Followed {
        let Self { sequence, envelope, hash, .. } = self;
        Followed::Commit(Box::new(Recorded::of(Commit { sequence, hash, envelope })))
    }

    /// The subject that it is stored on.
    pub fn subject(&self, log: &LogIdentity) -> String {
        self.envelope.subject(&log.shard).to_string()
    }
}

/// Gives commit after commit, for ever.
#[derive(Debug)]
pub struct History {
    log: LogIdentity,
    writer: KeyId,
    first: VecDeque<Entry>,
    slots: Vec<Slot>,
    turn: usize,
    sequence: u64,
}

#[derive(Debug, Default)]
struct Slot {
    stories: usize,
    story: VecDeque<Entry>,
    heads: BTreeMap<String, Head>,
}

impl History {
    /// From the opening of the log on.
    pub fn of(log: LogIdentity) -> anyhow::Result<Self> {
        let first = opening(log.origin.as_str(), log.shard.as_str())?.into();
        let mut slots = Vec::new();
        slots.resize_with(SLOTS, Slot::default);
        Ok(Self { log, writer: writer().id(), first, slots, turn: 0, sequence: 0 })
    }

    /// The next commit.
    pub fn commit(&mut self) -> anyhow::Result<Made> {
        let (slot, entry) = if let Some(entry) = self.first.pop_front() {
            (entry.slot, entry)
        } else {
            let turn = self.turn;
            self.turn = (turn + 1) % SLOTS;
            let slot = self.slots.get_mut(turn).context("there is no such slot")?;
            if slot.story.is_empty() {
                slot.story = story(turn, slot.stories)?.into();
                slot.stories += 1;
            }
            (turn, slot.story.pop_front().context("a story without commits")?)
        };
        self.sequence += 1;
        self.made(slot, entry)
    }

    /// The next commits.
    pub fn take(&mut self, count: usize) -> anyhow::Result<Vec<Made>> {
        (0..count).map(|_| self.commit()).collect()
    }

    fn made(&mut self, slot: usize, entry: Entry) -> anyhow::Result<Made> {
        let slot = self.slots.get_mut(slot).context("there is no such slot")?;
        let head = slot.heads.get(&entry.id);
        let version = head.map_or(1, |head| head.version + 1);
        let prev = head.map_or(CommitHash::ZERO, |head| head.hash);
        let envelope = envelope(&self.log, self.writer, &entry, (version, prev), self.sequence)?;
        let payload = serde_json::to_vec(&envelope)?;
        let hash = CommitHash::of(&payload);
        if entry.is_last {
            slot.heads.remove(&entry.id);
        } else {
            slot.heads.insert(entry.id, Head { version, hash });
        }
        Ok(Made { sequence: self.sequence, envelope, payload, hash })
    }
}

/// A commit of these events.
pub fn envelope(
    log: &LogIdentity,
    writer: KeyId,
    entry: &Entry,
    (version, prev): (u64, CommitHash),
    sequence: u64,
) -> anyhow::Result<Envelope> {
    let Entry { tenant, kind, id, events, .. } = entry;
    let entries = events.iter().enumerate().map(|(index, (name, data))| {
        let event = event_id(tenant, kind, id, version, index).to_string();
        anyhow::Ok(EventEntry {
            id: event.parse()?,
            kind: name.parse()?,
            schema: 1,
            data: data.clone(),
        })
    });
    let by = actor();
    let place = sequence.to_string();
    let command = CommandId::derived("command", &[tenant, id, &place]).to_string();
    let micros = START.saturating_add(STEP.saturating_mul(i64::try_from(sequence)?));
    let time = DateTime::from_timestamp_micros(micros).context("a time outside the calendar")?;
    Ok(Envelope {
        spec: SPEC,
        log: log.origin.clone(),
        writer,
        tenant: tenant.parse()?,
        aggregate: AggregateRef { kind: kind.parse()?, id: id.parse()? },
        version,
        prev,
        command: CommandRef {
            id: command.parse()?,
            kind: "bench".parse()?,
            digest: RequestDigest::of(place.as_bytes()),
        },
        actor: ledger::Actor { kind: by.kind, id: by.id.to_string().parse()?, auth: by.auth },
        correlation_id: command,
        causation_id: None,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        time: Timestamp::new(time),
        events: entries.collect::<anyhow::Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::identity;
    use ledger::{SIGNATURE_HEADER, Stored, judge, sign_hash};

    #[test]
    fn every_commit_is_one_that_every_reader_accepts() {
        assert_eq!(SIGNATURE_HEADER, "Cs-Signature");
        let log = identity().unwrap();
        let mut history = History::of(log.clone()).unwrap();
        let mut heads: BTreeMap<String, Head> = BTreeMap::new();
        for made in history.take(6_000).unwrap() {
            let subject = made.subject(&log);
            let hash = made.hash.to_string();
            let signature = sign_hash(&writer(), &made.hash).to_string();
            let stored = Stored {
                sequence: made.sequence,
                subject: &subject,
                hash: Some(&hash),
                signature: Some(&signature),
                payload: &made.payload,
            };
            let head = heads.get(&subject).copied();
            let commit = judge(&log, head, &stored).unwrap();
            let read = Recorded::of(commit.clone());
            assert!(read.events.is_ok(), "{:?}", read.events);
            let head = Head { version: commit.envelope.version, hash: commit.hash };
            heads.insert(subject, head);
        }
        assert!(heads.len() > 500);
    }
}
