//! Limits and forms at their edges: what this crate takes and what it refuses, the independent verifier does too.

mod workbench;

use anyhow::Context as _;
use countersign_ledger::signature::sign_hash;
use countersign_ledger::{CommitHash, KeyName, Policy, SignedCommit, cosign};
use serde_json::{Value, json};
use workbench::independent::{both, independent};
use workbench::sealed::{SEALED, SealedLog, log_key, witness_key};
use workbench::{Workbench, id};

const MARK: &str = "@@@";

/// A log whose last message is an honest one with `from` replaced by `to` in its payload, signed again.
fn edited(data: Value, edits: &[(&str, &str)]) -> anyhow::Result<SealedLog> {
    let mut bench = Workbench::grown(3)?;
    let envelope = bench.envelope("acme", "change", id("chg", 9)?, "schema.requested", data)?;
    let honest = envelope.sign(&bench.shard, &bench.writer)?;
    let mut payload = String::from_utf8(honest.payload)?;
    for (from, to) in edits {
        anyhow::ensure!(payload.contains(from), "{from} is not in {payload}");
        payload = payload.replacen(from, to, 1);
    }
    let parsed: Value = serde_json::from_str(&payload)?;
    let aggregate = parsed.pointer("/aggregate/id").and_then(Value::as_str).context("an id")?;
    let subject = format!("cs.log.main.acme.change.{aggregate}");
    let hash = CommitHash::of(payload.as_bytes());
    let signature = sign_hash(&bench.writer, &hash);
    bench.put(&SignedCommit { payload: payload.into_bytes(), hash, signature, subject })?;
    SealedLog::of(bench)
}

fn code(name: &str, data: Value, edits: &[(&str, &str)]) -> anyhow::Result<u8> {
    let log = edited(data, edits)?;
    both(&log, name, &log.whole()?)
}

/// One edit of the honest payload, and whether it stays a commit.
fn edit(name: &str, from: &str, to: &str, is_good: bool) -> anyhow::Result<()> {
    let found = code(name, json!({"n": MARK}), &[(from, to)])?;
    anyhow::ensure!(found == if is_good { 0 } else { 7 }, "{name}: {found}");
    Ok(())
}

#[test]
fn numbers_end_where_they_end() {
    let (schema, n) = ("\"schema\":1", format!("\"{MARK}\""));
    edit("schema-most", schema, "\"schema\":4294967295", true).unwrap();
    edit("schema-more", schema, "\"schema\":4294967296", false).unwrap();
    edit("schema-none", schema, "\"schema\":0", false).unwrap();
    edit("number-most", &n, "9007199254740991", true).unwrap();
    edit("number-more", &n, "9007199254740992", false).unwrap();
    edit("number-least", &n, "-9007199254740991", true).unwrap();
    edit("number-less", &n, "-9007199254740992", false).unwrap();
    edit("number-real", &n, "1.0", false).unwrap();
    edit("number-power", &n, "1e3", false).unwrap();
    edit("number-nought", &n, "-0", false).unwrap();
}

#[test]
fn json_is_as_deep_as_it_may_be() {
    // The payload, its events, one of them and its data are four levels.
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    edit("deep-most", &format!("\"{MARK}\""), &nested(60), true).unwrap();
    edit("deep-more", &format!("\"{MARK}\""), &nested(61), false).unwrap();
}

#[test]
fn a_commit_is_as_long_as_it_may_be() {
    let length = edited(json!({"n": MARK}), &[]).unwrap().bench.lines[3].payload.len();
    let filled = |bytes: usize| "x".repeat(bytes - (length - MARK.len()));
    edit("long-most", MARK, &filled(524_288), true).unwrap();
    edit("long-more", MARK, &filled(524_289), false).unwrap();
}

