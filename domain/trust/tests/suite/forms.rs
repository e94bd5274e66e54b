//! Strict forms: every named member present, no other, and what a valid statement must not say.

use crate::scene::{
    Outcome, Scene, ZEROS, at, digits, key, person_id, requirement, scene, trust_key,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use trust::dsse::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, Parsed};
use trust::encoding::Sha256Digest;
use trust::message::{AgentMessage, JobMessage, MessageError, ResultMessage, cancel_to_json};
use trust::pinned::{PinnedRoot, RootError};
use trust::statement::{
    AgentAuthority, AuthorRule, BreakGlassRule, Cancel, Change, Decision, DecisionKind, Delegation,
    Invalid, Job, JobResult, LogTrust, Outcome as JobOutcome, Root, RootRef, Statement,
    StatementError, Submission, Witness,
};

/// Members whose names are data.
const MAPS: [&str; 2] = ["environments", "labels"];

/// The pointers of every object in the value whose members have fixed names.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let is_map = at.rsplit('/').next().is_some_and(|name| MAPS.contains(&name));
            if !is_map {
                found.push(at.to_owned());
            }
            for (name, inner) in members {
                objects(inner, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                objects(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Every way to leave one member out, and to add one, with what was done.
fn misfits(value: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    objects(value, "", &mut places);
    let mut misfits = Vec::new();
    for place in places {
        let members = value.pointer(&place).and_then(Value::as_object).cloned().unwrap_or_default();
        for name in members.keys() {
            let mut less = value.clone();
            if let Some(object) = less.pointer_mut(&place).and_then(Value::as_object_mut) {
                object.remove(name);
            }
            misfits.push((format!("without {place}/{name}"), less));
        }
        let mut more = value.clone();
        if let Some(object) = more.pointer_mut(&place).and_then(Value::as_object_mut) {
            object.insert("surplus".to_owned(), Value::Null);
        }
        misfits.push((format!("with {place}/surplus"), more));
    }
    misfits
}

fn is_strict<S: Statement + PartialEq + std::fmt::Debug>(statement: &S) -> Outcome<()> {
    let payload = statement.to_payload()?;
    assert_eq!(&S::parse(&payload)?, statement);
    let value: Value = serde_json::from_slice(&payload)?;
    for (what, misfit) in misfits(&value) {
        assert!(S::parse(&serde_json::to_vec(&misfit)?).is_err(), "{} {what}", S::PAYLOAD_TYPE);
    }
    let text = String::from_utf8(payload)?;
    let doubled = text.replacen('{', "{\"tenant\":\"acme\",\"job\":null,", 1);
    assert!(S::parse(doubled.as_bytes()).is_err(), "{} with a member twice", S::PAYLOAD_TYPE);
    Ok(())
}

fn result() -> Outcome<JobResult> {
    let Scene { job, .. } = Scene::new()?;
    Ok(JobResult {
        tenant: job.tenant,
        agent: job.audience,
        data_source: job.data_source,
        job: job.job,
        attempt: 1,
        fence: 7,
        job_sha256: ZEROS.parse()?,
        change_sha256: None,
        root: RootRef { version: 3, sha256: ZEROS.parse()? },
        mode: job.mode,
        outcome: JobOutcome::Succeeded,
        refusal: None,
        counted: vec![person_id("bea")?],
        started_at: at(0)?,
        finished_at: at(1)?,
        steps: vec![],
        fingerprint_before: None,
        fingerprint_after: None,
    })
}

fn full_root(scene: &Scene) -> Outcome<Root> {
    let mut root = scene.root.clone();
    let mut environment = scene.production.clone();
    environment.break_glass =
        Some(BreakGlassRule { role: "dba".to_owned(), quorum: 1, max_validity_seconds: 60 });
    root.environments.insert("production".to_owned(), environment);
    root.agent_authorities.push(AgentAuthority {
        trust_domain: "example.org".to_owned(),
        spki_sha256: ZEROS.parse()?,
        from: at(0)?,
        until: at(1)?,
    });
    root.logs.push(LogTrust {
        origin: "log.example.org".parse()?,
        keys: vec![key("sealer").public()],
        witnesses: vec![Witness { name: "w".to_owned(), spki: key("witness").public() }],
        witness_quorum: 1,
    });
    Ok(root)
}

#[test]
fn every_statement_has_exactly_its_members() {
    let scene = Scene::new().unwrap();
    let tenant = scene.job.tenant.clone();
    let sha256: Sha256Digest = ZEROS.parse().unwrap();
    is_strict::<Change>(&scene.change).unwrap();
    is_strict::<Job>(&scene.job).unwrap();
    is_strict(&full_root(&scene).unwrap()).unwrap();
    is_strict(&result().unwrap()).unwrap();
    is_strict(&Decision {
        tenant: tenant.clone(),
        change_sha256: sha256,
        decision: DecisionKind::RequestChanges,
        reason_sha256: sha256,
        issued_at: at(0).unwrap(),
    })
    .unwrap();
    is_strict(&Submission {
        tenant: tenant.clone(),
        change_sha256: sha256,
        author: person_id("ada").unwrap(),
        issued_at: at(0).unwrap(),
    })
    .unwrap();
    is_strict(&Delegation {
        tenant,
        from: person_id("bea").unwrap(),
        to: person_id("dan").unwrap(),
        roles: vec!["dba".to_owned()],
        environments: vec!["production".to_owned()],
        not_before: at(0).unwrap(),
        not_after: at(1).unwrap(),
    })
    .unwrap();
    let cancel =
        Cancel { job: scene.job.job.clone(), job_sha256: sha256, issued_at: at(0).unwrap() };
    is_strict(&cancel).unwrap();
}

#[test]
fn envelopes_and_messages_have_exactly_their_members() {
    let delivery = scene(|s| s.passkey_approvals.push("p".to_owned())).unwrap().seal().unwrap();
    let envelope = delivery.message.change.as_ref().unwrap().to_json().unwrap();
    assert_eq!(&Envelope::parse(&envelope).unwrap(), delivery.message.change.as_ref().unwrap());
    for (what, misfit) in misfits(&serde_json::from_slice(&envelope).unwrap()) {
        assert!(Envelope::parse(&serde_json::to_vec(&misfit).unwrap()).is_err(), "{what}");
    }
    let message = delivery.message.to_json().unwrap();
    assert_eq!(JobMessage::parse(&message).unwrap(), delivery.message);
    for (what, misfit) in misfits(&serde_json::from_slice(&message).unwrap()) {
        assert!(AgentMessage::parse(&serde_json::to_vec(&misfit).unwrap()).is_err(), "{what}");
    }
    let result =
        Parsed::from_envelope(Envelope::around(&self::result().unwrap()).unwrap()).unwrap();
    let message = ResultMessage { result, document: Some(b"[]".to_vec()) };
    let json = message.to_json().unwrap();
    assert_eq!(ResultMessage::parse(&json).unwrap(), message);
    for (what, misfit) in misfits(&serde_json::from_slice(&json).unwrap()) {
        assert!(ResultMessage::parse(&serde_json::to_vec(&misfit).unwrap()).is_err(), "{what}");
    }
}

#[test]
fn a_cancel_is_told_from_a_job() {
    let job = scene(|_| ()).unwrap().seal().unwrap().message;
    let cancel = Envelope::around(&Cancel {
        job: job.job.statement().job.clone(),
        job_sha256: job.job.sha256(),
        issued_at: at(0).unwrap(),
    })
    .unwrap();
    let json = cancel_to_json(&cancel).unwrap();
    let AgentMessage::Cancel(read) = AgentMessage::parse(&json).unwrap() else { panic!("a job") };
    assert_eq!(read.envelope(), &cancel);
    let mut both: Value = serde_json::from_slice(&job.to_json().unwrap()).unwrap();
    both["cancel"] = serde_json::to_value(&cancel).unwrap();
    assert!(AgentMessage::parse(&serde_json::to_vec(&both).unwrap()).is_err());
    assert!(cancel_to_json(job.job.envelope()).is_err());
}

#[test]
fn an_envelope_beyond_its_limits_is_refused() {
    let mut many = Envelope::around(&Scene::new().unwrap().job).unwrap();
    for _ in 0..64 {
        many = many.sign_ed25519(&key("dispatcher"));
    }
    assert!(JobMessage::of(many.clone()).unwrap().to_json().is_ok());
    let more = many.sign_ed25519(&key("dispatcher"));
    assert_eq!(more.to_json(), Err(EnvelopeError::TooManySignatures));
    let json = serde_json::to_vec(&more).unwrap();
    assert_eq!(Envelope::parse(&json), Err(EnvelopeError::TooManySignatures));
    let message = JobMessage::of(more).unwrap().to_json().unwrap();
    assert!(matches!(
        JobMessage::parse(&message),
        Err(MessageError::Envelope(EnvelopeError::TooManySignatures))
    ));
    let long = Envelope::around_payload("x", vec![0; MAX_ENVELOPE_BYTES]);
    assert_eq!(Envelope::parse(&serde_json::to_vec(&long).unwrap()), Err(EnvelopeError::TooLong));
}

#[test]
fn signatures_over_another_payload_are_not_taken_over() {
    let one = Envelope::around_payload("t", b"one".to_vec()).sign_ed25519(&key("bea"));
    let same = Envelope::around_payload("t", b"one".to_vec()).sign_ed25519(&key("cyd"));
    let other = Envelope::around_payload("t", b"two".to_vec()).sign_ed25519(&key("cyd"));
    let both = one.clone().with_signatures_of(&same).unwrap().with_signatures_of(&same).unwrap();
    assert_eq!(both.signatures().len(), 2);
    assert_eq!(both.verified_by([&key("bea").public(), &key("cyd").public()]).len(), 2);
    assert_eq!(one.with_signatures_of(&other), Err(EnvelopeError::OtherPayload));
}

/// What a root with one thing changed is refused for.
fn refused(spoil: impl FnOnce(&mut Root)) -> Outcome<Option<Invalid>> {
    let scene = Scene::new()?;
    let mut root = full_root(&scene)?;
    spoil(&mut root);
    match root.to_payload() {
        Ok(_) => Ok(None),
        Err(StatementError::Invalid(invalid)) => Ok(Some(invalid)),
        Err(error) => Err(error.into()),
    }
}

#[test]
fn a_key_stands_once_in_a_root_whatever_it_is_for() {
    let twice =
        |spoil: fn(&mut Root)| matches!(refused(spoil).unwrap(), Some(Invalid::KeyTwice(_)));
    assert_eq!(refused(|_| ()).unwrap(), None);
    assert!(twice(|r| r.roles.root.keys.push(trust_key("root"))));
    assert!(twice(|r| r.roles.root.keys.push(trust_key("dispatcher"))));
    assert!(twice(|r| r.roles.dispatcher.keys.push(trust_key("bea"))));
    assert!(twice(|r| r.roles.people[0].keys.push(trust_key("bea"))));
    assert!(twice(|r| r.logs[0].keys.push(key("bea").public())));
    assert!(twice(|r| r.logs[0].witnesses[0].spki = key("sealer").public()));
    assert!(twice(|r| r.agent_authorities[0].spki_sha256 = key("bea").id()));
}

#[test]
fn a_person_stands_once_in_a_root() {
    let twice = refused(|r| r.roles.people[1].person = person_id("ada").unwrap()).unwrap();
    assert_eq!(twice, Some(Invalid::PersonTwice(person_id("ada").unwrap())));
}

#[test]
fn a_demand_below_one_or_out_of_reach_makes_a_root_invalid() {
    fn production(root: &mut Root) -> &mut trust::statement::Environment {
        root.environments.entry("production".to_owned()).or_insert_with(crate::scene::environment)
    }
    let below =
        |spoil: fn(&mut Root)| matches!(refused(spoil).unwrap(), Some(Invalid::BelowOne(_)));
    let beyond =
        |spoil: fn(&mut Root)| matches!(refused(spoil).unwrap(), Some(Invalid::Unreachable { .. }));
    assert!(below(|r| r.version = 0));
    assert!(below(|r| r.roles.root.threshold = 0));
    assert!(beyond(|r| r.roles.root.threshold = 2));
    assert!(below(|r| production(r).quorum = 0));
    assert!(beyond(|r| production(r).quorum = 5));
    assert_eq!(refused(|r| production(r).quorum = 4).unwrap(), None);
    assert!(beyond(|r| {
        production(r).quorum = 4;
        production(r).author = AuthorRule::Asserted;
    }));
    assert!(below(|r| production(r).requirements = vec![requirement("dba", 0)]));
    assert!(beyond(|r| production(r).requirements = vec![requirement("dba", 3)]));
    assert!(beyond(|r| production(r).requirements = vec![requirement("nobody", 1)]));
    assert!(beyond(|r| {
        production(r).quorum = 4;
        r.roles.people[3].keys.clear();
    }));
    assert!(beyond(|r| {
        production(r).quorum = 1;
        production(r).requirements = vec![requirement("dba", 2)];
        r.roles.people[1].keys.clear();
    }));
    assert!(below(|r| production(r).max_validity_seconds = 0));
    assert!(beyond(|r| {
        if let Some(rule) = &mut production(r).break_glass {
            rule.quorum = 3;
        }
    }));
    assert!(beyond(|r| r.logs[0].witness_quorum = 2));
    assert!(below(|r| r.logs[0].witness_quorum = 0));
    let unwitnessed = |r: &mut Root| {
        r.logs[0].witnesses = vec![];
        r.logs[0].witness_quorum = 0;
    };
    assert_eq!(refused(unwitnessed).unwrap(), None);
}

#[test]
fn a_production_root_lives_at_most_thirty_days() {
    let lives = |seconds: i64, development: bool| {
        refused(|r| {
            r.development = development;
            r.expires = r.issued_at.plus_seconds(seconds);
        })
        .unwrap()
    };
    assert_eq!(lives(30 * 86_400, false), None);
    assert_eq!(lives(30 * 86_400 + 1, false), Some(Invalid::RootLivesTooLong));
    assert_eq!(lives(300 * 86_400, true), None);
    assert_eq!(lives(0, true), Some(Invalid::EmptyPeriod("root")));
}

#[test]
fn a_root_opens_only_against_its_pin_and_with_its_own_threshold() {
    let scene = Scene::new().unwrap();
    let root = scene.root_envelope().unwrap();
    let pin = RootRef { version: 3, sha256: root.payload_sha256() };
    assert_eq!(PinnedRoot::open(&root, &pin).unwrap().reference(), pin);
    let other = RootRef { version: 3, sha256: ZEROS.parse().unwrap() };
    assert!(matches!(PinnedRoot::open(&root, &other), Err(RootError::NotPinned { .. })));
    let other = RootRef { version: 2, ..pin };
    assert!(matches!(PinnedRoot::open(&root, &other), Err(RootError::NotPinned { .. })));
    let unsigned = Envelope::around_payload(root.payload_type(), root.payload().to_vec());
    let threshold = RootError::Threshold { signed: 0, threshold: 1 };
    assert_eq!(PinnedRoot::open(&unsigned, &pin), Err(threshold.clone()));
    let stranger = unsigned.sign_ed25519(&key("dispatcher"));
    assert_eq!(PinnedRoot::open(&stranger, &pin), Err(threshold));
}

#[test]
fn a_change_names_targets_or_a_selector() {
    let mut change = Scene::new().unwrap().change;
    change.targets = None;
    assert_eq!(change.to_payload(), Err(StatementError::Invalid(Invalid::TargetsXorSelector)));
    let mut change = Scene::new().unwrap().change;
    change.steps = vec![];
    assert_eq!(change.to_payload(), Err(StatementError::Invalid(Invalid::NoStep)));
}

#[test]
fn a_number_that_not_every_reader_holds_is_never_written() {
    let mut job = Scene::new().unwrap().job;
    job.fence = (1 << 53) - 1;
    assert!(job.to_payload().is_ok());
    job.fence = 1 << 53;
    assert!(matches!(job.to_payload(), Err(StatementError::Form(_))));
}

#[test]
fn a_refusal_stands_in_a_result_exactly_when_it_is_refused() {
    let mut refused = result().unwrap();
    refused.outcome = JobOutcome::Refused;
    assert!(refused.to_payload().is_err());
    refused.refusal = Some(trust::accept::Reason::QuorumNotMet);
    let payload = String::from_utf8(refused.to_payload().unwrap()).unwrap();
    assert!(payload.contains(r#""outcome":"refused","refusal":"quorum_not_met""#), "{payload}");
    refused.outcome = JobOutcome::Succeeded;
    assert!(refused.to_payload().is_err());
}

#[test]
fn a_result_counts_a_person_once() {
    let mut twice = result().unwrap();
    twice.counted.push(person_id("bea").unwrap());
    let bea = Invalid::PersonTwice(person_id("bea").unwrap());
    assert_eq!(twice.to_payload(), Err(StatementError::Invalid(bea)));
}

#[test]
fn a_refusals_serde_form_is_its_name() {
    for reason in trust::accept::Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), json!(reason.name()));
    }
}

#[test]
fn an_id_of_another_kind_is_refused_in_a_statement() {
    let payload = Scene::new().unwrap().job.to_payload().unwrap();
    let text = String::from_utf8(payload).unwrap();
    let wrong = text.replacen("\"dsc_", "\"chg_", 1);
    assert!(text != wrong && text.contains(&digits("orders")));
    assert!(Job::parse(wrong.as_bytes()).is_err());
}

#[test]
fn a_job_carries_what_its_mode_speaks_of_and_only_that() {
    let job = Scene::new().unwrap().job;
    let member = |spoil: fn(&mut Job), introspect: bool| {
        let mut scene = Scene::new().unwrap();
        if introspect {
            scene.introspect();
        }
        spoil(&mut scene.job);
        match scene.job.to_payload() {
            Err(StatementError::Invalid(Invalid::DoesNotGoWith { member, .. })) => member,
            _ => "accepted",
        }
    };
    assert!(job.to_payload().is_ok());
    assert_eq!(member(|j| j.change_sha256 = None, false), "change_sha256");
    assert_eq!(member(|j| j.steps = vec![], false), "steps");
    assert_eq!(member(|j| j.fence = 0, false), "fence");
    assert_eq!(member(|j| j.log = None, false), "log");
    assert_eq!(member(|_| (), true), "accepted");
    assert_eq!(member(|j| j.change_sha256 = ZEROS.parse().ok(), true), "change_sha256");
    assert_eq!(member(|j| j.steps = vec![1], true), "steps");
    assert_eq!(member(|j| j.fence = 1, true), "fence");
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _envelope = Envelope::parse(&bytes);
        let _message = AgentMessage::parse(&bytes);
        let _result = ResultMessage::parse(&bytes);
        let _root = Root::parse(&bytes);
        let _change = Change::parse(&bytes);
        let _name = String::from_utf8_lossy(&bytes).parse::<trust::spiffe::SpiffeId>();
    }

    #[test]
    fn a_damaged_message_is_answered_without_a_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = scene(|_| ()).unwrap().seal().unwrap().message.to_json().unwrap();
        let place = place.index(json.len());
        json[place] = byte;
        if let Ok(AgentMessage::Job(message)) = AgentMessage::parse(&json) {
            let delivery = crate::scene::Delivery { message: *message, ..scene(|_| ()).unwrap().seal().unwrap() };
            let _verdict = delivery.judge();
        }
    }
}
