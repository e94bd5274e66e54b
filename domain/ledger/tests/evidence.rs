//! A bundle as a whole: blobs, foreign files, gaps, an earlier bundle, the policy file.

mod workbench;

use countersign_ledger::{
    BundleError, Caveat, CommitHash, Entry, EntryKind, Expected, Fault, Policy, PolicyError,
    Receipt, ReceiptError, Report, Verdict, Verifier, VerifyError, Writer, blob_file,
    verify_bundle,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trust::encoding::Sha256Digest;
use trust::keys::PrivateKey;
use workbench::{Bundle, Workbench, id};

fn grown() -> anyhow::Result<(Workbench, Bundle)> {
    let bench = Workbench::grown(14)?;
    let bundle = bench.bundle()?;
    Ok((bench, bundle))
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.fault.code()).collect()
}

#[test]
fn a_missing_blob_is_incomplete_and_names_its_commit() {
    let (bench, mut bundle) = grown().unwrap();
    bundle.files.remove(&blob_file(&Sha256Digest::of(b"select 8;")));
    let report = bench.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["blob_missing"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(8));
}

#[test]
fn a_changed_blob_is_tampering_and_names_its_commit() {
    for other in [&b"select 9;"[..], b"select 8; ", b""] {
        let (bench, mut bundle) = grown().unwrap();
        bundle.files.insert(blob_file(&Sha256Digest::of(b"select 8;")), other.to_vec());
        let report = bench.verify(&bundle).unwrap();
        assert_eq!((report.exit_code(), codes(&report)), (7, vec!["blob_mismatch"]));
        assert_eq!(report.first_bad().unwrap().sequence, Some(8));
    }
}

#[test]
fn a_blob_that_no_commit_names_is_tampering_unless_commits_are_missing() {
    let (bench, mut bundle) = grown().unwrap();
    let stray = Sha256Digest::of(b"stray");
    bundle.files.insert(blob_file(&stray), b"stray".to_vec());
    let report = bench.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["blob_unnamed"]));
    let report = bench.verify(&bundle.without_line(9)).unwrap();
    assert_eq!(report.verdict, Verdict::Incomplete, "{:?}", report.findings);
    assert!(codes(&report).contains(&"blob_unexplained"));
}

#[test]
fn two_commits_that_disagree_about_a_blob_are_tampering() {
    let mut bench = Workbench::grown(4).unwrap();
    let mut blob = bench.store(b"select 4;").unwrap();
    blob["$blob"]["size"] = json!(10);
    let data = json!({"sql": blob});
    bench.append("acme", "change", id("chg", 1).unwrap(), "schema.requested", data).unwrap();
    let report = bench.verify(&bench.bundle().unwrap()).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["blob_mismatch"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(5));
}

#[test]
fn files_that_a_bundle_does_not_have_are_tampering() {
    for (name, kind) in [
        ("../escape", EntryKind::File),
        ("notes.txt", EntryKind::File),
        ("commits.ndjson", EntryKind::File),
        ("trust/link", EntryKind::Other),
        ("..", EntryKind::Directory),
        ("empty", EntryKind::Directory),
        ("blobs/more", EntryKind::Directory),
        ("commits.ndjson", EntryKind::Directory),
        ("bundle.json", EntryKind::Other),
    ] {
        let (bench, mut bundle) = grown().unwrap();
        bundle.others.push(Entry { name: name.to_owned(), kind });
        let report = bench.verify(&bundle).unwrap();
        assert_eq!((report.exit_code(), codes(&report)), (7, vec!["foreign_file"]), "{name}");
    }
}

#[test]
fn what_is_not_checked_is_said() {
    let (bench, mut bundle) = grown().unwrap();
    bundle.others.push(Entry { name: "trust".to_owned(), kind: EntryKind::Directory });
    bundle.files.insert("trust/1.json".to_owned(), vec![]);
    let report = bench.verify(&bundle).unwrap();
    assert_eq!(report.verdict, Verdict::Intact);
    assert_eq!(report.caveats, [Caveat::NotSealed, Caveat::StatementsNotChecked]);
    bundle.files.insert("checkpoint".to_owned(), vec![]);
    let report = bench.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["unchecked"]));
}

