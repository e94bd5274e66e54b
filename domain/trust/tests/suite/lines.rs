//! Lines 1 to 7: one test for each refusal, with the nearest case that is accepted.

use crate::scene::{ZEROS, at, digits, key, scene, told, verdict, verdict_on};
use std::collections::BTreeMap;
use trust::dsse::{Envelope, Parsed};
use trust::statement::{Change, Mode, RootRef, Selector, Statement as _};

#[test]
fn a_change_that_two_people_countersigned_is_accepted() {
    assert_eq!(verdict(|_| ()).unwrap(), "accepted");
}

#[test]
fn an_introspection_needs_neither_change_nor_people() {
    assert_eq!(verdict(crate::scene::Scene::introspect).unwrap(), "accepted");
}

#[test]
fn malformed_statements_are_refused_before_anything_else() {
    let other_type = |d: &mut crate::scene::Delivery| {
        let payload = d.message.change.as_ref().unwrap().payload().to_vec();
        let wrong = Envelope::around_payload("application/vnd.countersign.change.v2+json", payload);
        d.message.change = Some(wrong);
    };
    assert_eq!(verdict_on(other_type).unwrap(), "1 malformed");
    let loose = |d: &mut crate::scene::Delivery| {
        let mut payload = d.message.change.as_ref().unwrap().payload().to_vec();
        payload.extend_from_slice(b" x");
        d.message.change = Some(Envelope::around_payload(Change::PAYLOAD_TYPE, payload));
    };
    assert_eq!(verdict_on(loose).unwrap(), "1 malformed");
    assert_eq!(verdict_on(|d| d.message.change = None).unwrap(), "1 malformed");
    assert_eq!(verdict_on(|d| d.message.sql = None).unwrap(), "1 malformed");
    let mut introspection = scene(crate::scene::Scene::introspect).unwrap().seal().unwrap();
    introspection.message.sql = Some(b"select 1".to_vec());
    assert_eq!(told(introspection.judge()), "1 malformed");
}

#[test]
fn a_job_that_no_dispatcher_key_signed_is_refused() {
    assert_eq!(verdict(|s| s.dispatcher = "bea").unwrap(), "2 dispatcher_unknown");
    let revoke = |s: &mut crate::scene::Scene| {
        s.site.revoked_keys.insert(key("dispatcher").id());
    };
    assert_eq!(verdict(revoke).unwrap(), "2 dispatcher_unknown");
}

#[test]
fn a_job_of_another_epoch_is_refused() {
    assert_eq!(verdict(|s| s.job.dispatcher_epoch = 2).unwrap(), "2 epoch_mismatch");
    let both = |s: &mut crate::scene::Scene| {
        s.job.dispatcher_epoch = 2;
        s.root.roles.dispatcher.epoch = 2;
    };
    assert_eq!(verdict(both).unwrap(), "accepted");
}

#[test]
fn another_tenant_is_refused_wherever_it_is_named() {
    let other = || "umbra".parse().unwrap();
    assert_eq!(verdict(|s| s.job.tenant = other()).unwrap(), "3 wrong_tenant");
    assert_eq!(verdict(|s| s.change.tenant = other()).unwrap(), "3 wrong_tenant");
    assert_eq!(verdict(|s| s.root.tenant = other()).unwrap(), "3 wrong_tenant");
    assert_eq!(verdict(|s| s.site.tenant = other()).unwrap(), "3 wrong_tenant");
    let own_id = |s: &mut crate::scene::Scene| {
        s.site.agent = "spiffe://example.org/tenant/umbra/agent/lisbon".parse().unwrap();
        s.job.audience = s.site.agent.clone();
    };
    assert_eq!(verdict(own_id).unwrap(), "3 wrong_tenant");
}

#[test]
fn a_job_for_another_agent_is_refused() {
    for other in [
        "spiffe://example.org/tenant/acme/agent/porto",
        "spiffe://example.net/tenant/acme/agent/lisbon",
    ] {
        let told = verdict(|s| s.job.audience = other.parse().unwrap()).unwrap();
        assert_eq!(told, "3 wrong_audience");
    }
}

