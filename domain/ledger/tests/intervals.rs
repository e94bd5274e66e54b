//! Keys of logs and witnesses count at their sizes only, and a policy file says so in one spelling.

mod workbench;

use countersign_ledger::{
    Checkpoint, CheckpointError, CheckpointNote, LogKey, LogPolicy, Policy, PolicyError, Sizes,
    TreeHead, Witness, cosign,
};
use serde_json::{Value, json};
use trust::keys::PrivateKey;
use workbench::Workbench;

const SEALED: u64 = 1_795_158_000;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn within(seed: u8, from: u64, to: Option<u64>) -> LogKey {
    LogKey { key: key(seed).public(), sizes: Sizes { from, to } }
}

fn witness(name: &str, seed: u8, from: u64, to: Option<u64>) -> Witness {
    Witness { sizes: Sizes { from, to }, ..Witness::always(name, key(seed).public()) }
}

/// The key 1 up to size 500, then the key 2; the witness `w` rotates from 11 to 12 at 700.
fn policy(quorum: u32) -> anyhow::Result<LogPolicy> {
    let mut log = Workbench::opened()?.policy().logs.remove(0);
    log.keys = vec![within(1, 0, Some(500)), within(2, 501, None)];
    log.witnesses = vec![witness("w", 11, 0, Some(700)), witness("w", 12, 701, None)];
    log.witness_quorum = quorum;
    Ok(log)
}

fn note(size: u64, seed: u8) -> anyhow::Result<CheckpointNote> {
    let root = countersign_ledger::NodeHash::from_bytes([7; 32]);
    let head = TreeHead { size, root };
    Ok(Checkpoint::new(Workbench::opened()?.origin, &head).seal(&key(seed), SEALED)?)
}

fn cosigned(size: u64, seed: u8, by: u8) -> anyhow::Result<CheckpointNote> {
    let mut note = note(size, seed)?;
    let text = note.note().text().to_owned();
    note.add(cosign(&text, &"w".parse()?, &key(by), SEALED + 1))?;
    Ok(note)
}

#[test]
fn a_logs_key_counts_up_to_its_last_size_and_the_next_one_from_there() {
    let policy = policy(0).unwrap();
    for (size, seed) in [(1, 1), (500, 1), (501, 2), (9_000, 2)] {
        assert!(note(size, seed).unwrap().verify(&policy).is_ok(), "{size}");
    }
    for (size, seed) in [(501, 1), (9_000, 1), (500, 2), (1, 2)] {
        let refused = note(size, seed).unwrap().verify(&policy).unwrap_err();
        assert_eq!(refused, CheckpointError::KeyInterval(size));
        assert_eq!(refused.code(), "checkpoint_key_interval");
    }
    assert_eq!(note(500, 3).unwrap().verify(&policy), Err(CheckpointError::Unsigned));
}

#[test]
fn the_line_of_an_ended_key_spoils_nothing_and_adds_nothing() {
    let policy = policy(0).unwrap();
    let mut both = note(600, 2).unwrap();
    // A later time of the old key is no time of the log.
    let late = Checkpoint::new(policy.origin.clone(), &both.claim().head());
    for line in late.seal(&key(1), SEALED + 99).unwrap().note().signatures() {
        both.add(line.clone()).unwrap();
    }
    assert_eq!(both.verify(&policy).unwrap().sealed_at(), SEALED);
}

#[test]
fn a_witness_counts_at_its_sizes_and_its_name_counts_once() {
    let one = policy(1).unwrap();
    for (size, log, by) in [(400, 1, 11), (700, 2, 11), (701, 2, 12)] {
        assert!(cosigned(size, log, by).unwrap().verify(&one).is_ok(), "{size}");
    }
    let none = Err(CheckpointError::Quorum { found: 0, needed: 1 });
    for (size, log, by) in [(701, 2, 11), (700, 2, 12)] {
        assert_eq!(cosigned(size, log, by).unwrap().verify(&one), none, "{size}");
    }
    let mut overlapping = policy(1).unwrap();
    overlapping.witnesses = vec![witness("w", 11, 0, Some(700)), witness("w", 12, 600, None)];
    let mut both = cosigned(650, 2, 11).unwrap();
    let text = both.note().text().to_owned();
    both.add(cosign(&text, &"w".parse().unwrap(), &key(12), SEALED + 2)).unwrap();
    assert_eq!(both.verify(&overlapping).unwrap().cosigned().len(), 1);
}

fn written(log: LogPolicy) -> anyhow::Result<Vec<u8>> {
    let mut policy = Workbench::opened()?.policy();
    policy.logs = vec![log];
    Ok(policy.encode()?)
}