#[test]
fn a_gap_that_the_policy_names_is_not_held_against_the_log() {
    let (bench, bundle) = grown().unwrap();
    // Sequences 7 and 9 hold no blob; both aggregates go on after them.
    let gappy = bundle.without_line(8).without_line(6);
    let mut policy = bench.policy();
    let verify = |policy: &Policy| verify_bundle(&gappy, policy, &bench.shard, None).unwrap();
    assert_eq!(verify(&policy).verdict, Verdict::Incomplete);
    policy.logs[0].gaps = vec![7];
    let report = verify(&policy);
    assert_eq!(report.first_bad().unwrap().fault, Fault::Missing { first: 9, last: 9 });
    policy.logs[0].gaps = vec![7, 9];
    let report = verify(&policy);
    assert_eq!((report.verdict, report.declared_gaps), (Verdict::Intact, 2));
}

#[test]
fn a_gap_that_is_not_one_is_told_and_outweighed_by_tampering() {
    let (bench, bundle) = grown().unwrap();
    let mut policy = bench.policy();
    policy.logs[0].gaps = vec![3];
    let report = verify_bundle(&bundle, &policy, &bench.shard, None).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["gap_present"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(3));
    let mut spoilt = bundle;
    spoilt.files.insert("notes.txt".to_owned(), vec![]);
    let report = verify_bundle(&spoilt, &policy, &bench.shard, None).unwrap();
    assert_eq!(report.exit_code(), 7);
}

/// A log that lost sequence 7, and then holds commits that skip a version each; the sequences that are condemned.
fn after_a_loss(skipping: &[(&str, u64, u64)]) -> anyhow::Result<Vec<Option<u64>>> {
    let mut bench = Workbench::grown(14)?;
    bench.lines.retain(|line| line.sequence != 7);
    bench.blobs.clear();
    for (tenant, aggregate, skipped) in skipping {
        let aggregate = id("chg", *aggregate)?;
        let mut ahead =
            bench.envelope(tenant, "change", aggregate, "schema.approved", json!({}))?;
        ahead.version += skipped;
        bench.put(&ahead.sign(&bench.shard, &bench.writer)?)?;
    }
    let report = bench.verify(&bench.bundle()?)?;
    let condemned =
        report.findings.iter().filter(|finding| finding.fault.code() == "version_mismatch");
    Ok(condemned.map(|finding| finding.sequence).collect())
}

#[test]
fn one_lost_message_explains_one_missing_version() {
    // Aggregate 7 of nobody yet; aggregate 4 of acme was written to after the loss.
    assert_eq!(after_a_loss(&[("acme", 7, 1)]).unwrap(), []);
    assert_eq!(after_a_loss(&[("acme", 7, 2)]).unwrap(), [Some(15)]);
    assert_eq!(after_a_loss(&[("acme", 7, 1), ("acme", 8, 1)]).unwrap(), [Some(16)]);
    assert_eq!(after_a_loss(&[("acme", 4, 1)]).unwrap(), [Some(15)]);
}

#[test]
fn what_is_missing_is_counted_once() {
    let (bench, bundle) = grown().unwrap();
    let report = bench.verify_against(&bundle.clone().without_line(13), &bundle).unwrap();
    assert_eq!(codes(&report), ["missing", "missing_since_earlier"]);
}

#[test]
fn a_longer_log_contains_its_earlier_bundle() {
    let (bench, bundle) = grown().unwrap();
    let earlier = Workbench::grown(9).unwrap().bundle().unwrap();
    let report = bench.verify_against(&bundle, &earlier).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    assert_eq!(report.last_hash, Some(CommitHash::of(&bench.lines[13].payload)));
}

#[test]
fn a_sequence_that_the_earlier_bundle_has_and_this_one_lost_is_named() {
    let (bench, bundle) = grown().unwrap();
    for lost in [1, 5, 14] {
        let now = bundle.clone().without_line(lost - 1);
        let lost = u64::try_from(lost).unwrap();
        let report = bench.verify_against(&now, &bundle).unwrap();
        let missing = Fault::MissingSinceEarlier { first: lost, last: lost };
        assert!(report.findings.iter().any(|finding| finding.fault == missing), "{lost}");
        assert_eq!(report.exit_code(), 8);
    }
}

#[test]
fn a_cut_end_with_a_fitting_manifest_is_found_only_by_the_earlier_bundle() {
    let (bench, bundle) = grown().unwrap();
    let mut cut = bundle.clone().ending_at(13).unwrap();
    cut.lines.truncate(13);
    cut.files.retain(|name, _| !name.starts_with("blobs"));
    for sha256 in bench.blobs.keys() {
        cut.files.insert(blob_file(sha256), bench.blobs[sha256].clone());
    }
    assert_eq!(bench.verify(&cut).unwrap().verdict, Verdict::Intact);
    assert_eq!(bench.verify_against(&cut, &bundle).unwrap().exit_code(), 8);
}

