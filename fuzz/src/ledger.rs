//! What must hold of commits, lines and what a verifier is given beside them.

use countersign_ledger::{
    CommitHash, Envelope, EventType, IdText, Line, LogIdentity, Manifest, Origin, Policy,
    PositionMark, Receipt, RequestDigest, Slug, Stored, Subject, Verdict, Verifier, Word,
    blob_refs, judge_alone, verify_commits,
};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::OnceLock;
use trust::strict;

const POLICY: &[u8] = include_bytes!("../../domain/ledger/vectors/policy.json");
const COMMITS: &[u8] = include_bytes!("../../domain/ledger/vectors/bundle/commits.ndjson");

/// Read once: keys are slow to read.
fn golden_policy() -> &'static Policy {
    static READ: OnceLock<Policy> = OnceLock::new();
    READ.get_or_init(|| Policy::parse(POLICY).expect("the golden policy"))
}

/// The golden log, as its verifier knows it.
fn identity() -> LogIdentity {
    let log = golden_policy().logs.first().expect("the golden log");
    log.identity(&"main".parse().expect("the golden shard"))
}

/// A commit that is read is written as bytes that read the same and are written the same; nothing unsigned is good.
pub fn commit(bytes: &[u8]) {
    let hash = CommitHash::of(bytes).to_string();
    let subject = "cs.log.main.acme.change.chg_00000000000000000000000001";
    let stored =
        Stored { sequence: 1, subject, hash: Some(&hash), signature: None, payload: bytes };
    assert!(judge_alone(&identity(), &stored).is_err(), "nobody signed it");
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let payload = envelope.encode().expect("what was read can be written");
    let again = Envelope::parse(&payload);
    assert_eq!(again.as_ref(), Ok(&envelope));
    assert_eq!(again.and_then(|again| again.encode()), Ok(payload));
    let shard = identity().shard;
    let subject = envelope.subject(&shard);
    assert_eq!(subject.to_string().parse(), Ok(subject));
    for event in &envelope.events {
        for blob in blob_refs(&event.data) {
            assert!(!blob.sha256.to_string().is_empty());
        }
    }
}

/// A line has one spelling, a good commit in it is one that its own bytes show, and only the golden log's lines verify
/// as the golden log.
pub fn line(bytes: &[u8]) {
    verify(bytes);
    let Ok(line) = Line::parse(bytes) else { return };
    assert_eq!(line.encode().as_deref(), Ok(bytes));
    assert_eq!(Line::of(&line.stored(), line.received_at), line);
    let hash = CommitHash::of(&line.payload);
    match judge_alone(&identity(), &line.stored()) {
        Ok(commit) => {
            assert_eq!(line.hash, hash.to_string());
            assert_eq!(Envelope::parse(&line.payload), Ok(commit.envelope));
        }
        Err(condemned) => assert_eq!(condemned.hash, hash),
    }
}

fn verify(bytes: &[u8]) {
    let LogIdentity { origin, shard, .. } = identity();
    let size = attested(COMMITS).map(|(sequence, ..)| sequence).max().unwrap_or_default();
    let verifier = Verifier::new(golden_policy(), &origin, &shard);
    let mut verifier = verifier.expect("the policy names its log").ending_at(size);
    verify_commits(&mut verifier, &mut &*bytes).expect("memory can be read");
    let report = verifier.finish_without_blobs();
    assert!(report.verdict != Verdict::Intact || attested(bytes).eq(attested(COMMITS)));
}

/// The lines without what nobody attests.
fn attested(lines: &[u8]) -> impl Iterator<Item = (u64, String, String, Vec<u8>)> {
    let lines =
        lines.split_inclusive(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok());
    lines.map(|line| (line.sequence, line.hash, line.signature, line.payload))
}

/// Policies, manifests and receipts that are read are written as what is read again, and say the same; names have one
/// spelling.
pub fn policy(bytes: &[u8]) {
    if let Ok(policy) = Policy::parse(bytes) {
        let json = policy.encode().expect("what was read can be written");
        assert_eq!(Policy::parse(&json), Ok(policy));
        assert_eq!(strict::parse_value(bytes), strict::parse_value(&json));
    }
    if let Ok(manifest) = Manifest::parse(bytes) {
        let json = manifest.encode().expect("what was read can be written");
        assert_eq!(Manifest::parse(&json).ok(), Some(manifest));
        assert_eq!(strict::parse_value(bytes), strict::parse_value(&json));
    }
    if let Ok(receipt) = strict::parse::<Receipt>(bytes) {
        let json = serde_json::to_vec(&receipt).expect("what was read can be written");
        assert_eq!(strict::parse::<Receipt>(&json).as_ref(), Ok(&receipt));
        let verified = receipt.verify(&identity().writers);
        assert!(verified.is_err() || receipt.log == identity().origin, "a receipt of this log");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    has_one_spelling::<CommitHash>(text);
    has_one_spelling::<EventType>(text);
    has_one_spelling::<IdText>(text);
    has_one_spelling::<Origin>(text);
    has_one_spelling::<PositionMark>(text);
    has_one_spelling::<RequestDigest>(text);
    has_one_spelling::<Slug>(text);
    has_one_spelling::<Subject>(text);
    has_one_spelling::<Word>(text);
}

fn has_one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text);
    }
}
