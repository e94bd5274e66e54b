//! Attack 13, as the log itself tells it: rotations that are recorded, forged, replayed, unknown to the policy, and
//! contradicted by it.

use crate::workbench::independent::both;
use crate::workbench::sealed::{SEALED, SealedLog, log_key, witness_key};
use crate::workbench::{Bundle, GOLDEN_SEED, Workbench, id};
use crate::world::{codes, first, grown, with_checkpoint};
use anyhow::Context as _;
use countersign_ledger::{
    Caveat, Checkpoint, CheckpointNote, Fault, KeyRole, KeyRotation, LogKey, Report, Scope,
    SignedRotation, Sizes, Verdict, Writer, cosign, verify_bundle,
};
use serde_json::{Value, json};
use trust::keys::PrivateKey;

/// The last sequence of the old keys.
const LAST: u64 = 60;
const AFTER: u64 = LAST + 1;

fn old_writer() -> PrivateKey {
    PrivateKey::from_seed(GOLDEN_SEED)
}

fn new_writer() -> PrivateKey {
    PrivateKey::from_seed(&[13; 32])
}

fn new_log_key() -> PrivateKey {
    PrivateKey::from_seed(&[21; 32])
}

fn rotation(role: KeyRole, old: &PrivateKey, new: &PrivateKey) -> anyhow::Result<SignedRotation> {
    let log = Workbench::empty()?.origin;
    let (name, from) = (None, AFTER);
    let statement = KeyRotation { log, role, name, old: old.public(), new: new.public(), from };
    Ok(statement.sign(old, new)?)
}

fn record(bench: &mut Workbench, kind: &str, data: Value) -> anyhow::Result<()> {
    bench.append("system", "log", id("log", 1)?, kind, data)?;
    Ok(())
}

/// Sixty commits, what `change` does, and forty more.
fn told(change: impl FnOnce(&mut Workbench) -> anyhow::Result<()>) -> anyhow::Result<SealedLog> {
    let mut bench = grown(LAST)?;
    change(&mut bench)?;
    for n in 0..40 {
        let change = id("chg", n % 5)?;
        bench.append("acme", "change", change, "schema.requested", json!({"n": n}))?;
    }
    SealedLog::of(bench)
}

/// The writer's key is rotated by the first commit under the new one.
fn rotated_writer() -> anyhow::Result<SealedLog> {
    let rotation = rotation(KeyRole::Writer, &old_writer(), &new_writer())?;
    let mut log = told(|bench| {
        bench.writer = new_writer();
        record(bench, "log.key_rotated", serde_json::to_value(rotation)?)
    })?;
    // The bench's own policy trusts the writer that it has now.
    let old = Writer { key: old_writer().public(), from_sequence: 1, to_sequence: None };
    log.policy.logs.first_mut().context("the log")?.writers = vec![old];
    Ok(log)
}

/// The log's key is rotated, and its last checkpoint is signed by the new one.
fn rotated_log_key() -> anyhow::Result<(SealedLog, Bundle)> {
    let rotation = rotation(KeyRole::Log, &log_key(), &new_log_key())?;
    let log = told(|bench| record(bench, "log.key_rotated", serde_json::to_value(rotation)?))?;
    let bundle = sealed_by(&log, &new_log_key())?;
    Ok((log, bundle))
}

fn sealed_by(log: &SealedLog, key: &PrivateKey) -> anyhow::Result<Bundle> {
    Ok(with_checkpoint(log.whole()?, &note_by(log, key)?))
}

fn note_by(log: &SealedLog, key: &PrivateKey) -> anyhow::Result<CheckpointNote> {
    let (head, sealed_at) = (log.head(), SEALED + log.head().size);
    let mut note = Checkpoint::new(log.bench.origin.clone(), &head).seal(key, sealed_at)?;
    let text = note.note().text().to_owned();
    note.add(cosign(&text, &"witness.example".parse()?, &witness_key(), sealed_at + 1))?;
    Ok(note)
}

fn keys_up_to(last: Option<u64>, from: u64) -> Vec<LogKey> {
    let old = LogKey { key: log_key().public(), sizes: Sizes { from: 0, to: last } };
    let sizes = Sizes { from, to: None };
    vec![old, LogKey { key: new_log_key().public(), sizes }]
}

fn told_by(report: &Report) -> anyhow::Result<String> {
    Ok(report.first_bad().context("a finding")?.to_string())
}