#[test]
fn a_data_source_that_is_not_configured_here_is_refused() {
    let other = format!("dsc_{}", digits("billing"));
    let told = verdict(|s| s.job.data_source = other.parse().unwrap()).unwrap();
    assert_eq!(told, "4 unknown_data_source");
}

#[test]
fn a_mode_that_the_site_does_not_allow_is_refused() {
    let told = verdict(|s| s.source.modes = [Mode::Introspect].into()).unwrap();
    assert_eq!(told, "4 mode_not_allowed");
    assert_eq!(verdict(|s| s.job.mode = Mode::Rollback).unwrap(), "4 mode_not_allowed");
}

#[test]
fn modes_that_are_not_built_are_refused_by_name() {
    let rollback = |s: &mut crate::scene::Scene| {
        s.job.mode = Mode::Rollback;
        s.source.modes.insert(Mode::Rollback);
    };
    assert_eq!(verdict(rollback).unwrap(), "4 not_supported");
    let mut validate = scene(|s| {
        s.introspect();
        s.job.mode = Mode::Validate;
        s.source.modes.insert(Mode::Validate);
    })
    .unwrap()
    .seal()
    .unwrap();
    validate.message.sql = Some(b"select 1".to_vec());
    assert_eq!(told(validate.judge()), "4 not_supported");
}

#[test]
fn a_newer_root_is_not_walked_to_yet() {
    let newer = |version| scene(|s| s.root.version = version).unwrap().root_envelope().unwrap();
    assert_eq!(verdict_on(|d| d.message.roots = vec![newer(4)]).unwrap(), "2 not_supported");
    assert_eq!(verdict_on(|d| d.message.roots = vec![newer(2), newer(3)]).unwrap(), "accepted");
}

#[test]
fn an_expired_root_is_refused() {
    let expires = |seconds| verdict(|s| s.root.expires = at(seconds).unwrap()).unwrap();
    assert_eq!(expires(0), "5 root_expired");
    assert_eq!(expires(1), "accepted");
}

#[test]
fn a_root_older_than_the_changes_or_the_pin_is_refused() {
    let named = |version| RootRef { version, sha256: ZEROS.parse().unwrap() };
    assert_eq!(verdict(|s| s.change_root = Some(named(4))).unwrap(), "5 root_rollback");
    assert_eq!(verdict(|s| s.change_root = Some(named(2))).unwrap(), "accepted");
    assert_eq!(verdict_on(|d| d.site.root.version = 4).unwrap(), "5 root_rollback");
}

#[test]
fn another_root_of_the_same_version_is_refused() {
    let named = RootRef { version: 3, sha256: ZEROS.parse().unwrap() };
    assert_eq!(verdict(|s| s.change_root = Some(named)).unwrap(), "5 root_mismatch");
    assert_eq!(verdict_on(|d| d.site.root = named).unwrap(), "5 root_mismatch");
}

#[test]
fn a_development_root_needs_a_development_site() {
    assert_eq!(verdict(|s| s.root.development = true).unwrap(), "5 development_root");
    let both = |s: &mut crate::scene::Scene| {
        s.root.development = true;
        s.site.development = true;
    };
    assert_eq!(verdict(both).unwrap(), "accepted");
}

#[test]
fn what_is_issued_in_the_future_is_refused() {
    let job = |seconds| verdict(|s| s.job.issued_at = at(seconds).unwrap()).unwrap();
    assert_eq!(job(121), "6 not_yet_valid");
    assert_eq!(job(120), "accepted");
    let change = |seconds| verdict(|s| s.change.issued_at = at(seconds).unwrap()).unwrap();
    assert_eq!(change(121), "6 not_yet_valid");
    assert_eq!(change(120), "accepted");
}

#[test]
fn what_is_over_is_refused() {
    let job = |seconds| verdict(|s| s.job.not_after = at(seconds).unwrap()).unwrap();
    assert_eq!((job(0).as_str(), job(1).as_str()), ("6 expired", "accepted"));
    let change = |seconds| verdict(|s| s.change.not_after = at(seconds).unwrap()).unwrap();
    assert_eq!((change(0).as_str(), change(1).as_str()), ("6 expired", "accepted"));
    let introspection = verdict(|s| {
        s.introspect();
        s.job.not_after = at(0).unwrap();
    });
    assert_eq!(introspection.unwrap(), "6 expired");
}