#[test]
fn a_rewritten_history_differs_from_the_earlier_bundle() {
    let (bench, bundle) = grown().unwrap();
    let mut other = Workbench::opened().unwrap();
    other.append("acme", "change", id("chg", 7).unwrap(), "schema.requested", json!({})).unwrap();
    let earlier = other.bundle().unwrap();
    let report = bench.verify_against(&bundle, &earlier).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["rewritten"]));
    assert_eq!(report.first_bad().unwrap().sequence, Some(2));
}

#[test]
fn a_damaged_earlier_bundle_proves_nothing() {
    let (bench, bundle) = grown().unwrap();
    let mut earlier = bundle.clone();
    earlier.lines[3][40] ^= 1;
    let report = bench.verify_against(&bundle, &earlier).unwrap();
    assert_eq!(report.first_bad().unwrap().fault, Fault::EarlierDamaged { line: 4 });
}

#[test]
fn an_earlier_bundle_that_lacks_commits_is_told() {
    let (bench, bundle) = grown().unwrap();
    let mut cut = bundle.clone();
    cut.lines.truncate(9);
    for (earlier, sequence) in [(cut, 10), (bundle.clone().without_line(3), 4)] {
        let report = bench.verify_against(&bundle, &earlier).unwrap();
        assert_eq!((report.exit_code(), codes(&report)), (8, vec!["earlier_incomplete"]));
        assert_eq!(report.first_bad().unwrap().fault, Fault::EarlierIncomplete { sequence });
    }
}

#[test]
fn held_hashes_of_another_log_are_refused() {
    let (bench, _) = grown().unwrap();
    let expected = Expected::new("other.log".parse().unwrap(), BTreeMap::new());
    let verifier = Verifier::new(&bench.policy(), &bench.origin, &bench.shard).unwrap();
    let report = verifier.expecting(expected).finish();
    assert_eq!(report.first_bad().unwrap().fault.code(), "earlier_of_other_log");
}

#[test]
fn a_bundle_that_cannot_be_read_is_an_error_and_not_a_verdict() {
    let (bench, bundle) = grown().unwrap();
    let manifest = |change: fn(&mut Value)| {
        let mut changed = bundle.clone();
        let mut value: Value = serde_json::from_slice(&changed.files["bundle.json"]).unwrap();
        change(&mut value);
        changed.files.insert("bundle.json".to_owned(), serde_json::to_vec(&value).unwrap());
        verify_bundle(&changed, &bench.policy(), &bench.shard, None)
    };
    assert!(matches!(manifest(|_| {}), Ok(report) if report.verdict == Verdict::Intact));
    for change in [
        (|value: &mut Value| value["format"] = json!("countersign-evidence/2")) as fn(&mut Value),
        |value| value["scope"] = json!("change"),
        |value| value["extra"] = json!(1),
        |value| *value = json!([]),
    ] {
        assert!(matches!(manifest(change), Err(VerifyError::Bundle(_))));
    }
    let other = manifest(|value| value["log"] = json!("other.log"));
    assert!(matches!(other, Err(VerifyError::Policy(PolicyError::UnknownLog(_)))));
    let mut none = bundle.clone();
    none.files.remove("bundle.json");
    let missing = verify_bundle(&none, &bench.policy(), &bench.shard, None);
    assert!(matches!(missing, Err(VerifyError::Bundle(BundleError::NoManifest))));
    none.others.push(Entry { name: "bundle.json".to_owned(), kind: EntryKind::Other });
    let link = verify_bundle(&none, &bench.policy(), &bench.shard, None);
    assert!(matches!(link, Err(VerifyError::Bundle(BundleError::NotAFile("bundle.json")))));
    let earlier = verify_bundle(&bundle, &bench.policy(), &bench.shard, Some(&none));
    assert!(matches!(earlier, Err(VerifyError::Earlier(BundleError::NotAFile("bundle.json")))));
}

#[test]
fn a_report_says_everything_in_json() {
    let (bench, bundle) = grown().unwrap();
    let report = bench.verify(&bundle.without_line(6)).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "incomplete");
    assert_eq!(json["caveats"][0], "not_sealed");
    assert_eq!(json["findings"][0]["code"], "missing");
    assert_eq!(json["findings"][0]["detail"], "sequence 7: sequences 7 to 7 are missing");
}

