//! What must hold of envelopes, statements, messages and the texts in them.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use trust::dsse::{Envelope, Parsed};
use trust::encoding::{Sha256Digest, Timestamp, from_base64, to_base64};
use trust::keys::{NamedSignature, PublicKey};
use trust::message::{AgentMessage, JobMessage, ResultMessage, cancel_to_json};
use trust::names::{ChangeId, CommitHash, Fingerprint, Origin, TenantSlug};
use trust::pinned::PinnedRoot;
use trust::spiffe::SpiffeId;
use trust::statement::{
    Cancel, Change, Decision, Delegation, Job, JobResult, Root, RootRef, Statement, Submission,
};
use trust::strict;

/// An envelope that is read is written as what is read again, and says the same; its root, if it is one, can be opened
/// against its own pin only if its threshold signed it.
pub fn envelope(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let json = envelope.to_json().expect("what was read can be written");
    assert_eq!(Envelope::parse(&json).as_ref(), Ok(&envelope));
    says_the_same(bytes, &json);
    let payload = envelope.payload();
    assert!(envelope.pae().ends_with(payload));
    if let Ok(root) = Parsed::<Root>::from_envelope(envelope.clone()) {
        let pin = RootRef { version: root.statement().version, sha256: root.sha256() };
        let opened = PinnedRoot::open(&envelope, &pin);
        assert!(opened.is_err() || !envelope.signatures().is_empty());
    }
    statement(payload);
}

/// Every kind of statement that reads the payload writes it as the same JSON.
pub fn statement(bytes: &[u8]) {
    if let Ok(value) = strict::parse_value(bytes) {
        assert_eq!(serde_json::from_slice::<serde_json::Value>(bytes).ok().as_ref(), Some(&value));
        assert_eq!(strict::parse_value(value.to_string().as_bytes()), Ok(value));
    }
    reads::<Cancel>(bytes);
    reads::<Change>(bytes);
    reads::<Decision>(bytes);
    reads::<Delegation>(bytes);
    reads::<Job>(bytes);
    reads::<JobResult>(bytes);
    reads::<Root>(bytes);
    reads::<Submission>(bytes);
}

fn reads<S: Statement + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(statement) = S::parse(bytes) else { return };
    let payload = statement.to_payload().expect("what was read can be written");
    assert_eq!(S::parse(&payload), Ok(statement));
    says_the_same(bytes, &payload);
}

fn says_the_same(one: &[u8], other: &[u8]) {
    assert_eq!(strict::parse_value(one), strict::parse_value(other));
}

/// A message of either stream is written as the same JSON.
pub fn message(bytes: &[u8]) {
    let job = JobMessage::parse(bytes);
    let written = match AgentMessage::parse(bytes) {
        Ok(AgentMessage::Job(message)) => {
            let json = message.to_json().expect("what was read can be written");
            assert_eq!(job, Ok(*message));
            json
        }
        Ok(AgentMessage::Cancel(cancel)) => {
            assert!(job.is_err(), "a message is a job or a cancel");
            cancel_to_json(cancel.envelope()).expect("what was read can be written")
        }
        Err(_) => {
            assert!(job.is_err());
            let Ok(message) = ResultMessage::parse(bytes) else { return };
            let json = message.to_json().expect("what was read can be written");
            assert_eq!(ResultMessage::parse(&json), Ok(message));
            json
        }
    };
    says_the_same(bytes, &written);
    assert_eq!(AgentMessage::parse(bytes), AgentMessage::parse(&written));
}

/// Every text has one spelling: what is read is written as it was.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(decoded) = from_base64(text) {
        assert_eq!(to_base64(&decoded), text);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string(), text);
        assert_eq!(
            text.len(),
            "2026-11-20T07:00:00.000000Z".len(),
            "RFC 3339 has years of four digits"
        );
    }
    has_one_spelling::<ChangeId>(text);
    has_one_spelling::<CommitHash>(text);
    has_one_spelling::<Fingerprint>(text);
    has_one_spelling::<NamedSignature>(text);
    has_one_spelling::<Origin>(text);
    has_one_spelling::<PublicKey>(text);
    has_one_spelling::<Sha256Digest>(text);
    has_one_spelling::<TenantSlug>(text);
    has_one_spelling::<SpiffeId>(text);
    if let Ok(id) = text.parse::<SpiffeId>() {
        let agent = id.tenant().zip(id.agent().map(str::to_owned));
        if let Some((tenant, agent)) = agent {
            assert_eq!(SpiffeId::of_agent(id.trust_domain(), tenant.as_str(), &agent), Ok(id));
        }
    }
}

fn has_one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text);
    }
}
