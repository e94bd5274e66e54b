//! One shared judgement: a good commit is good, and each reason to condemn a message is found by its name.

mod workbench;

use countersign_ledger::{
    Commit, CommitHash, Condemned, Head, IdText, Judge, Line, MAX_COMMIT_BYTES, Reason, judge,
    judge_alone, sign_hash,
};
use serde_json::{Value, json};
use trust::keys::PrivateKey;
use workbench::{Heads, Workbench, id};

/// A log with version 1 of a change, and the line of its version 2.
struct Case {
    bench: Workbench,
    head: Head,
    line: Line,
}

impl Case {
    fn new() -> anyhow::Result<Self> {
        let mut bench = Workbench::opened()?;
        let first = bench.append("acme", "change", id("chg", 1)?, "schema.requested", json!({}))?;
        bench.append("acme", "change", id("chg", 1)?, "schema.approved", json!({"by": 2}))?;
        let line = bench.lines.pop().ok_or_else(|| anyhow::anyhow!("a line"))?;
        let head = Head { version: 1, hash: first.hash };
        Ok(Self { bench, head, line })
    }

    fn judge(&self) -> Result<Commit, Condemned> {
        judge(&self.bench.identity(), Some(self.head), &self.line.stored())
    }

    /// Why the message is condemned; with its real hash, always.
    fn reason(&self) -> anyhow::Result<Reason> {
        let condemned = match self.judge() {
            Ok(commit) => anyhow::bail!("good: {commit:?}"),
            Err(condemned) => condemned,
        };
        anyhow::ensure!(condemned.hash == CommitHash::of(&self.line.payload), "not the real h");
        anyhow::ensure!(condemned.sequence == self.line.sequence);
        Ok(condemned.reason)
    }

    /// Other bytes, correctly hashed and signed by the writer.
    fn sealed(mut self, payload: Vec<u8>) -> Self {
        let hash = CommitHash::of(&payload);
        self.line.hash = hash.to_string();
        self.line.signature = sign_hash(&self.bench.writer, &hash).to_string();
        self.line.payload = payload;
        self
    }

    /// Other JSON, correctly hashed and signed by the writer.
    fn with(self, change: impl FnOnce(&mut Value)) -> anyhow::Result<Self> {
        let mut value = serde_json::from_slice(&self.line.payload)?;
        change(&mut value);
        let payload = serde_json::to_vec(&value)?;
        Ok(self.sealed(payload))
    }
}

#[test]
fn a_good_commit_is_good() {
    let commit = Case::new().unwrap().judge().unwrap();
    assert_eq!((commit.envelope.version, commit.sequence), (2, 3));
}

