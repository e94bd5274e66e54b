//! Hostile input: every parser for the inputs of the fuzz targets, damaged ones, any bytes, and back from what it wrote.

#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(clippy::expect_used, reason = "a check of the fuzz targets fails by panicking")]
#[path = "../../../fuzz/src/ledger.rs"]
mod parsers;
#[expect(clippy::expect_used, reason = "a check of the fuzz targets fails by panicking")]
#[path = "../../../fuzz/src/tree.rs"]
mod tree;
mod workbench;

use anyhow::Context as _;
use corpus::Check;
use countersign_ledger::{
    CommitHash, Envelope, Line, LogPolicy, Manifest, Policy, PositionMark, RequestDigest, RootPin,
    Subject, Writer,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::OnceLock;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;
use workbench::Workbench;

const TARGETS: [(&str, Check); 9] = [
    ("commit", parsers::commit),
    ("line", parsers::line),
    ("policy", parsers::policy),
    ("note", tree::note),
    ("checkpoint", tree::checkpoint),
    ("cosignature", tree::cosignature),
    ("request", tree::request),
    ("tile", tree::tile),
    ("proof", tree::proof),
];

answers!(TARGETS, corpus);

/// Made once: a workbench signs a lot.
fn envelope() -> anyhow::Result<Envelope> {
    static MADE: OnceLock<Envelope> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(made.clone());
    }
    let bench = Workbench::grown(2)?;
    let line = bench.lines.last().context("a line")?;
    let made = Envelope::parse(&line.payload)?;
    Ok(MADE.get_or_init(|| made).clone())
}

#[test]
fn an_array_for_an_object_is_no_policy_and_no_manifest() {
    let bench = Workbench::grown(2).unwrap();
    let policy = Policy::parse(&bench.policy().encode().unwrap()).unwrap();
    let mut value = serde_json::to_value(&policy).unwrap();
    let log = value["logs"][0].as_object().unwrap().values().cloned().collect::<Value>();
    value["logs"][0] = log;
    assert!(Policy::parse(value.to_string().as_bytes()).is_err());
    let made: Timestamp = "2026-11-20T07:00:00.000000Z".parse().unwrap();
    let manifest = Manifest::unsealed(bench.origin.clone(), 2, made);
    let members = json!([manifest.format, manifest.log, 2, manifest.scope, made]);
    assert!(Manifest::parse(members.to_string().as_bytes()).is_err());
}

/// JSON of any kind: what the strict form cannot hold too.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000..1000_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_commit_that_can_be_written_comes_back(
        data in any_json(), correlation: String, traceparent: String, version: u64, schema: u32,
    ) {
        let mut envelope = envelope().unwrap();
        envelope.correlation_id = correlation;
        envelope.traceparent = traceparent;
        envelope.version = version;
        envelope.events[0].schema = schema;
        envelope.events[0].data = json!({"data": data});
        if let Ok(payload) = envelope.encode() {
            prop_assert_eq!(Envelope::parse(&payload), Ok(envelope));
            parsers::commit(&payload);
        }
    }

    #[test]
    fn a_line_comes_back(
        sequence in 1..1_u64 << 53, subject: String, hash: String, signature: String, payload: Vec<u8>,
        micros in -62_167_219_200_000_000..253_402_300_800_000_000_i64,
    ) {
        let first: Timestamp = "1970-01-01T00:00:00.000000Z".parse().unwrap();
        let received_at = first.plus_seconds(micros / 1_000_000);
        let line = Line { sequence, subject, hash, signature, received_at, payload };
        let bytes = line.encode().unwrap();
        prop_assert_eq!(Line::parse(&bytes), Ok(line));
        parsers::line(&bytes);
    }

    #[test]
    fn a_policy_that_can_be_written_comes_back(
        seeds in prop::collection::vec(any::<[u8; 32]>(), 1..4),
        from_sequence in 0..1_u64 << 53, to_sequence in prop::option::of(0..1_u64 << 53),
        gaps in prop::collection::vec(0..60_u64, 0..5), quorum in 0..3_u32, delay in 0..1_u64 << 53,
        version in 0..1_u64 << 53, sha256: [u8; 32],
    ) {
        let bench = Workbench::opened().unwrap();
        let mut policy = bench.policy();
        let keys: Vec<_> = seeds.iter().map(|seed| PrivateKey::from_seed(seed).public()).collect();
        let writers = keys.iter().map(|key| Writer { key: *key, from_sequence, to_sequence }).collect();
        let log = policy.logs.remove(0);
        policy.logs.push(LogPolicy {
            keys: keys.into_iter().map(Into::into).collect(), writers, gaps, witness_quorum: quorum, max_merge_delay_seconds: delay, ..log
        });
        let sha256 = Sha256Digest::from_bytes(sha256);
        policy.roots.push(RootPin { tenant: "acme".parse().unwrap(), version, sha256 });
        if let Ok(json) = policy.encode() {
            prop_assert_eq!(Policy::parse(&json), Ok(policy));
            parsers::policy(&json);
        }
    }

    #[test]
    fn texts_come_back(hash: [u8; 32], tenant in "[a-z0-9][a-z0-9-]{0,62}", sequence: u64) {
        let commit = CommitHash::from_bytes(hash);
        prop_assert_eq!(commit.to_string().parse(), Ok(commit));
        let request = RequestDigest::from_bytes(hash);
        prop_assert_eq!(request.to_string().parse(), Ok(request));
        let mut envelope = envelope().unwrap();
        envelope.tenant = tenant.parse().unwrap();
        let subject: Subject = envelope.subject(&tenant.parse().unwrap());
        prop_assert_eq!(subject.to_string().parse(), Ok(subject));
        let mark = PositionMark { origin: envelope.log, sequence };
        prop_assert_eq!(mark.to_string().parse(), Ok(mark));
    }
}

/// JSON of every kind, also of kinds that no commit may hold: fractions, large integers, deep nesting.
fn loose_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ((1_u64 << 53) - 2..(1 << 53) + 2).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let wide = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let deep = 55_usize..66;
    let deep = deep.prop_map(|depth| (0..depth).fold(Value::Null, |inner, _| json!([inner])));
    prop_oneof![3 => wide, 1 => deep]
}

proptest! {
    /// A writer stores exactly what a reader would read back as it is.
    #[test]
    fn what_is_encoded_is_what_is_read_back(
        data in prop::collection::btree_map(any::<String>(), loose_json(), 0..4)
    ) {
        let mut envelope = envelope().map_err(|error| TestCaseError::fail(error.to_string()))?;
        envelope.events[0].data = Value::Object(data.into_iter().collect());
        let written = serde_json::to_vec(&envelope).unwrap();
        let is_read_back = Envelope::parse(&written).as_ref() == Ok(&envelope);
        prop_assert_eq!(envelope.encode().is_ok(), is_read_back);
    }
}
