//! The commit: one message of the log that holds every event of one command.
//!
//! Its bytes are hashed as they are stored and never made again from a parsed commit: parsing ignores members
//! it does not know, so a newer writer's members stay attested. Source: PROTOCOL.md section 1, "Commit".

use crate::hash::{CommitHash, RequestDigest};
use crate::lasting::{self, Own};
use crate::name::{EventType, IdText, Origin, Slug, Word};
use crate::nullable;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use trust::encoding::Timestamp;
use trust::keys::KeyId;
use trust::strict::{self, StrictError};

/// The version of the commit format.
pub const SPEC: u64 = 1;
/// Largest payload of a commit, bytes.
pub const MAX_COMMIT_BYTES: usize = 512 * 1024;
/// Few commits are longer, bytes: room that need not grow while they are written.
const USUAL_BYTES: usize = 2_048;
/// The data of an event lies in the commit, its events and the event.
const EVENT_DATA_DEPTH: usize = 3;

/// Why bytes are not a commit, or an envelope cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CommitError {
    /// More than [`MAX_COMMIT_BYTES`].
    #[error("{0} bytes; a commit has at most 524288")]
    TooLarge(usize),
    /// Not strict JSON, or a member is missing or of another type.
    #[error("not a commit's JSON")]
    Malformed(#[source] StrictError),
    /// Another version of the format.
    #[error("spec {0}; this reader knows spec 1")]
    Spec(u64),
    /// No events.
    #[error("no events")]
    NoEvents,
    /// Versions and event schemas count from 1.
    #[error("{0} is 0; it counts from 1")]
    Zero(#[serde(deserialize_with = "lasting::read")] Own),
    /// An id of another kind than its member asks for.
    #[error("{member} is not an id with the prefix {prefix}_")]
    IdKind {
        /// The member.
        #[serde(deserialize_with = "lasting::read")]
        member: Own,
        /// The prefix that belongs there.
        #[serde(deserialize_with = "lasting::read")]
        prefix: Own,
    },
    /// The data of an event is not an object.
    #[error("the data of an event is not an object")]
    Data,
    /// The envelope would not be read back as it is: a number beyond 2^53 or not an integer, too deep nesting.
    #[error("the data would not be read back as it is")]
    Unstable,
    /// The signing key is not the envelope's `writer`.
    #[error("the signing key is not the commit's writer")]
    OtherWriter,
}

/// Which aggregate a commit belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AggregateRef {
    /// The aggregate type, such as `change`.
    #[serde(rename = "type")]
    pub kind: Word,
    /// Its id.
    pub id: IdText,
}

/// The command that a commit answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRef {
    /// Derived id (`cmd_...`): a retry finds its first try by it.
    pub id: IdText,
    /// The command's name, such as `submit_change`.
    #[serde(rename = "type")]
    pub kind: Word,
    /// Of the exact request body.
    pub digest: RequestDigest,
}

/// What kind of principal acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A human being.
    Person,
    /// A service account.
    Service,
    /// A process of ours that issues follow-up commands.
    Workflow,
}

/// How the principal was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `OpenID` Connect.
    Oidc,
    /// A bearer token.
    Token,
    /// A SPIFFE X.509-SVID.
    Spiffe,
}

/// Who acted, by opaque id only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of principal.
    pub kind: ActorKind,
    /// The principal (`prn_...`).
    pub id: IdText,
    /// How it was authenticated.
    pub auth: Auth,
}

/// One event of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventEntry {
    /// The event's id (`evt_...`).
    pub id: IdText,
    /// Its type, such as `schema.requested`.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Version of the type's schema, from 1.
    pub schema: u32,
    /// An object; its members are written in byte order, so that equal data has equal bytes.
    #[serde(serialize_with = "sorted::serialize")]
    pub data: Value,
}

/// A commit's members, in the order in which we write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Always [`SPEC`].
    pub spec: u64,
    /// The origin of the log.
    pub log: Origin,
    /// Key id of the writer.
    pub writer: KeyId,
    /// The tenant; `system` for the log's own aggregates.
    pub tenant: Slug,
    /// The aggregate.
    pub aggregate: AggregateRef,
    /// Version of the aggregate after this commit, from 1: the number of its good commits.
    pub version: u64,
    /// Hash of the aggregate's previous commit; [`CommitHash::ZERO`] for version 1.
    pub prev: CommitHash,
    /// The command.
    pub command: CommandRef,
    /// The principal.
    pub actor: Actor,
    /// What larger piece of work this belongs to.
    pub correlation_id: String,
    /// The event (`evt_...`) that led to the command, if one did.
    #[serde(deserialize_with = "nullable::present")]
    pub causation_id: Option<IdText>,
    /// W3C trace context of the command.
    pub traceparent: String,
    /// See [`commit_time`].
    pub time: Timestamp,
    /// At least one.
    pub events: Vec<EventEntry>,
}