#[test]
fn attack_13_a_log_key_rotation_that_the_policy_knows_is_intact() {
    let (mut log, bundle) = rotated_log_key().unwrap();
    log.policy.logs[0].keys = keys_up_to(Some(LAST), AFTER);
    let report = log.verify(&bundle).unwrap();
    assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![]));
}

#[test]
fn attack_13_the_old_log_key_after_its_interval_is_not_believed() {
    let (mut log, _) = rotated_log_key().unwrap();
    log.policy.logs[0].keys = keys_up_to(Some(LAST), AFTER);
    let replayed = sealed_by(&log, &log_key()).unwrap();
    assert_eq!(first(&log.verify(&replayed).unwrap()), (7, "checkpoint_key_interval", None));
    // Nor is a revoked one that nothing replaced.
    log.policy.logs[0].keys.truncate(1);
    assert_eq!(first(&log.verify(&replayed).unwrap()), (7, "checkpoint_key_interval", None));
}

#[test]
fn attack_13_a_log_key_rotation_that_the_policy_lacks_is_incomplete_and_names_the_entries() {
    let (log, bundle) = rotated_log_key().unwrap();
    let report = log.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["rotation_unknown"]));
    assert_eq!((report.agreed_to, report.sealed.as_ref().unwrap().size), (0, 101));
    let (old, new) = (log_key().public(), new_log_key().public());
    let sentence = told_by(&report).unwrap();
    let entries = format!(
        "\"keys\": {{\"spki\":\"{old}\",\"from_size\":0,\"to_size\":60}}, {{\"spki\":\"{new}\",\"from_size\":61,\"to_size\":null}}"
    );
    assert!(sentence.ends_with(&entries), "{sentence}");
    // With exactly these entries it is intact.
    let mut policy = log.policy.clone();
    let keys = entries.trim_start_matches("\"keys\": ");
    policy.logs[0].keys = serde_json::from_str(&format!("[{keys}]")).unwrap();
    let shard = &log.bench.shard;
    assert_eq!(verify_bundle(&bundle, &policy, shard, None).unwrap().verdict, Verdict::Intact);
}

/// A part cannot show that a key was not revoked since: it is not believed, and says what to ask for.
#[test]
fn attack_13_a_part_under_a_key_that_the_policy_lacks_names_the_key() {
    let (log, _) = rotated_log_key().unwrap();
    let note = note_by(&log, &new_log_key()).unwrap();
    let told = |part: Bundle| {
        let report = log.verify(&with_checkpoint(part, &note)).unwrap();
        assert!(codes(&report).contains(&"checkpoint_unsigned"), "{:?}", codes(&report));
        assert_eq!((report.exit_code(), report.sealed.as_ref()), (7, None));
        let unsigned = report.findings.iter().find(|it| it.fault.code() == "checkpoint_unsigned");
        unsigned.unwrap().to_string()
    };
    // Lines of another key in another name, and times before a signature, are no hint.
    let hint = note.note().signatures()[0].key_hash;
    let without = told(log.range(1, 10).unwrap());
    let expected = format!("hint at key hash {}; a key that the policy", hex::encode(hint));
    assert!(without.contains(&expected), "{without}");
    let scope = Scope::Range { from: 1, to: AFTER };
    let with = told(log.part(&scope, |line| line.sequence <= AFTER).unwrap());
    let expected = format!("the key {} did, to which this part says", new_log_key().public().id());
    assert!(with.contains(&expected), "{with}");
}

/// The new key signed another tree than the log's: that the policy lacks the rotation excuses nothing.
#[test]
fn attack_13_an_unknown_rotation_does_not_hide_another_tree() {
    let (log, _) = rotated_log_key().unwrap();
    let mut head = log.head();
    head.root = countersign_ledger::NodeHash::from_bytes([9; 32]);
    let note = Checkpoint::new(log.bench.origin.clone(), &head);
    let mut note = note.seal(&new_log_key(), SEALED).unwrap();
    let text = note.note().text().to_owned();
    let name = "witness.example".parse().unwrap();
    note.add(cosign(&text, &name, &witness_key(), SEALED)).unwrap();
    let report = log.verify(&with_checkpoint(log.whole().unwrap(), &note)).unwrap();
    assert_eq!(
        (report.exit_code(), codes(&report)),
        (7, vec!["root_mismatch", "rotation_unknown"])
    );
    // And the key of somebody who rotated nothing stays unknown.
    let stranger = sealed_by(&log, &PrivateKey::from_seed(&[99; 32])).unwrap();
    let report = log.verify(&stranger).unwrap();
    assert_eq!(codes(&report), ["checkpoint_unsigned", "rotation_unknown"]);
}

