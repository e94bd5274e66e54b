//! `audit replay`: an aggregate as it was at any sequence or time, out of the commits alone, and what changed since.

use crate::error::CliError;
use crate::output::{Document, Output};
use anyhow::Context as _;
use cqrs_es::Aggregate;
use domain::agents::Agent;
use domain::approvals::Approval;
use domain::catalog::DataSource;
use domain::changes::Change;
use domain::identity::{Principal, Tenant, TrustRoot};
use domain::jobs::Job;
use domain::ledger::Log;
use domain::registry;
use ledger::Commit;
use serde_json::{Map, Value, json};
use trust::encoding::Timestamp;

/// Until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With the commit at this sequence.
    Sequence(u64),
    /// With every commit that is not later.
    Time(Timestamp),
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(sequence) = text.parse() {
            return Ok(Self::Sequence(sequence));
        }
        let time = chrono::DateTime::parse_from_rfc3339(text).ok();
        time.map(|time| Self::Time(Timestamp::new(time.to_utc()))).ok_or_else(|| {
            format!("{text:?} is neither a sequence nor a time such as 2026-11-27T08:00:00Z")
        })
    }
}

impl Moment {
    fn holds(self, commit: &Commit) -> bool {
        match self {
            Self::Sequence(last) => commit.sequence <= last,
            Self::Time(last) => commit.envelope.time <= last,
        }
    }
}

/// An aggregate at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct AtMoment {
    /// Its version then; 0 if it did not exist.
    pub version: u64,
    /// The last commit's sequence.
    pub sequence: u64,
    /// Its state.
    pub state: Value,
}

/// The state that these commits of one aggregate make, up to a moment.
pub fn state(commits: &[Commit], until: Option<Moment>) -> Result<AtMoment, CliError> {
    let taken: Vec<&Commit> =
        commits.iter().filter(|commit| until.is_none_or(|until| until.holds(commit))).collect();
    let Some(last) = taken.last() else {
        return Ok(AtMoment { version: 0, sequence: 0, state: Value::Null });
    };
    let kind = last.envelope.aggregate.kind.as_str();
    let state = match kind {
        Agent::TYPE => folded::<Agent>(&taken),
        Approval::TYPE => folded::<Approval>(&taken),
        Change::TYPE => folded::<Change>(&taken),
        DataSource::TYPE => folded::<DataSource>(&taken),
        Job::TYPE => folded::<Job>(&taken),
        Log::TYPE => folded::<Log>(&taken),
        Principal::TYPE => folded::<Principal>(&taken),
        Tenant::TYPE => folded::<Tenant>(&taken),
        TrustRoot::TYPE => folded::<TrustRoot>(&taken),
        other => Err(anyhow::anyhow!("this version knows no aggregates of type {other}")),
    };
    let (version, sequence) = (last.envelope.version, last.sequence);
    Ok(AtMoment { version, sequence, state: state? })
}

fn folded<A: Aggregate>(commits: &[&Commit]) -> anyhow::Result<Value> {
    let mut aggregate = A::default();
    for commit in commits {
        for entry in &commit.envelope.events {
            let tagged = registry::tagged(entry.kind.as_str(), &entry.data);
            let event = serde_json::from_value(tagged)
                .with_context(|| format!("an event of sequence {}", commit.sequence))?;
            aggregate.apply(event);
        }
    }
    Ok(serde_json::to_value(aggregate)?)
}

/// Shows one state, or the difference of two.
pub fn show(
    id: &str,
    then: &AtMoment,
    now: Option<&AtMoment>,
    output: &Output,
) -> Result<(), CliError> {
    let Some(now) = now else {
        let value = json!({"aggregate": id, "version": then.version, "sequence": then.sequence,
            "state": then.state});
        let (version, sequence) = (then.version.to_string(), then.sequence.to_string());
        let state = serde_json::to_string_pretty(&then.state).map_err(anyhow::Error::from)?;
        let state = sql::escaped(&state);
        let members = [
            ("aggregate", id),
            ("version", version.as_str()),
            ("sequence", &sequence),
            ("state", &state),
        ];
        output.document(&Document::record(value, id, &members))?;
        return Ok(());
    };
    let changed = differences(&then.state, &now.state);
    let value = json!({"aggregate": id, "from": {"version": then.version, "sequence": then.sequence},
        "to": {"version": now.version, "sequence": now.sequence}, "changed": changed});
    let rows = changed.iter().map(|(pointer, pair)| {
        let side = |name: &str| pair.get(name).map(Value::to_string).unwrap_or_default();
        let row = vec![pointer.clone(), sql::escaped(&side("from")), sql::escaped(&side("to"))];
        (pointer.clone(), row)
    });
    output.document(&Document::list(value, &["MEMBER", "FROM", "TO"], rows.collect()))?;
    Ok(())
}

/// Every member whose value differs, by JSON pointer (RFC 6901).
fn differences(then: &Value, now: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    compare("", then, now, &mut found);
    found
}

fn compare(pointer: &str, then: &Value, now: &Value, found: &mut Map<String, Value>) {
    if then == now {
        return;
    }
    if let (Value::Object(before), Value::Object(after)) = (then, now) {
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        for name in names {
            let member = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
            let name = name.replace('~', "~0").replace('/', "~1");
            compare(&format!("{pointer}/{name}"), &member(before), &member(after), found);
        }
        return;
    }
    found.insert(pointer.to_owned(), json!({"from": then, "to": now}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_difference() {
        let then = json!({"a": 1, "b": {"c": [1], "d/e": 2}, "same": {"x": null}});
        let now = json!({"a": 1, "b": {"c": [1, 2], "d/e": 3}, "same": {"x": null}, "new": true});
        let found = differences(&then, &now);
        let pointers: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(pointers, ["/b/c", "/b/d~1e", "/new"]);
        assert_eq!(found["/new"], json!({"from": null, "to": true}));
    }

    #[test]
    fn a_moment_is_a_sequence_or_a_time() {
        assert_eq!("12".parse(), Ok(Moment::Sequence(12)));
        assert!(matches!("2026-11-27T08:00:00Z".parse(), Ok(Moment::Time(_))));
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
