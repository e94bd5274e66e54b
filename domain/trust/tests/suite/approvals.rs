//! Line 8: who is counted, and when it is enough.

use crate::scene::{
    Outcome, Scene, at, by_passkey, key, person_id, requirement, scene, trust_key, verdict,
};
use p256::pkcs8::EncodePublicKey as _;
use trust::accept::Verdict;
use trust::dsse::{Certificate, Envelope, Parsed};
use trust::names::PrincipalId;
use trust::quorum::{LocalRules, Shortfall, granted};
use trust::statement::{AuthorRule, BreakGlass, Change, Delegation, Submission, TrustKey};

#[test]
fn fewer_people_than_the_quorum_are_refused() {
    assert_eq!(verdict(|s| s.approvals = vec!["bea"]).unwrap(), "8 quorum_not_met");
    assert_eq!(verdict(|s| s.approvals = vec![]).unwrap(), "8 quorum_not_met");
    assert_eq!(verdict(|s| s.approvals = vec!["bea", "stranger"]).unwrap(), "8 quorum_not_met");
}

#[test]
fn one_person_with_two_keys_is_one_person() {
    let told = verdict(|s| s.approvals = vec!["bea", "bea2", "bea"]).unwrap();
    assert_eq!(told, "8 quorum_not_met");
    assert_eq!(verdict(|s| s.approvals = vec!["bea2", "cyd"]).unwrap(), "accepted");
}

#[test]
fn an_author_who_signs_the_own_change_is_not_counted() {
    assert_eq!(verdict(|s| s.approvals = vec!["ada", "bea"]).unwrap(), "8 quorum_not_met");
    assert_eq!(verdict(|s| s.approvals = vec!["ada", "bea", "cyd"]).unwrap(), "accepted");
}

#[test]
fn an_author_whom_only_the_server_names_costs_one_more_person() {
    let asserted = |s: &mut Scene| {
        s.production.author = AuthorRule::Asserted;
        s.submitters = vec![];
    };
    assert_eq!(verdict(asserted).unwrap(), "8 quorum_not_met");
    let three = |s: &mut Scene| {
        asserted(s);
        s.approvals = vec!["bea", "cyd", "dan"];
    };
    assert_eq!(verdict(three).unwrap(), "accepted");
}

#[test]
fn the_sites_own_minimum_is_kept() {
    assert_eq!(verdict(|s| s.source.quorum = 3).unwrap(), "8 quorum_not_met");
    let three = |s: &mut Scene| {
        s.source.quorum = 3;
        s.approvals.push("dan");
    };
    assert_eq!(verdict(three).unwrap(), "accepted");
    assert_eq!(verdict(|s| s.source.quorum = 1).unwrap(), "accepted");
    let alone = |s: &mut Scene| {
        s.source.quorum = 1;
        s.approvals = vec!["bea"];
    };
    assert_eq!(verdict(alone).unwrap(), "8 quorum_not_met");
}

#[test]
fn a_revoked_key_does_not_count() {
    let revoke = |s: &mut Scene| {
        s.site.revoked_keys.insert(key("cyd").id());
    };
    assert_eq!(verdict(revoke).unwrap(), "8 quorum_not_met");
}

#[test]
fn a_role_that_root_change_or_site_demand_must_be_among_the_people() {
    let told = verdict(|s| s.approvals = vec!["cyd", "dan"]).unwrap();
    assert_eq!(told, "8 requirement_not_met", "nobody of the root's and change's role dba");
    let told = verdict(|s| s.approvals = vec!["bea", "dan"]).unwrap();
    assert_eq!(told, "8 requirement_not_met", "nobody of the site's role reviewer");
    let told = verdict(|s| s.change.requirements.push(requirement("dba", 2))).unwrap();
    assert_eq!(told, "8 requirement_not_met", "one of the change's two of the role dba");
    let elsewhere = |s: &mut Scene| {
        s.production.requirements = vec![];
        let bea = s.root.roles.people.iter_mut().find(|p| p.person == person_id("bea").unwrap());
        bea.unwrap().roles[0].environments = vec!["staging".to_owned()];
    };
    assert_eq!(verdict(elsewhere).unwrap(), "8 requirement_not_met");
}