#[test]
fn attack_13_a_writer_rotation_that_the_policy_lacks_is_checked_to_the_end_and_incomplete() {
    let log = rotated_writer().unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["rotation_unknown"]));
    assert_eq!((first(&report).2, report.commits), (Some(AFTER), 101));
    assert!(told_by(&report).unwrap().contains("\"from_sequence\":61,\"to_sequence\":null"));
    // The old key goes on after it, and a stranger signs: both are found as ever.
    for key in [old_writer(), PrivateKey::from_seed(&[14; 32])] {
        let mut spoilt = rotated_writer().unwrap();
        spoilt.bench.writer = key;
        let change = id("chg", 9).unwrap();
        let data = json!({"n": 9});
        spoilt.bench.append("acme", "change", change, "schema.requested", data).unwrap();
        let policy = spoilt.policy.clone();
        let log = SealedLog { policy, ..SealedLog::of(spoilt.bench).unwrap() };
        let report = log.verify(&log.whole().unwrap()).unwrap();
        assert_eq!(codes(&report), ["writer_invalid", "rotation_unknown"]);
    }
}

/// Who holds only the new key, or only the old one, rotates nothing.
#[test]
fn attack_13_a_rotation_that_one_key_signed_is_tampering() {
    let thief = new_log_key();
    let genuine = rotation(KeyRole::Log, &log_key(), &thief).unwrap();
    let by = |key: &PrivateKey| key.sign_named(&genuine.statement().message()).to_string();
    for forged in [
        SignedRotation { old_signature: by(&thief), ..genuine.clone() },
        SignedRotation { new_signature: by(&log_key()), ..genuine.clone() },
        SignedRotation { from: 5, ..genuine.clone() },
        SignedRotation { log: "other.log.example".parse().unwrap(), ..genuine.clone() },
    ] {
        let data = serde_json::to_value(&forged).unwrap();
        let log = told(|bench| record(bench, "log.key_rotated", data)).unwrap();
        let report = log.verify(&sealed_by(&log, &thief).unwrap()).unwrap();
        assert_eq!(
            (report.exit_code(), codes(&report)),
            (7, vec!["rotation_invalid", "checkpoint_unsigned"])
        );
    }
    let writer = rotation(KeyRole::Writer, &old_writer(), &new_writer()).unwrap();
    let message = writer.statement().message();
    let old_signature = new_writer().sign_named(&message).to_string();
    let data = serde_json::to_value(SignedRotation { old_signature, ..writer }).unwrap();
    let mut log = told(|bench| {
        bench.writer = new_writer();
        record(bench, "log.key_rotated", data)
    })
    .unwrap();
    log.policy.logs[0].writers[0].key = old_writer().public();
    assert_eq!(first(&log.verify(&log.whole().unwrap()).unwrap()), (7, "writer_invalid", Some(61)));
}

/// The old rotation again, after the log went on to another key.
#[test]
fn attack_13_a_rotation_that_is_replayed_is_tampering() {
    let first_one = rotation(KeyRole::Log, &log_key(), &new_log_key()).unwrap();
    let data = serde_json::to_value(first_one).unwrap();
    let mut log = told(|bench| {
        record(bench, "log.key_rotated", data.clone())?;
        record(bench, "log.key_rotated", data)
    })
    .unwrap();
    log.policy.logs[0].keys = keys_up_to(Some(LAST), AFTER);
    let report = log.verify(&sealed_by(&log, &new_log_key()).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "rotation_invalid", Some(62)));
}

