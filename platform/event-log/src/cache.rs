//! Aggregates between two commands, so that one command after the other need not read from the first commit. Whoever
//! works on an aggregate has it; another one at the same time reads the log, and one of the two finds out by its append.
//!
//! What is taken from here may be behind: another process appends too. The append itself tells, by its expectation; a
//! refusal is decided again on what is loaded for it; a lookup reads on from what is here. Nothing outlives a
//! connection.

use crate::loaded::Loaded;
use cqrs_es::Aggregate;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the cache may hold, bytes of recorded commits.
const LARGEST: usize = 64 << 20;
/// An aggregate costs at least this much.
const LEAST: usize = 1_024;

/// Aggregates by subject; the least recently used go first.
#[derive(Debug, Default)]
pub(crate) struct AggregateCache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The connection under which everything here was read or appended.
    connects: u64,
    entries: HashMap<String, Entry>,
    /// Subjects by when they were put here.
    order: BTreeMap<u64, String>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    loaded: Box<dyn Any + Send + Sync>,
    bytes: usize,
    place: u64,
    version: u64,
}

impl AggregateCache {
    /// Takes an aggregate out, whoever works on it next; none if there is none under this connection.
    pub(crate) fn take<A: Aggregate + 'static>(
        &self,
        subject: &str,
        connects: u64,
    ) -> Option<Loaded<A>> {
        let taken = self.kept().of(connects).remove(subject);
        let loaded = taken.and_then(|loaded| loaded.downcast::<Loaded<A>>().ok());
        let found = if loaded.is_some() { "hit" } else { "miss" };
        metrics::counter!("countersign_event_log_cache_total", "result" => found).increment(1);
        loaded.map(|loaded| *loaded)
    }

    /// An aggregate as it was last seen under this connection, without its commands, left where it is: for lookups.
    pub(crate) fn look<A: Aggregate + Clone + 'static>(
        &self,
        subject: &str,
        connects: u64,
    ) -> Option<Loaded<A>> {
        let mut kept = self.kept();
        let entry = kept.of(connects).entries.get(subject);
        entry.and_then(|entry| entry.loaded.downcast_ref()).map(Loaded::without_commands)
    }

    /// Puts an aggregate back as it is in the log now.
    pub(crate) fn put<A: Aggregate + 'static>(
        &self,
        subject: String,
        loaded: Loaded<A>,
        connects: u64,
    ) {
        let bytes = loaded.bytes.max(LEAST);
        let mut kept = self.kept();
        // What does not exist is looked for again; what was read under an older connection is worth nothing.
        if bytes > LARGEST || loaded.version == 0 || connects < kept.connects {
            return;
        }
        let kept = kept.of(connects);
        // Somebody who was faster may have put a newer one here.
        if kept.entries.get(&subject).is_some_and(|entry| entry.version > loaded.version) {
            return;
        }
        kept.remove(&subject);
        let place = kept.next;
        kept.next += 1;
        kept.bytes += bytes;
        kept.order.insert(place, subject.clone());
        let version = loaded.version;
        let entry = Entry { loaded: Box::new(loaded), bytes, place, version };
        kept.entries.insert(subject, entry);
        while kept.bytes > LARGEST {
            let Some((_, oldest)) = kept.order.first_key_value() else { break };
            let oldest = oldest.clone();
            kept.remove(&oldest);
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("countersign_event_log_cache_bytes").set(kept.bytes as f64);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Empties it if the connection is another one.
    fn of(&mut self, connects: u64) -> &mut Self {
        if self.connects != connects {
            *self = Self { connects, ..Self::default() };
        }
        self
    }

    fn remove(&mut self, subject: &str) -> Option<Box<dyn Any + Send + Sync>> {
        let Entry { loaded, bytes, place, version: _ } = self.entries.remove(subject)?;
        self.bytes -= bytes;
        self.order.remove(&place);
        Some(loaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::agents::Agent;
    use domain::changes::Change;

    fn loaded(version: u64, bytes: usize) -> Loaded<Agent> {
        Loaded { version, bytes, ..Loaded::default() }
    }

    #[test]
    fn what_is_put_is_taken_once_under_the_same_connection_and_type() {
        let cache = AggregateCache::default();
        cache.put("a".to_owned(), loaded(1, 10), 1);
        assert_eq!(cache.take::<Agent>("a", 1).map(|loaded| loaded.version), Some(1));
        assert!(cache.take::<Agent>("a", 1).is_none());
        cache.put("a".to_owned(), loaded(3, 10), 1);
        cache.put("a".to_owned(), loaded(2, 10), 1);
        assert_eq!(cache.take::<Agent>("a", 1).map(|loaded| loaded.version), Some(3));
        cache.put("a".to_owned(), loaded(2, 10), 1);
        assert!(cache.take::<Change>("a", 1).is_none());
        cache.put("a".to_owned(), loaded(3, 10), 1);
        assert!(cache.take::<Agent>("a", 2).is_none(), "nothing outlives a connection");
        assert_eq!(cache.kept().bytes, 0);
    }

    #[test]
    fn it_is_bounded_by_bytes_and_the_least_recently_used_go() {
        let cache = AggregateCache::default();
        for name in ["a", "b", "c"] {
            cache.put(name.to_owned(), loaded(1, LARGEST / 3), 1);
        }
        let again = cache.take::<Agent>("a", 1).unwrap();
        cache.put("a".to_owned(), again, 1);
        cache.put("d".to_owned(), loaded(1, LARGEST / 3), 1);
        assert!(cache.take::<Agent>("b", 1).is_none());
        assert!(cache.take::<Agent>("a", 1).is_some());
        cache.put("huge".to_owned(), loaded(1, LARGEST + 1), 1);
        assert!(cache.take::<Agent>("huge", 1).is_none());
        let kept = cache.kept();
        assert_eq!(kept.entries.len(), kept.order.len());
        assert!(kept.bytes <= LARGEST);
    }
}
