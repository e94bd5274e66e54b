//! Golden vectors: the bytes of every statement, its PAE, signatures and a whole job message, from public seeds.
//!
//! `cargo test -p countersign-trust -- --ignored` writes them anew; a difference in a released file is a new version.

use crate::scene::{Outcome, Scene, ZEROS, at, person_id, told};
use serde_json::{Value, json};
use std::path::PathBuf;
use trust::accept::Reason;
use trust::dsse::{Envelope, pae};
use trust::encoding::{Sha256Digest, from_base64, to_base64};
use trust::golden;
use trust::keys::{PrivateKey, PublicKey};
use trust::message::JobMessage;
use trust::pinned::{PinnedRoot, RootError};
use trust::statement::{
    Cancel, Change, Decision, DecisionKind, Delegation, Job, JobResult, Outcome as JobOutcome,
    Root, RootRef, Statement, StatementError, Submission, TrustKey,
};

const NAMES: [&str; 6] = ["root", "dispatcher", "author", "bea", "cyd", "writer"];

fn seed(name: &str) -> Sha256Digest {
    Sha256Digest::of(format!("countersign golden vector key: {name}").as_bytes())
}

fn golden_key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(seed(name).as_bytes())
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/statements.json")
}

fn root(scene: &Scene) -> Root {
    let mut root = scene.root.clone();
    let golden = |name: &str| vec![TrustKey::Ed25519(golden_key(name).public())];
    root.roles.root.keys = golden("root");
    root.roles.dispatcher.keys = golden("dispatcher");
    let holders = ["author", "bea", "cyd"];
    root.roles.people.truncate(holders.len());
    for (person, name) in root.roles.people.iter_mut().zip(holders) {
        person.keys = golden(name);
    }
    root.environments.insert("production".to_owned(), scene.production.clone());
    root
}

fn vector<S: Statement>(name: &str, statement: &S, by: &[&str]) -> Outcome<(Value, Envelope)> {
    let mut envelope = Envelope::around(statement)?;
    for signer in by {
        envelope = envelope.sign_ed25519(&golden_key(signer));
    }
    let vector = json!({
        "name": name,
        "payload_type": S::PAYLOAD_TYPE,
        "payload": String::from_utf8(envelope.payload().to_vec())?,
        "sha256": envelope.payload_sha256(),
        "pae": to_base64(&envelope.pae()),
        "signed_by": by,
        "envelope": String::from_utf8(envelope.to_json()?)?,
    });
    Ok((vector, envelope))
}