#[test]
fn a_change_that_is_valid_for_too_long_is_refused() {
    let valid = |seconds| verdict(|s| s.change.not_after = at(seconds).unwrap()).unwrap();
    assert_eq!(valid(86_400 - 60 + 1), "6 validity_too_long");
    assert_eq!(valid(86_400 - 60), "accepted");
}

#[test]
fn a_clock_that_went_back_or_away_is_refused() {
    let floor = |seconds| verdict(|s| s.moment.time_floor = at(seconds).unwrap()).unwrap();
    assert_eq!((floor(1).as_str(), floor(0).as_str()), ("6 clock_behind", "accepted"));
    for (seconds, told) in
        [(301, "6 clock_behind"), (300, "accepted"), (-300, "accepted"), (-301, "6 clock_behind")]
    {
        let target = at(seconds).unwrap();
        assert_eq!(verdict(|s| s.moment.target_clock = Some(target)).unwrap(), told);
    }
    assert_eq!(verdict(|s| s.moment.target_clock = None).unwrap(), "6 clock_behind");
}

#[test]
fn another_change_than_the_jobs_is_refused() {
    let other = scene(|s| s.change.revision = 2).unwrap().seal().unwrap().message;
    let told = verdict_on(|d| d.message.change = other.change).unwrap();
    assert_eq!(told, "7 change_mismatch");
}

#[test]
fn a_change_for_another_environment_is_refused() {
    let staging = |s: &mut crate::scene::Scene| {
        s.change.environment = "staging".to_owned();
    };
    assert_eq!(verdict(staging).unwrap(), "7 wrong_environment");
    let local = |s: &mut crate::scene::Scene| s.source.environment = "staging".to_owned();
    assert_eq!(verdict(local).unwrap(), "7 wrong_environment");
    let unknown_to_the_root = |s: &mut crate::scene::Scene| {
        staging(s);
        local(s);
    };
    assert_eq!(verdict(unknown_to_the_root).unwrap(), "7 wrong_environment");
}

#[test]
fn a_target_must_be_listed_by_both_of_its_names() {
    let by_name = verdict(|s| s.source.name = "billing".to_owned()).unwrap();
    assert_eq!(by_name, "7 wrong_target");
    let by_id = verdict(|s| {
        let targets = s.change.targets.as_mut().unwrap();
        targets[0].id = format!("dsc_{}", digits("billing")).parse().unwrap();
    });
    assert_eq!(by_id.unwrap(), "7 wrong_target");
}

#[test]
fn a_selector_must_name_labels_and_all_of_them_must_be_equal() {
    let select = |labels: &[(&str, &str)]| {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let labels: BTreeMap<String, String> = labels.iter().map(owned).collect();
        verdict(|s| {
            s.change.targets = None;
            s.change.selector = Some(Selector { labels });
        })
        .unwrap()
    };
    assert_eq!(select(&[("region", "eu")]), "accepted");
    assert_eq!(select(&[("region", "us")]), "7 wrong_target");
    assert_eq!(select(&[("region", "eu"), ("tier", "1")]), "7 wrong_target");
    assert_eq!(select(&[]), "7 wrong_target");
}

#[test]
fn a_policy_that_the_root_does_not_allow_is_refused() {
    let other = |s: &mut crate::scene::Scene| s.change.policy.sha256 = ZEROS.parse().unwrap();
    assert_eq!(verdict(other).unwrap(), "7 policy_not_allowed");
    let any = |s: &mut crate::scene::Scene| {
        other(s);
        s.production.policies = None;
    };
    assert_eq!(verdict(any).unwrap(), "accepted");
}

#[test]
fn the_first_failing_line_names_the_refusal() {
    let everything = |s: &mut crate::scene::Scene| {
        s.job.audience = "spiffe://example.org/tenant/acme/agent/porto".parse().unwrap();
        s.root.expires = at(0).unwrap();
        s.approvals = vec![];
        s.change.not_after = at(0).unwrap();
    };
    assert_eq!(verdict(everything).unwrap(), "3 wrong_audience");
    let cancelled = scene(|_| ()).unwrap().seal().unwrap().message.job;
    assert_eq!(Parsed::from_envelope(cancelled.envelope().clone()).unwrap(), cancelled);
}