/// Two rotations, and a policy from before both: each finding names its entries, and the last key is believed.
#[test]
fn attack_13_rotations_that_follow_one_another_are_all_told() {
    let third = PrivateKey::from_seed(&[22; 32]);
    let log = Workbench::empty().unwrap().origin;
    let first_one = rotation(KeyRole::Log, &log_key(), &new_log_key()).unwrap();
    let next = KeyRotation { log, from: 80, ..first_one.statement() };
    let next = KeyRotation { old: new_log_key().public(), new: third.public(), ..next };
    let all = [first_one, next.sign(&new_log_key(), &third).unwrap()];
    let log = told(|bench| {
        let all = all.iter().map(serde_json::to_value);
        all.into_iter().try_for_each(|one| record(bench, "log.key_rotated", one?))
    });
    let log = log.unwrap();
    let report = log.verify(&sealed_by(&log, &third).unwrap()).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["rotation_unknown"; 2]));
    let sentence = report.findings[1].to_string();
    assert!(sentence.contains("\"from_size\":61,\"to_size\":79}"), "{sentence}");
    // Whom the policy does not trust may rotate to whom they like.
    let (strange, key) = (PrivateKey::from_seed(&[23; 32]), PrivateKey::from_seed(&[24; 32]));
    let data = serde_json::to_value(rotation(KeyRole::Log, &strange, &key).unwrap()).unwrap();
    let log = told(|bench| record(bench, "log.key_rotated", data)).unwrap();
    assert_eq!(log.verify(&log.whole().unwrap()).unwrap().verdict, Verdict::Intact);
    assert_eq!(
        first(&log.verify(&sealed_by(&log, &key).unwrap()).unwrap()).1,
        "checkpoint_unsigned"
    );
}

#[test]
fn attack_13_a_policy_with_another_interval_is_told() {
    let (mut log, bundle) = rotated_log_key().unwrap();
    for (last, from) in [(Some(70), 71), (Some(50), 51), (Some(70), AFTER), (None, 0)] {
        log.policy.logs[0].keys = keys_up_to(last, from);
        let report = log.verify(&bundle).unwrap();
        assert_eq!((report.exit_code(), codes(&report)), (8, vec!["rotation_contradicted"]));
    }
    // Who trusts less has their reasons.
    log.policy.logs[0].keys = keys_up_to(Some(40), 80);
    assert_eq!(log.verify(&bundle).unwrap().verdict, Verdict::Intact);
}

#[test]
fn attack_13_a_revocation_that_the_policy_lacks_is_told_with_its_entry() {
    let revocation = json!({"role": "log", "name": null, "spki": log_key().public(),
        "last_trusted": 200, "reason": "stolen"});
    let mut log = told(|bench| record(bench, "log.key_revoked", revocation)).unwrap();
    let bundle = log.whole().unwrap();
    let report = log.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["revocation_unknown"]));
    assert!(matches!(report.findings[0].fault, Fault::RevocationUnknown(_)));
    assert!(told_by(&report).unwrap().contains("\"to_size\":200"));
    log.policy.logs[0].keys[0].sizes.to = Some(200);
    assert_eq!(log.verify(&bundle).unwrap().verdict, Verdict::Intact);
}

/// Attack 15, as far as the log tells it.
#[test]
fn attack_15_a_recorded_weakening_is_a_caveat_with_its_sequences() {
    let configured = |weak: &[&str]| json!({"stream": "CS_LOG_main", "configuration": {}, "digest": "00", "weaknesses": weak});
    let mut bench = grown(10).unwrap();
    for weak in [&[][..], &["max_msgs", "discard"], &[], &["max_age"]] {
        record(&mut bench, "log.configuration_changed", configured(weak)).unwrap();
    }
    let log = SealedLog::of(bench).unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!(
        (report.verdict, &report.caveats[..]),
        (Verdict::Intact, &[Caveat::StreamWeakened][..])
    );
    let spans: Vec<_> =
        report.weakened.iter().map(|one| (one.from_sequence, one.to_sequence)).collect();
    assert_eq!(spans, [(11, Some(13)), (13, None)]);
    let said = "the stream CS_LOG_main was configured to lose or change messages (max_msgs, discard) between sequence 11 and 13";
    assert_eq!(report.weakened[0].to_string(), said);
}