impl Envelope {
    /// Parses the exact payload bytes: size, strict JSON, every named member, spec, id kinds, at least one event.
    pub fn parse(payload: &[u8]) -> Result<Self, CommitError> {
        if payload.len() > MAX_COMMIT_BYTES {
            return Err(CommitError::TooLarge(payload.len()));
        }
        if let Some(envelope) = Self::as_spelled(payload) {
            return Ok(envelope);
        }
        Self::parse_strictly(payload)
    }

    /// Whatever its spelling.
    fn parse_strictly(payload: &[u8]) -> Result<Self, CommitError> {
        let value = strict::parse_value(payload).map_err(CommitError::Malformed)?;
        if !is_spelled_with_objects(&value) {
            let detail = "an object or a text is spelled another way".to_owned();
            return Err(CommitError::Malformed(StrictError::Shape(detail)));
        }
        let envelope: Self = serde_json::from_value(value)
            .map_err(|error| CommitError::Malformed(StrictError::Shape(error.to_string())))?;
        envelope.check()?;
        Ok(envelope)
    }

    /// A good commit in the spelling of [`Self::encode`]: nothing in it had a second meaning, as the same bytes come back.
    fn as_spelled(payload: &[u8]) -> Option<Self> {
        let envelope: Self = serde_json::from_slice(payload).ok()?;
        let mut unwritten = Spelling(payload);
        let is_spelled = envelope.check().is_ok()
            && envelope.is_stable()
            && serde_json::to_writer(&mut unwritten, &envelope).is_ok()
            && unwritten.0.is_empty();
        is_spelled.then_some(envelope)
    }

    /// Whether its data is read back as it is.
    fn is_stable(&self) -> bool {
        let data = self.events.iter().map(|event| &event.data);
        let stable = |value| strict::check_value(value, EVENT_DATA_DEPTH).is_ok();
        data.chain([&Value::from(self.version)]).all(stable)
    }

    /// The payload bytes: compact JSON, members in the order of the fields, deterministic.
    ///
    /// What would not be read back as it is gets refused, so that no writer stores what every reader would condemn.
    pub fn encode(&self) -> Result<Vec<u8>, CommitError> {
        self.check()?;
        if !self.is_stable() {
            return Err(CommitError::Unstable);
        }
        let mut payload = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut payload, self)
            .map_err(|error| CommitError::Malformed(StrictError::Json(error.to_string())))?;
        if payload.len() > MAX_COMMIT_BYTES {
            return Err(CommitError::TooLarge(payload.len()));
        }
        debug_assert_eq!(Self::parse(&payload).as_ref(), Ok(self), "read back as it is");
        Ok(payload)
    }

    fn check(&self) -> Result<(), CommitError> {
        if self.spec != SPEC {
            return Err(CommitError::Spec(self.spec));
        }
        if self.version == 0 {
            return Err(CommitError::Zero("version"));
        }
        has_prefix(&self.command.id, "command.id", "cmd")?;
        has_prefix(&self.actor.id, "actor.id", "prn")?;
        if let Some(cause) = &self.causation_id {
            has_prefix(cause, "causation_id", "evt")?;
        }
        for event in &self.events {
            has_prefix(&event.id, "events.id", "evt")?;
            if event.schema == 0 {
                return Err(CommitError::Zero("events.schema"));
            }
            if !event.data.is_object() {
                return Err(CommitError::Data);
            }
        }
        if self.events.is_empty() { Err(CommitError::NoEvents) } else { Ok(()) }
    }
}

/// Takes only these bytes, in their order: what is left of them was not written yet.
struct Spelling<'a>(&'a [u8]);

impl io::Write for Spelling<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// serde also takes an array for a struct and a map for a unit variant; no other reader of the format would.
fn is_spelled_with_objects(value: &Value) -> bool {
    let part = |pointer| value.pointer(pointer).unwrap_or(&Value::Null);
    value.is_object()
        && ["/aggregate", "/command", "/actor"].into_iter().all(|name| part(name).is_object())
        && ["/actor/kind", "/actor/auth"].into_iter().all(|name| part(name).is_string())
        && part("/events").as_array().is_some_and(|events| events.iter().all(Value::is_object))
}

fn has_prefix(id: &IdText, member: &'static str, prefix: &'static str) -> Result<(), CommitError> {
    if id.prefix() == prefix { Ok(()) } else { Err(CommitError::IdKind { member, prefix }) }
}

