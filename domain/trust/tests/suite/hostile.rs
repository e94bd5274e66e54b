//! Hostile input: every parser for the inputs of the fuzz targets, damaged ones, any bytes, and back from what it wrote.

use crate::corpus::Check;
use crate::parsers;
use crate::scene::{Outcome, at, scene};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::OnceLock;
use trust::dsse::{Certificate, Envelope, Parsed, Signature, Webauthn};
use trust::encoding::{Sha256Digest, Timestamp, from_base64, to_base64};
use trust::keys::NamedSignature;
use trust::message::{AgentMessage, JobMessage};
use trust::statement::{Change, Job, Statement};
use trust::strict;

const TARGETS: [(&str, Check); 4] = [
    ("envelope", parsers::envelope),
    ("statement", parsers::statement),
    ("message", parsers::message),
    ("text", parsers::text),
];

crate::answers!(TARGETS, crate::corpus);

/// Made once: a scene signs a lot.
fn statements() -> Outcome<&'static (Change, Parsed<Job>)> {
    static MADE: OnceLock<(Change, Parsed<Job>)> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(made);
    }
    let scene = scene(|_| ())?;
    let job = Parsed::from_envelope(Envelope::around(&scene.job)?)?;
    Ok(MADE.get_or_init(|| (scene.change, job)))
}

/// JSON that the strict form can hold.
fn json() -> impl Strategy<Value = Value> {
    let number = -((1_i64 << 53) - 1)..(1 << 53);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(Value::from),
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

fn signature() -> impl Strategy<Value = Signature> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..70);
    let webauthn = (bytes(), bytes()).prop_map(|(authenticator_data, client_data_json)| Webauthn {
        authenticator_data,
        client_data_json,
    });
    let certificates = prop::collection::vec(bytes().prop_map(Certificate), 0..3);
    (any::<String>(), bytes(), prop::option::of(certificates), prop::option::of(webauthn))
        .prop_map(|(keyid, sig, x5c, webauthn)| Signature { keyid, sig, x5c, webauthn })
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let payload = prop::collection::vec(any::<u8>(), 0..100);
    (any::<String>(), payload, prop::collection::vec(signature(), 0..4)).prop_map(
        |(payload_type, payload, signatures)| {
            let bare = Envelope::around_payload(&payload_type, payload);
            signatures.into_iter().fold(bare, Envelope::with_signature)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn strict_json_comes_back(value in json()) {
        prop_assert_eq!(strict::parse_value(value.to_string().as_bytes()), Ok(value));
    }

    #[test]
    fn an_envelope_comes_back(envelope in envelope()) {
        prop_assert_eq!(Envelope::parse(&envelope.to_json().unwrap()), Ok(envelope));
    }

    #[test]
    fn a_message_comes_back(
        change in prop::option::of(envelope()),
        submission in prop::option::of(envelope()),
        delegations in prop::collection::vec(envelope(), 0..2),
        roots in prop::collection::vec(envelope(), 0..2),
        sql: Option<Vec<u8>>,
    ) {
        let job = statements().unwrap().1.clone();
        let message = JobMessage { job, change, submission, delegations, roots, sql };
        let json = message.to_json().unwrap();
        prop_assert_eq!(JobMessage::parse(&json), Ok(message.clone()));
        prop_assert_eq!(AgentMessage::parse(&json), Ok(AgentMessage::Job(Box::new(message))));
    }

    #[test]
    fn a_statement_that_can_be_written_comes_back(
        environment: String, target in "\\PC{0,130}", role: String,
        revision in 0..1_u64 << 54, ordinal: u32, seconds in -400_000_000_000..400_000_000_000_i64,
    ) {
        let mut change = statements().unwrap().0.clone();
        change.environment = environment;
        change.revision = revision;
        change.steps[0].ordinal = ordinal;
        change.requirements[0].role = role;
        change.targets.as_mut().unwrap()[0].name = target;
        change.issued_at = at(0).unwrap().plus_seconds(seconds);
        if let Ok(payload) = change.to_payload() {
            prop_assert_eq!(Change::parse(&payload), Ok(change));
        }
    }

    #[test]
    fn texts_come_back(
        bytes: Vec<u8>, digest: [u8; 32], first: [u8; 32], last: [u8; 32],
        micros in -62_167_219_200_000_000..253_402_300_800_000_000_i64,
    ) {
        prop_assert_eq!(from_base64(&to_base64(&bytes)), Ok(bytes));
        let key = Sha256Digest::from_bytes(digest);
        prop_assert_eq!(key.to_string().parse(), Ok(key));
        let time = Timestamp::new(chrono::DateTime::from_timestamp_micros(micros).unwrap());
        prop_assert_eq!(time.to_string().parse(), Ok(time));
        let signature = [first, last].concat().try_into().unwrap();
        let named = NamedSignature { key, signature };
        prop_assert_eq!(named.to_string().parse(), Ok(named));
    }
}

#[test]
fn a_time_has_a_year_of_four_digits() {
    for year in ["+12026", "-0001", "12026", "+2026", "026"] {
        let text = format!("{year}-11-20T07:00:00.000000Z");
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
    let last: Timestamp = "9999-12-31T23:59:59.999999Z".parse().unwrap();
    assert_eq!(last.plus_seconds(1), last, "a later one could not be written");
}