#[test]
fn an_author_must_have_signed_where_the_root_says_so() {
    for nobody in [vec![], vec!["bea"], vec!["stranger"]] {
        let told = verdict(|s| s.submitters = nobody).unwrap();
        assert_eq!(told, "8 author_unsigned");
    }
    let mut delivery = scene(|_| ()).unwrap().seal().unwrap();
    let other = scene(|s| s.change.revision = 2).unwrap().seal().unwrap();
    delivery.message.submission = other.message.submission;
    assert_eq!(crate::scene::told(delivery.judge()), "8 author_unsigned");
}

#[test]
fn an_author_signs_for_the_own_tenant_and_name() {
    let told = |spoil: fn(&mut Submission)| {
        let mut delivery = scene(|_| ()).unwrap().seal().unwrap();
        let submission = delivery.message.submission.take().unwrap();
        let mut said: Submission = submission.read().unwrap();
        spoil(&mut said);
        delivery.message.submission =
            Some(Envelope::around(&said).unwrap().sign_ed25519(&key("ada")));
        crate::scene::told(delivery.judge())
    };
    assert_eq!(told(|_| ()), "accepted");
    assert_eq!(told(|s| s.tenant = "umbra".parse().unwrap()), "8 author_unsigned");
    assert_eq!(told(|s| s.author = person_id("bea").unwrap()), "8 author_unsigned");
}

#[test]
fn a_submission_by_passkey_is_refused_by_name() {
    let told = |passkey_of: &str| {
        let mut scene = Scene::new().unwrap();
        scene.submitters = vec!["stranger"];
        let holder = person_id(passkey_of).unwrap();
        let id = passkey(&mut scene, &holder).unwrap();
        let mut delivery = scene.seal().unwrap();
        let submission = delivery.message.submission.take().unwrap();
        delivery.message.submission = Some(submission.with_signature(by_passkey(&id)));
        crate::scene::told(delivery.judge())
    };
    assert_eq!(told("ada"), "8 not_supported");
    assert_eq!(told("dan"), "8 author_unsigned");
}

#[test]
fn enough_people_must_have_used_a_key_outside_a_browser() {
    assert_eq!(verdict(|s| s.production.native_min = 3).unwrap(), "8 native_min_not_met");
    assert_eq!(verdict(|s| s.production.native_min = 2).unwrap(), "accepted");
}

/// Gives somebody a passkey; its id.
fn passkey(scene: &mut Scene, holder: &PrincipalId) -> Outcome<String> {
    let secret = p256::SecretKey::from_slice(&[9; 32])?;
    let spki = secret.public_key().to_public_key_der()?.as_bytes().to_vec();
    let key = TrustKey::Webauthn {
        spki,
        rp_id: "example.org".to_owned(),
        origin: "https://example.org".to_owned(),
    };
    let id = key.id().to_string();
    let people = scene.root.roles.people.iter_mut();
    people.filter(|p| p.person == *holder).for_each(|p| p.keys.push(key.clone()));
    Ok(id)
}

#[test]
fn a_passkey_is_left_out_and_named_only_where_it_matters() {
    let enough = |s: &mut Scene| {
        let id = passkey(s, &person_id("dan").unwrap()).unwrap();
        s.passkey_approvals.push(id);
    };
    assert_eq!(verdict(enough).unwrap(), "accepted");
    let missing = |s: &mut Scene| {
        enough(s);
        s.approvals = vec!["bea"];
    };
    assert_eq!(verdict(missing).unwrap(), "8 not_supported");
    let strangers = |s: &mut Scene| {
        s.approvals = vec!["bea"];
        s.passkey_approvals.push("somebody".to_owned());
    };
    assert_eq!(verdict(strangers).unwrap(), "8 quorum_not_met");
}

#[test]
fn delegations_and_break_glass_are_refused_by_name() {
    let delegate = |s: &mut Scene| {
        s.delegations.push(Delegation {
            tenant: "acme".parse().unwrap(),
            from: person_id("bea").unwrap(),
            to: person_id("dan").unwrap(),
            roles: vec!["dba".to_owned()],
            environments: vec!["production".to_owned()],
            not_before: at(-10).unwrap(),
            not_after: at(10).unwrap(),
        });
    };
    assert_eq!(verdict(delegate).unwrap(), "8 not_supported");
    let emergency = |s: &mut Scene| {
        let reason_sha256 = trust::encoding::Sha256Digest::of(b"fire");
        s.change.break_glass = Some(BreakGlass { reason_sha256 });
    };
    assert_eq!(verdict(emergency).unwrap(), "8 not_supported");
}