/// A stolen key is revoked and replaced by one that no rotation proves; that one may be rotated again.
#[test]
fn what_follows_a_revoked_key_is_no_forgery() {
    let key = |seed: u8| PrivateKey::from_seed(&[seed; 32]);
    let rotated = |old: &PrivateKey, new: &PrivateKey, from| -> anyhow::Result<Value> {
        let (log, role) = (Workbench::empty()?.origin, KeyRole::Log);
        let (old_key, new_key) = (old.public(), new.public());
        let statement = KeyRotation { log, role, name: None, old: old_key, new: new_key, from };
        Ok(serde_json::to_value(statement.sign(old, new)?)?)
    };
    let (stolen, replaced, last) = (new_log_key(), key(31), key(32));
    let mut log = told(|bench| {
        record(bench, "log.key_rotated", rotated(&log_key(), &stolen, AFTER)?)?;
        let data = json!({"role": "log", "name": null, "spki": stolen.public(), "last_trusted": 61,
            "reason": "it was stolen"});
        record(bench, "log.key_revoked", data)?;
        record(bench, "log.key_rotated", rotated(&replaced, &last, 70)?)
    })
    .unwrap();
    let keys = [
        (log_key(), 0, Some(LAST)),
        (new_log_key(), AFTER, Some(61)),
        (key(31), 62, Some(69)),
        (key(32), 70, None),
    ];
    log.policy.logs[0].keys = keys
        .map(|(key, from, to)| LogKey { key: key.public(), sizes: Sizes { from, to } })
        .to_vec();
    let report = log.verify(&sealed_by(&log, &last).unwrap()).unwrap();
    assert_eq!((report.verdict, codes(&report)), (Verdict::Intact, vec![]));
}

/// Whoever stole a key can record any number of rotations: they are not followed for ever.
#[test]
fn a_long_chain_of_rotations_that_the_policy_lacks_is_not_followed() {
    let key = |n: u8| PrivateKey::from_seed(&[n; 32]);
    let mut log = told(|bench| {
        for n in 100..180_u8 {
            let (old, new) = (if n == 100 { old_writer() } else { key(n) }, key(n + 1));
            let from = AFTER + u64::from(n - 100);
            let (log, role) = (bench.origin.clone(), KeyRole::Writer);
            let (old_key, new_key) = (old.public(), new.public());
            let statement = KeyRotation { log, role, name: None, old: old_key, new: new_key, from };
            bench.writer = new.clone();
            record(bench, "log.key_rotated", serde_json::to_value(statement.sign(&old, &new)?)?)?;
        }
        Ok(())
    })
    .unwrap();
    let old = Writer { key: old_writer().public(), from_sequence: 1, to_sequence: None };
    log.policy.logs[0].writers = vec![old];
    let report = log.verify(&log.whole().unwrap()).unwrap();
    let unknown = codes(&report).iter().filter(|code| **code == "rotation_unknown").count();
    assert_eq!((report.exit_code(), unknown), (7, 64));
}

/// What the verifier in Python says of all this: another reader of the same page.
#[test]
fn an_independent_verifier_agrees_about_rotations() {
    let (log, bundle) = rotated_log_key().unwrap();
    assert_eq!(both(&log, "log-unknown", &bundle).unwrap(), 8);
    let stranger = sealed_by(&log, &PrivateKey::from_seed(&[99; 32])).unwrap();
    assert_eq!(both(&log, "log-stranger", &stranger).unwrap(), 7);
    let (mut known, bundle) = rotated_log_key().unwrap();
    for (name, last, from, code) in
        [("known", LAST, AFTER, 0), ("longer", 70, AFTER, 8), ("earlier", 50, 51, 8)]
    {
        known.policy.logs[0].keys = keys_up_to(Some(last), from);
        assert_eq!(both(&known, name, &bundle).unwrap(), code, "{name}");
    }
    known.policy.logs[0].keys = keys_up_to(Some(LAST), AFTER);
    let replayed = sealed_by(&known, &log_key()).unwrap();
    assert_eq!(both(&known, "old-key", &replayed).unwrap(), 7);
    let writer = rotated_writer().unwrap();
    assert_eq!(both(&writer, "writer-unknown", &writer.whole().unwrap()).unwrap(), 8);
    let genuine = rotation(KeyRole::Log, &log_key(), &new_log_key()).unwrap();
    let by = new_log_key().sign_named(&genuine.statement().message()).to_string();
    let data = serde_json::to_value(SignedRotation { old_signature: by, ..genuine }).unwrap();
    let log = told(|bench| record(bench, "log.key_rotated", data)).unwrap();
    assert_eq!(both(&log, "forged", &log.whole().unwrap()).unwrap(), 7);
    let revocation = json!({"role": "log", "name": null, "spki": log_key().public(),
        "last_trusted": 200, "reason": "stolen"});
    let mut log = told(|bench| record(bench, "log.key_revoked", revocation)).unwrap();
    assert_eq!(both(&log, "revoked", &log.whole().unwrap()).unwrap(), 8);
    log.policy.logs[0].keys[0].sizes.to = Some(200);
    assert_eq!(both(&log, "revoked-known", &log.whole().unwrap()).unwrap(), 0);
}