/// The vectors as this code writes them.
fn written() -> Outcome<String> {
    let scene = Scene::new()?;
    let (root_vector, root_envelope) = vector("root", &root(&scene), &["root"])?;
    let mut change = scene.change.clone();
    change.root = RootRef { version: 3, sha256: root_envelope.payload_sha256() };
    change.steps.iter_mut().for_each(|step| step.sha256 = Sha256Digest::of(&scene.sql));
    let (change_vector, change_envelope) = vector("change", &change, &["bea", "cyd"])?;
    let change_sha256 = change_envelope.payload_sha256();
    let (submission_vector, submission) =
        vector("submission", &submission(&scene, change_sha256)?, &["author"])?;
    let mut job = scene.job.clone();
    job.change_sha256 = Some(change_sha256);
    let (job_vector, job_envelope) = vector("job", &job, &["dispatcher"])?;
    let (decision_vector, _) = vector("decision", &decision(&scene, change_sha256)?, &["bea"])?;
    let (delegation_vector, _) = vector("delegation", &delegation(&scene)?, &["bea"])?;
    let cancel = Cancel {
        job: job.job.clone(),
        job_sha256: job_envelope.payload_sha256(),
        issued_at: at(5)?,
    };
    let (cancel_vector, _) = vector("cancel", &cancel, &["dispatcher"])?;
    let result = result(&scene, change.root, job_envelope.payload_sha256(), change_sha256)?;
    let (result_vector, _) = vector("result", &result, &[])?;
    let mut message = JobMessage::of(job_envelope)?;
    message.change = Some(change_envelope);
    message.submission = Some(submission);
    message.sql = Some(scene.sql.clone());
    let keys: Vec<Value> = NAMES
        .iter()
        .map(|name| {
            let public = golden_key(name).public();
            json!({"name": name, "seed": seed(name), "spki": public, "key_id": public.id()})
        })
        .collect();
    let all = json!({
        "keys": keys,
        "statements": [
            root_vector, change_vector, submission_vector, decision_vector, delegation_vector,
            job_vector, cancel_vector, result_vector,
        ],
        "job_message": String::from_utf8(message.to_json()?)?,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}

fn submission(scene: &Scene, change_sha256: Sha256Digest) -> Outcome<Submission> {
    Ok(Submission {
        tenant: scene.job.tenant.clone(),
        change_sha256,
        author: person_id("ada")?,
        issued_at: at(-30)?,
    })
}

fn decision(scene: &Scene, change_sha256: Sha256Digest) -> Outcome<Decision> {
    Ok(Decision {
        tenant: scene.job.tenant.clone(),
        change_sha256,
        decision: DecisionKind::RequestChanges,
        reason_sha256: Sha256Digest::of("names the wrong column".as_bytes()),
        issued_at: at(-20)?,
    })
}

fn delegation(scene: &Scene) -> Outcome<Delegation> {
    Ok(Delegation {
        tenant: scene.job.tenant.clone(),
        from: person_id("bea")?,
        to: person_id("cyd")?,
        roles: vec!["dba".to_owned()],
        environments: vec!["production".to_owned()],
        not_before: at(0)?,
        not_after: at(3600)?,
    })
}

fn result(
    scene: &Scene,
    root: RootRef,
    job_sha256: Sha256Digest,
    change_sha256: Sha256Digest,
) -> Outcome<JobResult> {
    Ok(JobResult {
        tenant: scene.job.tenant.clone(),
        agent: scene.job.audience.clone(),
        data_source: scene.job.data_source.clone(),
        job: scene.job.job.clone(),
        attempt: 1,
        fence: scene.job.fence,
        job_sha256,
        change_sha256: Some(change_sha256),
        root,
        mode: scene.job.mode,
        outcome: JobOutcome::Refused,
        refusal: Some(Reason::QuorumNotMet),
        counted: vec![person_id("bea")?],
        started_at: at(1)?,
        finished_at: at(1)?,
        steps: vec![],
        fingerprint_before: Some(format!("pgfp1:{ZEROS}").parse()?),
        fingerprint_after: None,
    })
}

#[test]
#[ignore = "writes the checked-in vectors anew"]
fn write_the_vectors() {
    std::fs::write(file(), written().unwrap()).unwrap();
}

#[test]
fn the_vectors_are_what_this_code_writes() {
    assert_eq!(written().unwrap(), std::fs::read_to_string(file()).unwrap());
}

#[test]
fn the_vectors_hold_by_themselves() {
    let vectors: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(vectors["keys"].as_array().unwrap().len(), 6);
    for (key, listed) in vectors["keys"].as_array().unwrap().iter().zip(golden::KEY_IDS) {
        let seed: Sha256Digest = text(&key["seed"]).parse().unwrap();
        let public = PrivateKey::from_seed(seed.as_bytes()).public();
        assert_eq!(public.to_string(), text(&key["spki"]));
        assert_eq!(public.id().to_string(), text(&key["key_id"]));
        assert_eq!(listed, text(&key["key_id"]));
    }
    let ledger = concat!(env!("CARGO_MANIFEST_DIR"), "/../ledger/vectors/ledger.json");
    let ledger: Value = serde_json::from_slice(&std::fs::read(ledger).unwrap()).unwrap();
    assert_eq!(golden::KEY_IDS[6..], [text(&ledger["key_id"])]);
    let public: PublicKey = text(&ledger["spki"]).parse().unwrap();
    assert!(golden::is_golden(&public));
    let statements = vectors["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 8);
    for vector in statements {
        let envelope = Envelope::parse(text(&vector["envelope"]).as_bytes()).unwrap();
        let payload = text(&vector["payload"]);
        assert_eq!(envelope.payload(), payload.as_bytes());
        assert_eq!(envelope.payload_sha256().to_string(), text(&vector["sha256"]));
        let pae = pae(&text(&vector["payload_type"]), payload.as_bytes());
        assert_eq!(pae, from_base64(&text(&vector["pae"])).unwrap());
        for signer in vector["signed_by"].as_array().unwrap() {
            let key = golden_key(&text(signer)).public();
            assert_eq!(envelope.verified_by([&key]).len(), 1, "{}", vector["name"]);
        }
        rewritten(&envelope).unwrap();
    }
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

/// Reads the payload and writes it again: the same bytes.
fn rewritten(envelope: &Envelope) -> Result<(), StatementError> {
    let again = match envelope.payload_type() {
        Root::PAYLOAD_TYPE => envelope.read::<Root>()?.to_payload()?,
        Change::PAYLOAD_TYPE => envelope.read::<Change>()?.to_payload()?,
        Submission::PAYLOAD_TYPE => envelope.read::<Submission>()?.to_payload()?,
        Decision::PAYLOAD_TYPE => envelope.read::<Decision>()?.to_payload()?,
        Delegation::PAYLOAD_TYPE => envelope.read::<Delegation>()?.to_payload()?,
        Job::PAYLOAD_TYPE => envelope.read::<Job>()?.to_payload()?,
        Cancel::PAYLOAD_TYPE => envelope.read::<Cancel>()?.to_payload()?,
        _ => envelope.read::<JobResult>()?.to_payload()?,
    };
    assert_eq!(again, envelope.payload());
    Ok(())
}

#[test]
fn nothing_that_the_golden_keys_sign_counts() {
    let vectors: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let root = vectors["statements"][0]["envelope"].as_str().unwrap();
    let root = Envelope::parse(root.as_bytes()).unwrap();
    let pin = RootRef { version: 3, sha256: root.payload_sha256() };
    assert_eq!(
        PinnedRoot::open(&root, &pin),
        Err(RootError::Threshold { signed: 0, threshold: 1 })
    );
    let mut delivery = Scene::new().unwrap().seal().unwrap();
    let message = vectors["job_message"].as_str().unwrap();
    delivery.message = JobMessage::parse(message.as_bytes()).unwrap();
    assert_eq!(told(delivery.judge()), "2 dispatcher_unknown");
}

#[test]
fn a_root_that_lists_golden_keys_gets_nothing_from_them() {
    let golden = |name: &str| TrustKey::Ed25519(golden_key(name).public());
    let mut dispatcher = Scene::new().unwrap();
    dispatcher.root.roles.dispatcher.keys = vec![golden("dispatcher")];
    let mut delivery = dispatcher.seal().unwrap();
    let job = Envelope::around(delivery.message.job.statement()).unwrap();
    let signed = job.sign_ed25519(&golden_key("dispatcher"));
    delivery.message.job = trust::dsse::Parsed::from_envelope(signed).unwrap();
    assert_eq!(told(delivery.judge()), "2 dispatcher_unknown");

    let mut approver = Scene::new().unwrap();
    approver.approvals = vec!["bea"];
    approver.root.roles.people[2].keys = vec![golden("cyd")];
    let mut delivery = approver.seal().unwrap();
    let change = delivery.message.change.take().unwrap();
    delivery.message.change = Some(change.sign_ed25519(&golden_key("cyd")));
    assert_eq!(told(delivery.judge()), "8 quorum_not_met");
}