#[test]
fn names_are_as_long_as_they_may_be() {
    let kind = "\"schema.requested\"";
    let of = |bytes: usize| format!("\"{}.{}.c\"", "a".repeat(63), "b".repeat(bytes - 66));
    edit("type-most", kind, &of(127), true).unwrap();
    edit("type-more", kind, &of(128), false).unwrap();
    edit("type-one", kind, "\"schema\"", false).unwrap();
    let aggregate = "\"id\":\"chg_";
    edit("id-most", aggregate, &format!("\"id\":\"{}_", "c".repeat(63)), true).unwrap();
    edit("id-more", aggregate, &format!("\"id\":\"{}_", "c".repeat(64)), false).unwrap();
}

#[test]
fn times_are_times_of_the_calendar() {
    let time = "\"time\":\"2026-11-20T07:00:04.000000Z\"";
    for (name, text, is_good) in [
        ("leap-day", "2024-02-29T23:59:59.999999Z", true),
        ("no-leap-day", "2026-02-29T00:00:00.000000Z", false),
        ("year-nought", "0000-02-29T00:00:00.000000Z", true),
        ("year-last", "9999-12-31T23:59:59.999999Z", true),
        ("month", "2026-13-01T00:00:00.000000Z", false),
        ("hour", "2026-11-20T24:00:00.000000Z", false),
        ("leap-second", "2026-12-31T23:59:60.000000Z", false),
        ("short", "2026-11-20T07:00:04.000Z", false),
    ] {
        let text = format!("\"time\":\"{text}\"");
        // A log's clock may be wrong by years: that is a caveat.
        edit(name, time, &text, is_good).unwrap();
    }
}

#[test]
fn what_only_looks_like_a_blob_is_data() {
    let sha256 = "0".repeat(64);
    let with = |size: Value, media_type: Value| json!({"$blob": {"sha256": sha256, "size": size, "media_type": media_type}});
    for (name, data, expected) in [
        ("blob", with(json!(1), json!("a/b")), 8),
        ("blob-text", with(json!("1"), json!("a/b")), 0),
        ("blob-true", with(json!(true), json!("a/b")), 0),
        ("blob-negative", with(json!(-1), json!("a/b")), 0),
        ("blob-null", with(json!(1), json!(null)), 0),
    ] {
        assert_eq!(code(name, json!({ "b": data }), &[]).unwrap(), expected, "{name}");
    }
}

/// The whole log with another note.
fn noted(name: &str, change: impl FnOnce(&mut String)) -> anyhow::Result<u8> {
    let log = SealedLog::of(Workbench::grown(3)?)?;
    let mut bundle = log.whole()?;
    let mut note = log.note(&log.head())?.to_string();
    change(&mut note);
    bundle.files.insert("checkpoint".to_owned(), note.into_bytes());
    both(&log, name, &bundle)
}

#[test]
fn a_note_has_so_many_lines_and_names_so_long() {
    let line = |name: &str| format!("\u{2014} {name} AAAAAAA=\n");
    for (name, more, code) in [
        ("lines-most", line("x").repeat(61), 0),
        ("lines-more", line("x").repeat(62), 7),
        ("name-most", line(&"x".repeat(255)), 0),
        ("name-more", line(&"x".repeat(256)), 7),
        ("name-bytes", line(&"\u{e4}".repeat(128)), 7),
        ("name-plus", line("a+b"), 7),
        ("name-control", line("a\u{9f}b"), 7),
        ("name-space", line("a\u{2003}b"), 7),
        ("empty", "\u{2014} x AAAAAA==\n".to_owned(), 7),
    ] {
        assert_eq!(noted(name, |note| note.push_str(&more)).unwrap(), code, "{name}");
    }
}

#[test]
fn a_note_says_one_size_in_one_spelling() {
    for (name, size) in [
        ("minus", "-3"),
        ("plus", "+3"),
        ("zeros", "03"),
        ("nought", "0"),
        ("large", "9007199254740992"),
    ] {
        let change = |note: &mut String| *note = note.replacen("\n3\n", &format!("\n{size}\n"), 1);
        assert_eq!(noted(name, change).unwrap(), 7, "{name}");
    }
}

