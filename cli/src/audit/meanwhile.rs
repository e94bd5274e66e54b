//! What the log recorded about itself while a change lived: streams that were weakened, keys that were replaced or
//! revoked. From the change's first commit to its last, by sequence.

use domain::ledger::LogEvent;
use domain::registry::Event;
use ledger::{Commit, Envelope, EventEntry, Weakened};

/// The log's own word on that time.
#[derive(Debug, Default)]
pub struct Meanwhile {
    /// Commits that record a weakening, a rotation or a revocation.
    pub commits: Vec<Commit>,
    /// Streams that were weak for some of that time, whenever it was recorded.
    pub weakened: Vec<Weakened>,
}

impl Meanwhile {
    /// Out of the log's own commits and everything that the verifier found weak.
    pub fn of(change: &[Commit], own: Vec<Commit>, weakened: &[Weakened]) -> Self {
        let (Some(first), Some(last)) = (change.first(), change.last()) else {
            return Self::default();
        };
        let (first, last) = (first.sequence, last.sequence);
        let is_within = |commit: &Commit| (first..=last).contains(&commit.sequence);
        let is_weak_then = |weak: &&Weakened| {
            weak.from_sequence < last && weak.to_sequence.is_none_or(|to| to > first)
        };
        Self {
            commits: own.into_iter().filter(is_within).collect(),
            weakened: weakened.iter().filter(is_weak_then).cloned().collect(),
        }
    }
}

/// Whether a commit is the log's own, and records such a thing.
pub fn matters(envelope: &Envelope) -> bool {
    let is_own = envelope.tenant.as_str() == "system" && envelope.aggregate.kind.as_str() == "log";
    is_own && envelope.events.iter().any(|event| told(event).is_some())
}

/// An event of the log about what the record stands on; none of any other.
pub fn told(event: &EventEntry) -> Option<String> {
    let kind = event.kind.as_str();
    let Ok(Event::Log(read)) = Event::read("log", kind, event.schema, &event.data) else {
        return None;
    };
    let what = match read {
        LogEvent::ConfigurationChanged(it) if !it.weaknesses.is_empty() => {
            format!("{} weakened by {}", it.stream, it.weaknesses.join(" and "))
        }
        LogEvent::KeyRotated(it) => format!("{} key, from {} on", whose(it.role, it.name), it.from),
        LogEvent::KeyRevoked(it) => {
            format!("{} key, trusted up to {}", whose(it.role, it.name), it.last_trusted)
        }
        LogEvent::ConfigurationChanged(_) | LogEvent::Opened(_) | LogEvent::GapDeclared(_) => {
            return None;
        }
    };
    Some(format!("{kind}: {what}"))
}

fn whose(role: ledger::KeyRole, name: Option<String>) -> String {
    name.map_or_else(|| role.to_string(), |name| format!("{role} {name}"))
}

#[cfg(test)]
mod tests {
    use super::super::testimony::{TENANT, change_id, key};
    use super::super::written_log::envelope;
    use super::*;
    use domain::changes::ChangeEvent;
    use domain::ids::LogId;
    use domain::ledger::{ConfigurationChanged, KeyRevoked};
    use ledger::{CommitHash, KeyRole, KeyRotation};
    use serde::Serialize;
    use std::collections::BTreeMap;

    fn commit<E: Serialize>(
        (tenant, kind, id): (&str, &str, &str),
        sequence: u64,
        event: E,
    ) -> anyhow::Result<Commit> {
        let time = "2026-11-20T07:00:03.000000Z".parse()?;
        let place = (sequence, 1, CommitHash::ZERO);
        let envelope = envelope((tenant, kind, id), place, time, &[event])?;
        Ok(Commit { sequence, hash: CommitHash::ZERO, envelope })
    }

    fn own(sequence: u64, event: LogEvent) -> Commit {
        let id = LogId::derived("log", &["a.b"]).to_string();
        commit(("system", "log", &id), sequence, event).unwrap()
    }

    fn configured(weaknesses: &[&str]) -> LogEvent {
        let weaknesses = weaknesses.iter().map(|one| (*one).to_owned()).collect();
        let stream = "CS_LOG_main".to_owned();
        let of = ConfigurationChanged::of(stream, BTreeMap::new(), weaknesses);
        LogEvent::ConfigurationChanged(of)
    }

    fn rotated() -> LogEvent {
        let (old, new) = (key("writer"), key("next"));
        let statement = KeyRotation {
            log: "a.b".parse().unwrap(),
            role: KeyRole::Writer,
            name: None,
            old: old.public(),
            new: new.public(),
            from: 6,
        };
        LogEvent::KeyRotated(statement.sign(&old, &new).unwrap())
    }

    fn revoked() -> LogEvent {
        let (name, spki) = (Some("w.example/1".to_owned()), key("w").public());
        let (role, reason) = (KeyRole::Witness, "lost".into());
        LogEvent::KeyRevoked(KeyRevoked { role, name, spki, last_trusted: 5, reason })
    }

    fn change() -> Vec<Commit> {
        let id = change_id().to_string();
        let at = |sequence| {
            let requested = ChangeEvent::Requested { revision: 1 };
            commit((TENANT, "change", &id), sequence, requested).unwrap()
        };
        vec![at(4), at(9)]
    }

    #[test]
    fn what_the_log_says_of_itself_is_told_and_nothing_else() {
        let said = |event| own(5, event).envelope.events.first().and_then(told);
        let weak = said(configured(&["max_age", "discard"]));
        let weak = weak.as_deref();
        assert_eq!(
            weak,
            Some("log.configuration_changed: CS_LOG_main weakened by max_age and discard")
        );
        let rotated = said(rotated());
        assert_eq!(rotated.as_deref(), Some("log.key_rotated: writer key, from 6 on"));
        let revoked = said(revoked());
        let revoked = revoked.as_deref();
        assert_eq!(revoked, Some("log.key_revoked: witness w.example/1 key, trusted up to 5"));
        assert_eq!(said(configured(&[])), None);
        assert!(matters(&own(5, configured(&["max_age"])).envelope));
        assert!(!matters(&own(5, configured(&[])).envelope));
        // Only the system's log speaks of the log.
        let id = LogId::derived("log", &["a.b"]).to_string();
        let posed = commit((TENANT, "log", &id), 5, configured(&["max_age"])).unwrap();
        assert!(!matters(&posed.envelope));
    }

    #[test]
    fn only_what_was_recorded_within_the_life_of_the_change_is_told() {
        let all = (1..=12).map(|sequence| own(sequence, rotated())).collect();
        let found = Meanwhile::of(&change(), all, &[]);
        let sequences: Vec<_> = found.commits.iter().map(|commit| commit.sequence).collect();
        assert_eq!(sequences, [4, 5, 6, 7, 8, 9]);
        assert!(Meanwhile::of(&[], vec![own(5, rotated())], &[]).commits.is_empty());
    }

    #[test]
    fn a_stream_that_was_weak_meanwhile_is_named_whenever_that_was_recorded() {
        let weak = |from_sequence, to_sequence| Weakened {
            stream: "CS_LOG_main".to_owned(),
            weaknesses: vec!["max_age".to_owned()],
            from_sequence,
            to_sequence,
        };
        let (before, after) = (weak(0, Some(4)), weak(9, None));
        let meanwhile = [weak(0, Some(5)), weak(5, Some(6)), weak(8, None), weak(0, None)];
        let all = [&[before], &meanwhile[..], &[after]].concat();
        assert_eq!(Meanwhile::of(&change(), Vec::new(), &all).weakened, meanwhile);
    }
}