#[test]
fn a_wrong_key_id_neither_hides_nor_makes_a_signature() {
    let mut delivery = scene(|s| s.approvals = vec!["bea"]).unwrap().seal().unwrap();
    let mut signature = delivery.message.change.as_ref().unwrap().signatures()[0].clone();
    signature.keyid = key("cyd").id().to_string();
    let alone = delivery.message.change.take().unwrap().with_signature(signature);
    delivery.message.change = Some(alone);
    assert_eq!(crate::scene::told(delivery.judge()), "8 quorum_not_met");

    let mut delivery = scene(|_| ()).unwrap().seal().unwrap();
    let envelope = delivery.message.change.take().unwrap();
    let mut renamed =
        trust::dsse::Envelope::around_payload(envelope.payload_type(), envelope.payload().to_vec());
    for signature in envelope.signatures() {
        let keyid = "somebody".to_owned();
        renamed = renamed.with_signature(trust::dsse::Signature { keyid, ..signature.clone() });
    }
    delivery.message.change = Some(renamed);
    assert_eq!(crate::scene::told(delivery.judge()), "accepted");
}

#[test]
fn a_count_says_who_of_which_roles_and_what_is_missing() {
    let delivery = scene(|_| ()).unwrap().seal().unwrap();
    let change: Parsed<Change> =
        Parsed::from_envelope(delivery.message.change.clone().unwrap()).unwrap();
    let root = delivery.current.root();
    let submission = Parsed::from_envelope(delivery.message.submission.clone().unwrap()).unwrap();
    let counted = granted(&change, Some(&submission), root, &LocalRules::default()).unwrap();
    let Verdict::Accepted(accepted) = delivery.judge().unwrap() else { panic!("not accepted") };
    let migration = accepted.migration().unwrap();
    assert_eq!(counted.people().cloned().collect::<Vec<_>>(), migration.counted());
    assert_eq!((counted.total(), counted.holding("dba"), counted.native()), (2, 1, 2));
    let missing = granted(&change, None, root, &LocalRules::default());
    assert_eq!(missing, Err(Shortfall::AuthorUnsigned));
    let stricter = LocalRules { quorum: 4, ..LocalRules::default() };
    let missing = granted(&change, Some(&submission), root, &stricter);
    assert_eq!(missing, Err(Shortfall::Quorum { have: 2, need: 4 }));
}

#[test]
fn a_key_that_the_current_root_no_longer_lists_does_not_count() {
    let told = verdict(|s| s.root.roles.people[2].keys = vec![trust_key("cyd the second")]);
    assert_eq!(told.unwrap(), "8 quorum_not_met");
}

#[test]
fn a_signature_that_says_it_is_a_passkeys_is_not_counted_as_another_kind() {
    let mut delivery = scene(|s| s.approvals = vec!["bea"]).unwrap().seal().unwrap();
    let envelope = delivery.message.change.take().unwrap();
    let mut signature = envelope.clone().sign_ed25519(&key("cyd")).signatures()[1].clone();
    signature.webauthn =
        Some(trust::dsse::Webauthn { authenticator_data: vec![], client_data_json: vec![] });
    delivery.message.change = Some(envelope.with_signature(signature));
    assert_eq!(crate::scene::told(delivery.judge()), "8 quorum_not_met");
}

#[test]
fn a_signature_that_brings_certificates_is_not_counted_as_a_persons() {
    let mut delivery = scene(|s| s.approvals = vec!["bea"]).unwrap().seal().unwrap();
    let envelope = delivery.message.change.take().unwrap();
    let mut signature = envelope.clone().sign_ed25519(&key("cyd")).signatures()[1].clone();
    signature.x5c = Some(vec![Certificate(vec![1])]);
    delivery.message.change = Some(envelope.with_signature(signature));
    assert_eq!(crate::scene::told(delivery.judge()), "8 quorum_not_met");
}