#[test]
fn members_of_a_newer_writer_are_ignored_but_attested() {
    let newer = Case::new().unwrap().with(|commit| commit["priority"] = json!({"x": 1})).unwrap();
    assert_eq!(newer.judge().unwrap().hash, CommitHash::of(&newer.line.payload));
    let mut edited = newer;
    edited.line.payload = String::from_utf8(edited.line.payload)
        .unwrap()
        .replace(r#""x":1"#, r#""x":2"#)
        .into_bytes();
    assert_eq!(edited.reason().unwrap(), Reason::HashWrong);
}

#[test]
fn a_message_over_512_kib_is_condemned() {
    let long = |bytes: usize| {
        Case::new().unwrap().with(|commit| {
            let now = serde_json::to_vec(commit).unwrap().len();
            let pad = "x".repeat(bytes - now - r#","pad":"""#.len());
            commit["pad"] = json!(pad);
        })
    };
    assert!(long(MAX_COMMIT_BYTES).unwrap().judge().is_ok());
    let reason = long(MAX_COMMIT_BYTES + 1).unwrap().reason().unwrap();
    assert_eq!(reason, Reason::TooLarge(MAX_COMMIT_BYTES + 1));
}

#[test]
fn a_missing_or_wrong_hash_header_is_condemned() {
    let mut case = Case::new().unwrap();
    case.line.hash = String::new();
    assert_eq!(case.reason().unwrap(), Reason::HashMissing);
    for wrong in [CommitHash::ZERO.to_string(), "blake3:".to_owned(), "nonsense".to_owned()] {
        case.line.hash = wrong;
        assert_eq!(case.reason().unwrap(), Reason::HashWrong);
    }
}

#[test]
fn a_payload_that_is_not_strict_json_is_condemned() {
    let text = String::from_utf8(Case::new().unwrap().line.payload).unwrap();
    for wrong in [
        String::new(),
        "[]".to_owned(),
        format!("{text} {{}}"),
        format!("\u{feff}{text}"),
        text.replacen("\"spec\":1", "\"spec\":1,\"spec\":1", 1),
        text.replacen("\"version\":2", "\"version\":2.0", 1),
        text.replacen("\"by\":2", "\"by\":9007199254740992", 1),
    ] {
        let reason = Case::new().unwrap().sealed(wrong.clone().into_bytes()).reason().unwrap();
        assert!(matches!(reason, Reason::Malformed(_)), "{wrong}: {reason:?}");
    }
}

#[test]
fn every_member_must_be_there() {
    let whole: Value = serde_json::from_slice(&Case::new().unwrap().line.payload).unwrap();
    let mut pointers: Vec<String> =
        whole.as_object().unwrap().keys().map(|name| format!("/{name}")).collect();
    for inner in ["aggregate", "command", "actor", "events/0"] {
        let members = whole.pointer(&format!("/{inner}")).unwrap().as_object().unwrap();
        pointers.extend(members.keys().map(|name| format!("/{inner}/{name}")));
    }
    assert_eq!(pointers.len(), 26);
    for pointer in pointers {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let case = Case::new().unwrap().with(|commit| {
            commit.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        });
        let reason = case.unwrap().reason().unwrap();
        assert!(matches!(reason, Reason::Malformed(_)), "{pointer}: {reason:?}");
    }
}

#[test]
fn every_member_must_have_its_type() {
    let chg = id("chg", 1).unwrap();
    for (pointer, wrong) in [
        ("/log", json!("UPPER")),
        ("/writer", json!("00")),
        ("/tenant", json!("a.b")),
        ("/aggregate/type", json!("a.b")),
        ("/aggregate/id", json!("chg_1")),
        ("/version", json!(0)),
        ("/version", json!("2")),
        ("/prev", json!("00")),
        ("/command/id", json!(chg)),
        ("/command/type", json!("Submit change")),
        ("/command/digest", json!("sha256:00")),
        ("/actor/kind", json!("agent")),
        ("/actor/id", json!(chg)),
        ("/actor/auth", json!("password")),
        ("/actor/kind", json!({"person": null})),
        ("/aggregate", json!(["change", chg])),
        ("/actor", json!(["person", "prn_00000000000000000000000001", "token"])),
        ("/events/0", json!(["evt_00000000000000000000000003", "schema.approved", 1, {}])),
        ("/correlation_id", json!(null)),
        ("/causation_id", json!(chg)),
        ("/traceparent", json!(null)),
        ("/time", json!("2026-11-20T07:00:00Z")),
        ("/events", json!({})),
        ("/events/0/id", json!(chg)),
        ("/events/0/type", json!("requested")),
        ("/events/0/schema", json!(0)),
        ("/events/0/data", json!([])),
    ] {
        let case =
            Case::new().unwrap().with(|commit| *commit.pointer_mut(pointer).unwrap() = wrong);
        let reason = case.unwrap().reason().unwrap();
        assert!(matches!(reason, Reason::Malformed(_)), "{pointer}: {reason:?}");
    }
}

#[test]
fn another_spec_is_condemned() {
    let case = Case::new().unwrap().with(|commit| commit["spec"] = json!(2)).unwrap();
    assert_eq!(case.reason().unwrap(), Reason::Spec(2));
}

#[test]
fn a_commit_of_another_log_is_condemned() {
    let case = Case::new().unwrap().with(|commit| commit["log"] = json!("other.log")).unwrap();
    assert_eq!(case.reason().unwrap(), Reason::Log);
}

#[test]
fn a_commit_on_another_subject_is_condemned() {
    let good = Case::new().unwrap().line.subject;
    for (from, to) in [("main", "other"), ("acme", "globex"), ("change", "job"), (".chg", ".CHG")] {
        let mut case = Case::new().unwrap();
        case.line.subject = good.replace(from, to);
        assert_eq!(case.reason().unwrap(), Reason::Subject, "{}", case.line.subject);
    }
    let case = Case::new().unwrap().with(|commit| commit["tenant"] = json!("globex")).unwrap();
    assert_eq!(case.reason().unwrap(), Reason::Subject);
}

#[test]
fn a_commit_without_events_is_condemned() {
    let case = Case::new().unwrap().with(|commit| commit["events"] = json!([])).unwrap();
    assert_eq!(case.reason().unwrap(), Reason::NoEvents);
}

#[test]
fn a_missing_or_wrong_signature_is_condemned() {
    let mut case = Case::new().unwrap();
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let hash: CommitHash = case.line.hash.parse().unwrap();
    let good = case.line.signature.clone();
    case.line.signature = String::new();
    assert_eq!(case.reason().unwrap(), Reason::SignatureMissing);
    let other_hash = sign_hash(&case.bench.writer, &CommitHash::ZERO).to_string();
    let unseparated = case.bench.writer.sign_named(hash.as_bytes()).to_string();
    let by_stranger = sign_hash(&stranger, &hash).to_string();
    let renamed = good.replace(&case.bench.writer.id().to_string(), &"0".repeat(64));
    for wrong in [other_hash, unseparated, by_stranger, renamed, "nonsense".to_owned()] {
        case.line.signature = wrong;
        assert_eq!(case.reason().unwrap(), Reason::SignatureWrong);
    }
}

#[test]
fn a_writer_that_the_reader_does_not_know_is_condemned() {
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let mut case = Case::new().unwrap();
    case.bench.writer = stranger.clone();
    let payload = case.line.payload.clone();
    let mut commit: Value = serde_json::from_slice(&payload).unwrap();
    commit["writer"] = json!(stranger.id());
    let mut case = case.sealed(serde_json::to_vec(&commit).unwrap());
    assert!(case.judge().is_ok(), "the stranger's own readers know it");
    case.bench.writer = PrivateKey::from_seed(workbench::GOLDEN_SEED);
    assert_eq!(case.reason().unwrap(), Reason::Writer);
}

#[test]
fn a_writer_counts_only_at_its_sequences() {
    let case = Case::new().unwrap();
    for (from, to, good) in
        [(1, Some(3), true), (3, None, true), (4, None, false), (1, Some(2), false)]
    {
        let mut log = case.bench.identity();
        log.writers[0].from_sequence = from;
        log.writers[0].to_sequence = to;
        let judged = judge(&log, Some(case.head), &case.line.stored());
        assert_eq!(judged.is_ok(), good, "{from} to {to:?}");
        if let Err(condemned) = judged {
            assert_eq!(condemned.reason, Reason::Writer);
        }
    }
}

#[test]
fn a_version_that_does_not_follow_is_condemned() {
    for found in [1, 3] {
        let case = Case::new().unwrap().with(|commit| commit["version"] = json!(found)).unwrap();
        assert_eq!(case.reason().unwrap(), Reason::Version { expected: 2, found });
    }
    let case = Case::new().unwrap();
    let fresh = judge(&case.bench.identity(), None, &case.line.stored()).unwrap_err();
    assert_eq!(fresh.reason, Reason::Version { expected: 1, found: 2 });
}

#[test]
fn a_prev_that_does_not_link_is_condemned() {
    let case = Case::new().unwrap().with(|commit| commit["prev"] = json!(CommitHash::ZERO));
    assert_eq!(case.unwrap().reason().unwrap(), Reason::Prev);
}

#[test]
fn a_condemned_message_advances_nothing() {
    let mut bench = Workbench::grown(6).unwrap();
    let log = bench.identity();
    let mut intruder = bench.lines[3].clone();
    intruder.sequence = 7;
    let good =
        bench.envelope("globex", "change", id("chg", 1).unwrap(), "schema.approved", json!({}));
    let good = good.unwrap().sign(&bench.shard, &bench.writer).unwrap();
    bench.lines.push(intruder);
    bench.put(&good).unwrap();
    let mut heads = Heads::default();
    let condemned: Vec<u64> = bench
        .lines
        .iter()
        .filter_map(|line| heads.take_in(&log, &line.stored()).err())
        .map(|condemned| condemned.sequence)
        .collect();
    assert_eq!(condemned, [7]);
    assert_eq!(heads.get(&good.subject).unwrap().hash, good.hash);
}

#[test]
fn no_writer_can_encode_what_every_reader_would_condemn() {
    let bench = Workbench::opened().unwrap();
    let chg = || -> anyhow::Result<IdText> { id("chg", 1) };
    let encode = |data: Value| {
        bench.envelope("acme", "change", chg().unwrap(), "schema.requested", data).unwrap().encode()
    };
    assert!(encode(json!({"ok": 1})).is_ok());
    assert!(encode(json!({"not an integer": 1.5})).is_err());
    assert!(encode(json!({"too big": 1_u64 << 53})).is_err());
    assert!(encode(json!("not an object")).is_err());
    assert!(encode(json!({"long": "x".repeat(MAX_COMMIT_BYTES)})).is_err());
    let deep = (0..70).fold(json!({}), |inner, _| json!({"a": inner}));
    assert!(encode(deep).is_err());
    let mut other =
        bench.envelope("acme", "change", chg().unwrap(), "schema.requested", json!({})).unwrap();
    assert!(other.sign(&bench.shard, &PrivateKey::from_seed(&[9; 32])).is_err());
    other.events.clear();
    assert!(other.encode().is_err());
}

/// Many at once are answered one by one: a table of multiples is used from 256 messages on.
#[test]
fn messages_judged_together_get_the_answers_they_get_alone() {
    let bench = Workbench::grown(600).unwrap();
    let identity = bench.identity();
    let mut lines = bench.lines;
    let stranger = PrivateKey::from_seed(&[99; 32]);
    for (index, line) in lines.iter_mut().enumerate() {
        match index % 50 {
            7 => line.signature = sign_hash(&stranger, &CommitHash::of(&line.payload)).to_string(),
            11 => line.payload.push(b' '),
            13 => line.signature.clear(),
            17 => line.subject.push('x'),
            19 => line.signature = line.signature.replace(' ', " A"),
            23 => line.signature = sign_hash(&bench.writer, &CommitHash::ZERO).to_string(),
            _ => {}
        }
    }
    let judge = Judge::new(identity.clone());
    let mut refused = 0;
    for chunk in lines.chunks(32) {
        let messages: Vec<_> = chunk.iter().map(Line::stored).collect();
        let together = judge.each_alone(&messages);
        assert_eq!(together.len(), messages.len());
        for (answer, stored) in together.into_iter().zip(&messages) {
            refused += usize::from(answer.is_err());
            assert_eq!(answer, judge_alone(&identity, stored), "{}", stored.sequence);
        }
    }
    assert_eq!(refused, 6 * 12);
}
