//! Given, when, then: approvals.

use super::*;
use crate::given::{at, blob, by, digest, person};
use crate::ids::{ChangeId, DataSourceId};
use crate::policy::{builtin_quorum, builtin_stages};
use crate::vocabulary::{RootRef, Start};
use cqrs_es::test::TestFramework;
use serde_json::json;

fn approval() -> TestFramework<Approval> {
    TestFramework::with(())
}

fn opened(quorum: u32, requirements: Vec<Requirement>) -> Opened {
    Opened {
        change: ChangeId::derived("change", &["1"]),
        revision: 1,
        data_source: DataSourceId::derived("data_source", &["1"]),
        environment: "dev".to_owned(),
        author: person("ada"),
        manifest: blob(b"{}"),
        change_sha256: digest(b"{}"),
        root: RootRef { version: 1, sha256: digest(b"root") },
        policy: builtin_quorum(),
        stages: builtin_stages(quorum, requirements),
        start: Start::OnApproval,
        deadline: "2026-11-21T07:00:00.000000Z".parse().unwrap(),
    }
}

fn open(quorum: u32) -> ApprovalEvent {
    ApprovalEvent::Opened(opened(quorum, vec![]))
}

fn signer(name: &str, roles: &[&str]) -> Signer {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Signer { person: person(name), roles }
}

fn sign(name: &str, roles: &[&str]) -> ApprovalCommand {
    ApprovalCommand::Countersign {
        signer: Some(signer(name, roles)),
        signature: json!({"by": name}),
    }
}

fn signed(name: &str, roles: &[&str]) -> ApprovalEvent {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    ApprovalEvent::Signed(Signed { person: person(name), roles, signature: json!({"by": name}) })
}

fn reject(name: &str) -> ApprovalCommand {
    ApprovalCommand::Reject {
        signer: Some(signer(name, &[])),
        statement: blob(b"no"),
        reason: None,
    }
}

#[test]
fn an_approval_is_opened_once() {
    approval()
        .given_no_previous_events()
        .when(by("flow", ApprovalCommand::Open(opened(2, vec![]))))
        .then_expect_events(vec![open(2)]);
    approval()
        .given(vec![open(2)])
        .when(by("flow", ApprovalCommand::Open(opened(2, vec![]))))
        .then_expect_error(ApprovalError::AlreadyOpen);
}

#[test]
fn an_approval_without_a_quorum_is_not_opened() {
    for stages in [vec![], builtin_stages(0, vec![])] {
        approval()
            .given_no_previous_events()
            .when(by("flow", ApprovalCommand::Open(Opened { stages, ..opened(1, vec![]) })))
            .then_expect_error(ApprovalError::NoStages);
    }
}

#[test]
fn nobody_signs_what_does_not_exist() {
    approval()
        .given_no_previous_events()
        .when(by("bob", sign("bob", &[])))
        .then_expect_error(ApprovalError::NotFound);
}

#[test]
fn the_last_signature_grants() {
    approval()
        .given(vec![open(2)])
        .when(by("bob", sign("bob", &[])))
        .then_expect_events(vec![signed("bob", &[])]);
    approval()
        .given(vec![open(2), signed("bob", &[])])
        .when(by("cy", sign("cy", &[])))
        .then_expect_events(vec![signed("cy", &[]), ApprovalEvent::Granted {}]);
}

#[test]
fn a_requirement_waits_for_somebody_of_the_role() {
    let dba = vec![Requirement { role: "dba".to_owned(), count: 1 }];
    let open = ApprovalEvent::Opened(opened(1, dba));
    approval()
        .given(vec![open.clone()])
        .when(by("bob", sign("bob", &["lead"])))
        .then_expect_events(vec![signed("bob", &["lead"])]);
    approval()
        .given(vec![open, signed("bob", &["lead"])])
        .when(by("cy", sign("cy", &["dba"])))
        .then_expect_events(vec![signed("cy", &["dba"]), ApprovalEvent::Granted {}]);
}

#[test]
fn a_person_signs_only_once() {
    approval()
        .given(vec![open(2), signed("bob", &[])])
        .when(by("bob", sign("bob", &[])))
        .then_expect_error(ApprovalError::AlreadySigned);
}

#[test]
fn the_author_does_not_sign() {
    approval()
        .given(vec![open(2)])
        .when(by("ada", sign("ada", &[])))
        .then_expect_error(ApprovalError::Author);
}

