//! Given, when, then: the log's own story.

use super::*;
use crate::given::by;
use ::ledger::{KeyRole, KeyRotation};
use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use trust::keys::PrivateKey;

fn opened() -> Opened {
    Opened { nonce: "0".repeat(64), spec: 1, shard: "main".to_owned(), predecessor: None }
}

fn log(after: Vec<LogEvent>) -> AggregateTestExecutor<Log> {
    let given = [vec![LogEvent::Opened(opened())], after].concat();
    TestFramework::<Log>::with(()).given(given)
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn origin() -> Origin {
    "main.log.test".parse().unwrap()
}

fn statement(role: KeyRole, name: Option<&str>, (old, new): (u8, u8), from: u64) -> KeyRotation {
    let (old, new) = (key(old).public(), key(new).public());
    KeyRotation { log: origin(), role, name: name.map(str::to_owned), old, new, from }
}

fn rotation(role: KeyRole, old: u8, new: u8, from: u64) -> SignedRotation {
    statement(role, None, (old, new), from).sign(&key(old), &key(new)).unwrap()
}

fn rotate(rotation: SignedRotation) -> LogCommand {
    LogCommand::RotateKey { origin: origin(), rotation, is_in_force: None, is_contradicted: false }
}

fn revoked(role: KeyRole, seed: u8, last_trusted: u64) -> KeyRevoked {
    let (name, spki, reason) = (None, key(seed).public(), "the laptop was stolen".into());
    KeyRevoked { role, name, spki, last_trusted, reason }
}

fn configured(stream: &str, max_msgs: &str) -> ConfigurationChanged {
    let settings = BTreeMap::from([("max_msgs".to_owned(), max_msgs.to_owned())]);
    let weak = if max_msgs == "-1" { vec![] } else { vec!["max_msgs".to_owned()] };
    ConfigurationChanged::of(stream.to_owned(), settings, weak)
}

fn gap(sequences: &[u64]) -> GapDeclared {
    GapDeclared { sequences: sequences.to_vec(), reason: "the disk burnt".into() }
}

#[test]
fn a_log_is_opened_once() {
    TestFramework::<Log>::with(())
        .given_no_previous_events()
        .when(by("ops", LogCommand::Open(opened())))
        .then_expect_events(vec![LogEvent::Opened(opened())]);
    log(vec![])
        .when(by("ops", LogCommand::Open(opened())))
        .then_expect_error(LogError::AlreadyOpen);
}

#[test]
fn a_log_that_is_not_open_takes_nothing() {
    for command in [
        LogCommand::RecordConfiguration(vec![configured("CS_LOG_main", "-1")]),
        rotate(rotation(KeyRole::Log, 1, 2, 9)),
        LogCommand::RevokeKey(revoked(KeyRole::Log, 1, 9)),
        LogCommand::DeclareGap(gap(&[7])),
    ] {
        TestFramework::<Log>::with(())
            .given_no_previous_events()
            .when(by("ops", command))
            .then_expect_error(LogError::NotOpen);
    }
}

#[test]
fn a_configuration_is_recorded_when_it_differs_from_the_last_one() {
    let (good, weak) = (configured("CS_LOG_main", "-1"), configured("CS_LOG_main", "10"));
    let blobs = configured("CS_BLOBS_main", "-1");
    let recorded = LogEvent::ConfigurationChanged;
    let record = |all: &[&ConfigurationChanged]| {
        by("ops", LogCommand::RecordConfiguration(all.iter().copied().cloned().collect()))
    };
    log(vec![])
        .when(record(&[&good, &blobs]))
        .then_expect_events(vec![recorded(good.clone()), recorded(blobs.clone())]);
    log(vec![recorded(good.clone()), recorded(blobs.clone())])
        .when(record(&[&weak, &blobs]))
        .then_expect_events(vec![recorded(weak.clone())]);
    log(vec![recorded(good.clone()), recorded(weak.clone())])
        .when(record(&[&good]))
        .then_expect_events(vec![recorded(good.clone())]);
    log(vec![recorded(weak.clone())])
        .when(record(&[&weak]))
        .then_expect_error(LogError::ConfigurationKnown);
}

#[test]
fn a_rotation_that_both_keys_signed_is_recorded_and_the_next_one_goes_on_from_it() {
    let first = rotation(KeyRole::Log, 1, 2, 501);
    log(vec![])
        .when(by("ops", rotate(first.clone())))
        .then_expect_events(vec![LogEvent::KeyRotated(first.clone())]);
    let next = rotation(KeyRole::Log, 2, 3, 900);
    log(vec![LogEvent::KeyRotated(first.clone())])
        .when(by("ops", rotate(next.clone())))
        .then_expect_events(vec![LogEvent::KeyRotated(next)]);
    // Roles, and witnesses by name, know nothing of each other.
    let writer = rotation(KeyRole::Writer, 5, 6, 7);
    log(vec![LogEvent::KeyRotated(first)])
        .when(by("ops", rotate(writer.clone())))
        .then_expect_events(vec![LogEvent::KeyRotated(writer)]);
}

#[test]
fn a_rotation_that_one_key_did_not_sign_is_refused() {
    let good = rotation(KeyRole::Log, 1, 2, 501);
    let other = rotation(KeyRole::Log, 1, 2, 502);
    let thief = statement(KeyRole::Log, None, (1, 2), 501);
    let forged = key(2).sign_named(&thief.message()).to_string();
    for spoilt in [
        SignedRotation { old_signature: forged, ..good.clone() },
        SignedRotation { old_signature: other.old_signature.clone(), ..good.clone() },
        SignedRotation { new_signature: other.new_signature, ..good.clone() },
        SignedRotation { new_signature: String::new(), ..good.clone() },
        SignedRotation { from: 400, ..good.clone() },
        SignedRotation { role: KeyRole::Writer, ..good },
    ] {
        log(vec![]).when(by("ops", rotate(spoilt))).then_expect_error(LogError::RotationUnsigned);
    }
}

#[test]
fn a_rotation_of_another_form_or_log_is_refused() {
    let good = rotation(KeyRole::Log, 1, 2, 501);
    for malformed in [
        SignedRotation { name: Some("w".to_owned()), ..good.clone() },
        SignedRotation { role: KeyRole::Witness, ..good.clone() },
        SignedRotation { role: KeyRole::Witness, name: Some("w x".to_owned()), ..good.clone() },
        SignedRotation { from: 1, ..good.clone() },
        SignedRotation { new: good.old, ..good.clone() },
    ] {
        log(vec![])
            .when(by("ops", rotate(malformed)))
            .then_expect_error(LogError::RotationMalformed);
    }
    let elsewhere = "other.log.test".parse().unwrap();
    let command = LogCommand::RotateKey {
        origin: elsewhere,
        rotation: good,
        is_in_force: Some(true),
        is_contradicted: false,
    };
    log(vec![]).when(by("ops", command)).then_expect_error(LogError::RotationOfOtherLog);
}

#[test]
fn only_the_key_in_force_is_rotated_and_only_forwards() {
    let first = LogEvent::KeyRotated(rotation(KeyRole::Log, 1, 2, 501));
    for (again, refusal) in [
        (rotation(KeyRole::Log, 1, 2, 501), LogError::KeyEnded),
        (rotation(KeyRole::Log, 1, 3, 900), LogError::KeyEnded),
        (rotation(KeyRole::Log, 7, 3, 900), LogError::KeyNotInForce),
        (rotation(KeyRole::Log, 2, 3, 501), LogError::RotationInterval),
        (rotation(KeyRole::Log, 2, 1, 900), LogError::KeyReused),
        (rotation(KeyRole::Writer, 9, 2, 900), LogError::KeyReused),
    ] {
        log(vec![first.clone()]).when(by("ops", rotate(again))).then_expect_error(refusal);
    }
    let rotation = rotation(KeyRole::Writer, 8, 9, 40);
    let command = |is_in_force, is_contradicted| {
        let (origin, rotation) = (origin(), rotation.clone());
        LogCommand::RotateKey { origin, rotation, is_in_force, is_contradicted }
    };
    for (command, refusal) in [
        (command(Some(false), false), LogError::KeyNotInForce),
        (command(Some(true), true), LogError::RotationContradicted),
    ] {
        log(vec![]).when(by("ops", command)).then_expect_error(refusal);
    }
}

#[test]
fn a_revoked_key_rotates_nothing_and_is_revoked_again_only_to_trust_less() {
    let at = |last| revoked(KeyRole::Log, 1, last);
    let recorded = |last| LogEvent::KeyRevoked(at(last));
    log(vec![])
        .when(by("ops", LogCommand::RevokeKey(at(500))))
        .then_expect_events(vec![recorded(500)]);
    log(vec![recorded(500)])
        .when(by("ops", LogCommand::RevokeKey(at(500))))
        .then_expect_error(LogError::KeyRevokedBefore);
    log(vec![recorded(500)])
        .when(by("ops", LogCommand::RevokeKey(at(300))))
        .then_expect_events(vec![recorded(300)]);
    log(vec![recorded(500)])
        .when(by("ops", rotate(rotation(KeyRole::Log, 1, 2, 501))))
        .then_expect_error(LogError::KeyEnded);
    let nameless = KeyRevoked { role: KeyRole::Witness, ..at(1) };
    log(vec![])
        .when(by("ops", LogCommand::RevokeKey(nameless)))
        .then_expect_error(LogError::RotationMalformed);
}

#[test]
fn a_gap_is_declared_once_and_in_order() {
    log(vec![])
        .when(by("ops", LogCommand::DeclareGap(gap(&[7, 9]))))
        .then_expect_events(vec![LogEvent::GapDeclared(gap(&[7, 9]))]);
    log(vec![LogEvent::GapDeclared(gap(&[7, 9]))])
        .when(by("ops", LogCommand::DeclareGap(gap(&[8, 9]))))
        .then_expect_error(LogError::GapKnown);
    let many: Vec<u64> = (2..2_000).collect();
    for wrong in [&[][..], &[1], &[9, 7], &[7, 7], &many] {
        log(vec![])
            .when(by("ops", LogCommand::DeclareGap(gap(wrong))))
            .then_expect_error(LogError::GapMalformed);
    }
}

#[test]
fn a_long_setting_is_recorded_by_its_beginning_and_told_apart_by_its_end() {
    let of = |text: String| {
        let settings = BTreeMap::from([("description".to_owned(), text)]);
        ConfigurationChanged::of("S".to_owned(), settings, Vec::new())
    };
    let (one, other) = (of("d".repeat(9_000)), of(format!("{}e", "d".repeat(8_999))));
    assert_eq!(one.configuration, other.configuration);
    assert!(one.configuration["description"].ends_with("(9000 bytes)"));
    assert_ne!(one.digest, other.digest);
}