/// The `time` of a new commit: now, but never before the aggregate's last commit.
pub fn commit_time(now: Timestamp, last: Option<Timestamp>) -> Timestamp {
    last.map_or(now, |last| last.max(now))
}

/// Writes JSON with the members of every object in byte order, whatever map `serde_json` was built with.
mod sorted {
    use serde::Serializer;
    use serde::ser::Serialize;
    use serde_json::Value;
    use std::collections::BTreeMap;

    struct Sorted<'a>(&'a Value);

    impl Serialize for Sorted<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize(self.0, serializer)
        }
    }

    pub(super) fn serialize<S: Serializer>(
        value: &Value,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Value::Object(members) if members.keys().is_sorted() => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, Sorted(value))))
            }
            Value::Object(members) => {
                let members: BTreeMap<_, _> =
                    members.iter().map(|(name, value)| (name, Sorted(value))).collect();
                serializer.collect_map(members)
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_time_of_an_aggregate_never_goes_back() {
        let [early, late] = ["2026-11-20T07:00:00.000000Z", "2026-11-20T07:00:00.000001Z"]
            .map(|text| text.parse::<Timestamp>().unwrap());
        assert_eq!(commit_time(early, None), early);
        assert_eq!(commit_time(early, Some(late)), late);
        assert_eq!(commit_time(late, Some(early)), late);
    }

    const SPELLED: &str = r#"{"spec":1,"log":"main.log.example","writer":"9a271f2a916b0b6ee6cecb2426f0b3206ef074578be55d9bc94f6f3fe3ab86aa","tenant":"acme","aggregate":{"type":"change","id":"chg_01h455vb4pex5vsknk084sn02q"},"version":1,"prev":"blake3:0000000000000000000000000000000000000000000000000000000000000000","command":{"id":"cmd_01h455vb4pex5vsknk084sn02q","type":"submit_change","digest":"blake3:0000000000000000000000000000000000000000000000000000000000000000"},"actor":{"kind":"person","id":"prn_01h455vb4pex5vsknk084sn02q","auth":"oidc"},"correlation_id":"c","causation_id":null,"traceparent":"t","time":"2026-11-20T07:00:00.000000Z","events":[{"id":"evt_01h455vb4pex5vsknk084sn02q","type":"schema.requested","schema":1,"data":{"a":[1,{"b":"\u0001"}],"c":null}}]}"#;

    /// The way that is taken first agrees with the strict one, which it is to spare.
    fn both_ways(payload: &[u8]) -> Result<Envelope, CommitError> {
        let strictly = Envelope::parse_strictly(payload);
        if let Some(envelope) = Envelope::as_spelled(payload) {
            assert_eq!(strictly.as_ref(), Ok(&envelope), "{:?}", std::str::from_utf8(payload));
        }
        strictly
    }

    #[test]
    fn a_second_spelling_takes_the_strict_way() {
        let envelope = both_ways(SPELLED.as_bytes()).unwrap();
        assert_eq!(Envelope::as_spelled(SPELLED.as_bytes()).as_ref(), Some(&envelope));
        assert_eq!(envelope.encode().unwrap(), SPELLED.as_bytes());
        for (old, new, is_commit) in [
            ("{\"spec\"", "{ \"spec\"", true),
            ("\"version\":1", "\"more\":{},\"version\":1", true),
            ("\"a\":[1", "\"a\":[1,1.5", false),
            ("\"a\":[1", "\"a\":[9007199254740992", false),
            ("\"a\":[1", "\"a\":1,\"a\":[1", false),
            ("\"version\":1", "\"version\":1,\"version\":1", false),
            ("\"version\":1", "\"version\":0", false),
            ("\"causation_id\":null,", "", false),
            (
                "\"aggregate\":{\"type\":\"change\",\"id\":\"chg_01h455vb4pex5vsknk084sn02q\"}",
                "\"aggregate\":[\"change\",\"chg_01h455vb4pex5vsknk084sn02q\"]",
                false,
            ),
        ] {
            let text = SPELLED.replacen(old, new, 1);
            assert_ne!(text, SPELLED);
            assert_eq!(both_ways(text.as_bytes()).is_ok(), is_commit, "{new}");
            assert!(Envelope::as_spelled(text.as_bytes()).is_none(), "{new}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_takes_what_the_strict_one_takes(
            at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
        ) {
            let mut payload = SPELLED.as_bytes().to_vec();
            let length = payload.len();
            payload[at.index(length)] = byte;
            let _answer = both_ways(&payload);
            payload.remove(cut.index(length));
            let _answer = both_ways(&payload);
        }
    }
}