#[test]
fn an_interval_is_written_in_one_spelling_and_a_key_for_ever_as_before() {
    let json = written(policy(1).unwrap()).unwrap();
    let parsed = Policy::parse(&json).unwrap();
    assert_eq!(parsed.logs[0], policy(1).unwrap());
    let value: Value = serde_json::from_slice(&json).unwrap();
    let old = key(1).public().to_string();
    let entry = json!({"spki": old, "from_size": 0, "to_size": 500});
    assert_eq!(value["logs"][0]["keys"][0], entry);
    assert_eq!(value["logs"][0]["witnesses"][1]["to_size"], Value::Null);
    let mut plain = policy(0).unwrap();
    plain.keys = vec![key(1).public().into()];
    plain.witnesses = vec![Witness::always("w", key(11).public())];
    let value: Value = serde_json::from_slice(&written(plain).unwrap()).unwrap();
    assert_eq!(value["logs"][0]["keys"], json!([old]));
    let witness = json!([{"name": "w", "spki": key(11).public()}]);
    assert_eq!(value["logs"][0]["witnesses"], witness);

    let refused = |pointer: &str, entry: Value| {
        let mut other = value.clone();
        *other.pointer_mut(pointer).unwrap() = entry;
        let bytes = serde_json::to_vec(&other).unwrap();
        assert!(matches!(Policy::parse(&bytes), Err(PolicyError::Malformed(_))), "{other}");
    };
    for entry in [
        json!({"spki": old, "from_size": 0, "to_size": null}),
        json!({"spki": old, "from_size": 1}),
        json!({"spki": old, "to_size": 1}),
        json!({"spki": old, "from_size": 1, "to_size": 2, "x": 1}),
        json!([old]),
        json!({"Always": old}),
    ] {
        refused("/logs/0/keys/0", entry);
    }
    for more in [
        json!({"from_size": 0, "to_size": null}),
        json!({"from_size": 3}),
        json!({"to_size": 3}),
        json!({"from_size": 1, "to_size": 2, "x": 1}),
    ] {
        let mut entry = witness[0].clone();
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refused("/logs/0/witnesses/0", entry);
    }
}

#[test]
fn what_no_rotation_leaves_is_refused() {
    let with = |keys: Vec<LogKey>| {
        let log = LogPolicy { keys, ..policy(0).unwrap() };
        written(log).map_err(|error| error.downcast::<PolicyError>().unwrap())
    };
    let origin = policy(0).unwrap().origin;
    let swallowed = PolicyError::KeyOverlap(origin.clone());
    // The end of the old key is forgotten; the new one ends before or with the old one.
    for keys in [
        vec![within(1, 0, None), within(2, 501, None)],
        vec![within(1, 0, Some(900)), within(2, 501, Some(900))],
        vec![within(2, 501, Some(800)), within(1, 0, Some(900))],
    ] {
        assert_eq!(with(keys).unwrap_err(), swallowed);
    }
    // A rotation with a time of both, two keys side by side, and a gap.
    for keys in [
        vec![within(1, 0, Some(600)), within(2, 501, None)],
        vec![within(1, 0, None), within(2, 0, None)],
        vec![within(1, 0, Some(300)), within(2, 501, None)],
    ] {
        assert!(with(keys).is_ok());
    }
    let empty = with(vec![within(1, 9, Some(8))]).unwrap_err();
    assert_eq!(empty, PolicyError::KeyInterval(origin.clone()));
    let twice = with(vec![within(1, 0, Some(8)), within(1, 9, None)]).unwrap_err();
    assert_eq!(twice, PolicyError::KeyTwice(origin.clone()));

    let witnesses = |witnesses: Vec<Witness>| {
        let log = LogPolicy { witnesses, ..policy(0).unwrap() };
        written(log).map_err(|error| error.downcast::<PolicyError>().unwrap())
    };
    let same = witnesses(vec![witness("w", 11, 0, None), witness("w", 12, 0, None)]);
    assert_eq!(same.unwrap_err(), PolicyError::KeyTwice(origin.clone()));
    let forgotten = witnesses(vec![witness("w", 11, 0, None), witness("w", 12, 5, None)]);
    assert_eq!(forgotten.unwrap_err(), swallowed);
    assert!(witnesses(vec![witness("v", 11, 0, None), witness("w", 12, 5, None)]).is_ok());
    let quorum = LogPolicy { witness_quorum: 2, ..policy(0).unwrap() };
    let error = written(quorum).unwrap_err().downcast::<PolicyError>().unwrap();
    assert_eq!(error, PolicyError::WitnessQuorum(origin), "two keys of one witness are one");
}