#[test]
fn a_key_outside_the_root_does_not_sign() {
    let command = ApprovalCommand::Countersign { signer: None, signature: json!({}) };
    approval()
        .given(vec![open(2)])
        .when(by("bob", command))
        .then_expect_error(ApprovalError::KeyNotInRoot);
}

#[test]
fn nobody_signs_with_somebody_elses_key() {
    approval()
        .given(vec![open(2)])
        .when(by("bob", sign("cy", &[])))
        .then_expect_error(ApprovalError::NotYourKey);
}

#[test]
fn nobody_signs_after_the_deadline() {
    approval()
        .given(vec![open(2)])
        .when(at("2026-11-21T07:00:00.000000Z", "bob", sign("bob", &[])))
        .then_expect_error(ApprovalError::Expired);
}

fn rejected(name: &str) -> ApprovalEvent {
    ApprovalEvent::Rejected { person: person(name), statement: blob(b"no"), reason: None }
}

#[test]
fn a_rejection_ends_it() {
    let rejected = rejected("bob");
    approval()
        .given(vec![open(2)])
        .when(by("bob", reject("bob")))
        .then_expect_events(vec![rejected.clone()]);
    for command in [sign("cy", &[]), reject("cy"), reject("bob")] {
        approval()
            .given(vec![open(2), rejected.clone()])
            .when(by("cy", command))
            .then_expect_error(ApprovalError::Closed);
    }
}

#[test]
fn whoever_signed_may_still_reject() {
    approval()
        .given(vec![open(2), signed("bob", &[])])
        .when(by("bob", reject("bob")))
        .then_expect_events(vec![rejected("bob")]);
}

#[test]
fn nobody_rejects_what_does_not_exist() {
    approval()
        .given_no_previous_events()
        .when(by("bob", reject("bob")))
        .then_expect_error(ApprovalError::NotFound);
}

#[test]
fn the_author_does_not_reject() {
    approval()
        .given(vec![open(2)])
        .when(by("ada", reject("ada")))
        .then_expect_error(ApprovalError::Author);
}

#[test]
fn a_key_outside_the_root_does_not_reject() {
    let command = ApprovalCommand::Reject { signer: None, statement: blob(b"no"), reason: None };
    approval()
        .given(vec![open(2)])
        .when(by("bob", command))
        .then_expect_error(ApprovalError::KeyNotInRoot);
}

#[test]
fn nobody_rejects_with_somebody_elses_key() {
    approval()
        .given(vec![open(2)])
        .when(by("bob", reject("cy")))
        .then_expect_error(ApprovalError::NotYourKey);
}

#[test]
fn nobody_rejects_after_the_deadline() {
    approval()
        .given(vec![open(2)])
        .when(at("2026-11-21T07:00:00.000000Z", "bob", reject("bob")))
        .then_expect_error(ApprovalError::Expired);
}

#[test]
fn every_stage_must_be_met() {
    let stage = |role: &str| Stage {
        name: role.to_owned(),
        quorum: 1,
        requirements: vec![Requirement { role: role.to_owned(), count: 1 }],
    };
    let stages = vec![stage("dba"), stage("lead")];
    let open = ApprovalEvent::Opened(Opened { stages, ..opened(1, vec![]) });
    for (first, then) in [("dba", "lead"), ("lead", "dba")] {
        approval()
            .given(vec![open.clone()])
            .when(by("bob", sign("bob", &[first])))
            .then_expect_events(vec![signed("bob", &[first])]);
        approval()
            .given(vec![open.clone(), signed("bob", &[first])])
            .when(by("cy", sign("cy", &[then])))
            .then_expect_events(vec![signed("cy", &[then]), ApprovalEvent::Granted {}]);
    }
}

#[test]
fn a_granted_approval_takes_no_more_decisions() {
    let granted = vec![open(1), signed("bob", &[]), ApprovalEvent::Granted {}];
    for command in [sign("cy", &[]), reject("cy"), ApprovalCommand::Close] {
        approval()
            .given(granted.clone())
            .when(by("cy", command))
            .then_expect_error(ApprovalError::Closed);
    }
}

#[test]
fn a_cancelled_changes_approval_is_closed() {
    approval()
        .given(vec![open(2)])
        .when(by("flow", ApprovalCommand::Close))
        .then_expect_events(vec![ApprovalEvent::Closed {}]);
    for command in [ApprovalCommand::Close, sign("bob", &[])] {
        approval()
            .given(vec![open(2), ApprovalEvent::Closed {}])
            .when(by("bob", command))
            .then_expect_error(ApprovalError::Closed);
    }
}