#[test]
fn a_policy_comes_back_from_its_file() {
    let policy = Workbench::opened().unwrap().policy();
    assert_eq!(Policy::parse(&policy.encode().unwrap()), Ok(policy));
}

#[test]
fn every_member_of_a_policy_must_be_there_and_no_other() {
    let policy = serde_json::to_value(Workbench::opened().unwrap().policy()).unwrap();
    let parse = |value: &Value| Policy::parse(&serde_json::to_vec(value).unwrap());
    for parent in ["", "/logs/0", "/logs/0/writers/0"] {
        let names: Vec<String> =
            policy.pointer(parent).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut without = policy.clone();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(&name);
            assert!(matches!(parse(&without), Err(PolicyError::Malformed(_))), "{parent}/{name}");
        }
        let mut more = policy.clone();
        more.pointer_mut(parent).unwrap()["more"] = json!(1);
        assert!(matches!(parse(&more), Err(PolicyError::Malformed(_))), "{parent}");
    }
}

#[test]
fn a_policy_that_contradicts_itself_is_refused() {
    let key = PrivateKey::from_seed(&[1; 32]).public();
    let witness = |name: &str| json!({"name": name, "spki": key});
    let root = json!({"tenant": "acme", "version": 1, "sha256": "0".repeat(64)});
    let authority = |until: &str| {
        json!([{"trust_domain": "a.example", "spki_sha256": "0".repeat(64),
            "from": "2026-11-20T07:00:00.000001Z", "until": until}])
    };
    let policy = serde_json::to_value(Workbench::opened().unwrap().policy()).unwrap();
    let twice = json!([policy["logs"][0], policy["logs"][0]]);
    for (pointer, wrong, expected) in [
        ("/format", json!("countersign-policy/2"), "format"),
        ("/logs", twice, "named twice"),
        ("/logs/0/writers", json!([]), "no writer"),
        ("/logs/0/writers/0/from_sequence", json!(0), "covers no sequence"),
        ("/logs/0/keys", json!([key, key]), "twice"),
        ("/logs/0/witnesses", json!([witness("a"), witness("b")]), "twice"),
        ("/logs/0/witness_quorum", json!(1), "more witnesses"),
        ("/logs/0/gaps", json!([0]), "gaps"),
        ("/logs/0/gaps", json!([3, 3]), "gaps"),
        ("/roots", json!([root, root]), "twice"),
        ("/agent_authorities", authority("2026-11-20T07:00:00.000000Z"), "at no time"),
        ("/agent_authorities", authority("2026-11-20T07:00:00.000001Z"), "at no time"),
    ] {
        let mut value = policy.clone();
        *value.pointer_mut(pointer).unwrap() = wrong;
        let error = Policy::parse(&serde_json::to_vec(&value).unwrap()).unwrap_err();
        assert!(error.to_string().contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn a_receipt_holds_only_for_its_own_commit_and_writer() {
    let mut bench = Workbench::opened().unwrap();
    let commit = bench
        .append("acme", "change", id("chg", 1).unwrap(), "schema.requested", json!({}))
        .unwrap();
    let receipt = Receipt::sign(&commit, &bench.writer);
    let writers = bench.identity().writers;
    assert_eq!(receipt.verify(&writers), Ok(()));
    assert_eq!(receipt.describes(&commit), Ok(()));
    assert_eq!(receipt.position().mark().to_string(), "main.log.example:2");
    let json = serde_json::to_vec(&receipt).unwrap();
    assert_eq!(serde_json::from_slice::<Receipt>(&json).unwrap(), receipt);

    let wrong = |change: fn(&mut Receipt)| {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        receipt
    };
    for changed in [
        wrong(|receipt| receipt.sequence = 3),
        wrong(|receipt| receipt.hash = CommitHash::ZERO),
        wrong(|receipt| receipt.log = "other.log".parse().unwrap()),
    ] {
        assert_eq!(changed.verify(&writers), Err(ReceiptError::SignatureWrong));
    }
    let retold = wrong(|receipt| receipt.version = 2);
    assert_eq!(retold.describes(&commit), Err(ReceiptError::OtherCommit));
    let malformed = wrong(|receipt| receipt.signature.push('='));
    assert_eq!(malformed.verify(&writers), Err(ReceiptError::Malformed));
    let ended = [Writer { to_sequence: Some(1), ..writers[0] }];
    assert_eq!(receipt.verify(&ended), Err(ReceiptError::Writer));
}