#[test]
fn a_cosignature_has_a_time_of_the_format() {
    let log = SealedLog::of(Workbench::grown(3).unwrap()).unwrap();
    let text = log.note(&log.head()).unwrap().note().text().to_owned();
    let origin: KeyName = log.bench.origin.as_str().parse().unwrap();
    let witness: KeyName = "witness.example".parse().unwrap();
    for (name, time, code) in [
        ("time-now", SEALED + 9, 0),
        ("time-last", (1 << 63) - 1, 0),
        ("time-beyond", 1 << 63, 7),
        ("time-nought", 0, 7),
    ] {
        let own = cosign(&text, &origin, &log_key(), time);
        let theirs = cosign(&text, &witness, &witness_key(), time);
        for (whose, line) in [("own", own), ("theirs", theirs)] {
            let name = format!("{name}-{whose}");
            let found =
                noted(&name, |note| note.push_str(&[&line.to_string(), "\n"].concat())).unwrap();
            assert_eq!(found, code, "{name}");
        }
    }
}

#[test]
fn a_policy_that_contradicts_itself_is_refused() {
    let log = SealedLog::of(Workbench::grown(3).unwrap()).unwrap();
    let whole = log.whole().unwrap();
    let honest: Value = serde_json::from_slice(&log.policy.encode().unwrap()).unwrap();
    let of_log = &honest["logs"][0];
    let (key, witness, writer) =
        (&of_log["keys"][0], &of_log["witnesses"][0], &of_log["writers"][0]);
    let with = |member: &str, value: Value| {
        let mut policy = honest.clone();
        policy["logs"][0][member] = value;
        policy
    };
    let writing = |from: u64, to: Value| {
        with("writers", json!([{"spki": writer["spki"], "from_sequence": from, "to_sequence": to}]))
    };
    let keyed = |from: u64, to: Value| json!({"spki": key, "from_size": from, "to_size": to});
    let named = |name: &str| json!([{"name": name, "spki": witness["spki"]}]);
    let mut twice = honest.clone();
    twice["logs"] = json!([of_log, of_log]);
    let mut unknown = honest.clone();
    unknown["more"] = json!(1);
    let other = of_log["writers"][0]["spki"].clone();
    for (name, policy) in [
        ("log-twice", twice),
        ("unknown", unknown),
        ("more", with("more", json!(1))),
        ("no-writer", with("writers", json!([]))),
        ("writer-nought", writing(0, json!(null))),
        ("writer-empty", writing(3, json!(2))),
        ("writer-text", writing(1, json!("9"))),
        ("key-twice", with("keys", json!([key, key]))),
        ("key-empty", with("keys", json!([keyed(9, json!(3))]))),
        ("key-always", with("keys", json!([keyed(0, json!(null))]))),
        (
            "key-overlap",
            with(
                "keys",
                json!([keyed(0, json!(9)), {"spki": other, "from_size": 3, "to_size": 5}]),
            ),
        ),
        ("key-witness", with("keys", json!([witness["spki"]]))),
        ("witness-twice", with("witnesses", json!([witness, witness]))),
        ("witness-name", with("witnesses", named("a b"))),
        ("witness-long", with("witnesses", named(&"x".repeat(256)))),
        ("witness-empty", with("witnesses", named(""))),
        (
            "name-twice",
            with("witnesses", json!([witness, {"name": witness["name"], "spki": other}])),
        ),
        ("quorum", with("witness_quorum", json!(2))),
        ("quorum-negative", with("witness_quorum", json!(-1))),
        ("gaps-nought", with("gaps", json!([0]))),
        ("gaps-order", with("gaps", json!([3, 2]))),
        ("gaps-twice", with("gaps", json!([2, 2]))),
    ] {
        let bytes = serde_json::to_vec(&policy).unwrap();
        assert!(Policy::parse(&bytes).is_err(), "{name} is taken");
        let (code, said) = independent(name, &whole, &bytes).unwrap();
        assert!(code == 1 && said.contains("no verdict"), "{name}: {code} {said}");
    }
    let bytes = serde_json::to_vec(&honest).unwrap();
    assert_eq!(independent("honest", &whole, &bytes).unwrap().0, 0);
}
