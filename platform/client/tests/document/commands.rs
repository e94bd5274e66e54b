//! Every command: one row with the operation, its path and the fullest body that the client sends.

use crate::documented::{Documented, Form, public_types};
use anyhow::Result;
use countersign_client::commands::{
    CreatePrincipal, CreateTenant, Decide, DeclareGap, DispatchJob, DraftChange, EnrollAgent,
    FailCheck, FailDispatch, IssueToken, LockFor, Nothing, OpenApproval, PublishTrustRoot,
    RecordApproval, RecordDispatch, RecordJobResult, RecordRejection, RecordResult,
    RegisterDataSource, RequestApproval, ResolveChange, RevokeKey, RevokeToken, RotateKey,
};
use countersign_client::{ProblemBody, ReceiptBody};
use domain::identity::{PrincipalKind, Role};
use domain::ids::{ApprovalId, ChangeId, JobId, PrincipalId};
use domain::policy::builtin_quorum;
use domain::vocabulary::{Found, Requirement, RootRef, Stage, Start};
use ledger::KeyRole;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::{PrivateKey, PublicKey};

/// Operation, path and body.
type Row = (&'static str, &'static str, fn() -> Result<Value>);

const ROWS: &[Row] = &[
    ("create_tenant", "/v1/tenants", || {
        sent(&CreateTenant { slug: text("acme"), name: text("Acme Corporation") })
    }),
    ("create_principal", "/v1/principals", || {
        let roles = vec![Role::Author, Role::Approver, Role::Operator, Role::Auditor];
        sent(&CreatePrincipal { kind: PrincipalKind::Person, name: text("Ada"), roles })
    }),
    ("issue_token", "/v1/principals/{principal_id}/tokens", || {
        sent(&IssueToken { token_sha256: digest(), expires_at: time()? })
    }),
    ("revoke_token", "/v1/principals/{principal_id}/revoke-token", || {
        sent(&RevokeToken { token_sha256: digest() })
    }),
    ("publish_trust_root", "/v1/trust-roots", || sent(&PublishTrustRoot { envelope: bytes() })),
    ("rotate_key", "/v1/logs/{log}/key-rotations", || {
        sent(&RotateKey {
            log: "main.log.example".parse()?,
            role: KeyRole::Witness,
            name: Some(text("witness.example/one")),
            old: spki(1),
            new: spki(2),
            from: 501,
            old_signature: text("id base64"),
            new_signature: text("id base64"),
        })
    }),
    ("revoke_key", "/v1/logs/{log}/key-revocations", || {
        sent(&RevokeKey {
            role: KeyRole::Witness,
            name: Some(text("witness.example/one")),
            spki: spki(1),
            last_trusted: 500,
            reason: text("stolen"),
        })
    }),
    ("declare_gap", "/v1/logs/{log}/gaps", || {
        sent(&DeclareGap { sequences: vec![7, 9], reason: text("the disk burnt") })
    }),
    ("enroll_agent", "/v1/agents", || sent(&EnrollAgent { name: text("edge") })),
    ("register_data_source", "/v1/data-sources", || {
        sent(&RegisterDataSource {
            name: text("shop"),
            engine: text("postgresql"),
            environment: text("production"),
            agent: text("edge"),
            labels: [(text("team"), text("orders"))].into(),
        })
    }),
    ("request_lock", "/v1/data-sources/{data_source_id}/request-lock", || {
        sent(&LockFor { change: change() })
    }),
    ("release_lock", "/v1/data-sources/{data_source_id}/release-lock", || {
        sent(&LockFor { change: change() })
    }),
    ("draft_change", "/v1/changes", || {
        sent(&DraftChange {
            data_source: text("shop"),
            title: text("notes"),
            reason: Some(text("people ask for it")),
            sql: bytes(),
            start: Start::OnRelease,
            submit: true,
        })
    }),
    ("submit_change", "/v1/changes/{change_id}/submit", || sent(&Nothing {})),
    ("start_change", "/v1/changes/{change_id}/start", || sent(&Nothing {})),
    ("cancel_change", "/v1/changes/{change_id}/cancel", || sent(&Nothing {})),
    ("resolve_change", "/v1/changes/{change_id}/resolve", || {
        sent(&ResolveChange { found: Found::Applied, reason: text("the table is there") })
    }),
    ("request_approval", "/v1/changes/{change_id}/request-approval", || {
        sent(&RequestApproval {
            approval: approval(),
            manifest: bytes(),
            fingerprint: text("pgfp1:00"),
            root: RootRef { version: 1, sha256: digest() },
            policy: builtin_quorum(),
            job: job(),
        })
    }),
    ("fail_check", "/v1/changes/{change_id}/fail-check", || {
        sent(&FailCheck { code: text("drifted"), job: job() })
    }),
    ("record_approval", "/v1/changes/{change_id}/record-approval", || {
        sent(&RecordApproval { approval: approval() })
    }),
    ("record_rejection", "/v1/changes/{change_id}/record-rejection", || {
        let by = PrincipalId::derived("principal", &["bob"]);
        sent(&RecordRejection { approval: approval(), by })
    }),
    ("record_dispatch", "/v1/changes/{change_id}/record-dispatch", || {
        sent(&RecordDispatch { job: job(), fence: 7 })
    }),
    ("fail_dispatch", "/v1/changes/{change_id}/fail-dispatch", || {
        sent(&FailDispatch { code: text("changes.not_approved"), job: job() })
    }),
    ("record_result", "/v1/changes/{change_id}/record-result", || {
        sent(&RecordResult { job: job() })
    }),
    ("open_approval", "/v1/approvals", || {
        let requirements = vec![Requirement { role: text("dba"), count: 1 }];
        sent(&OpenApproval {
            change: change(),
            revision: 1,
            manifest: bytes(),
            policy: builtin_quorum(),
            stages: vec![Stage { name: text("countersign"), quorum: 2, requirements }],
            start: Start::OnApproval,
        })
    }),
    ("decide_approval", "/v1/approvals/{approval_id}/decisions", || {
        sent(&Decide::Reject { statement: json!({"payload": bytes()}), reason: Some(text("no")) })
    }),
    ("close_approval", "/v1/approvals/{approval_id}/close", || sent(&Nothing {})),
    ("dispatch_job", "/v1/jobs", || sent(&DispatchJob { change: change(), message: bytes() })),
    ("record_job_result", "/v1/jobs/{job_id}/record-result", || {
        sent(&RecordJobResult { message: bytes(), received_at: time()? })
    }),
];

fn sent<B: Serialize>(body: &B) -> Result<Value> {
    Ok(serde_json::to_value(body)?)
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn bytes() -> String {
    trust::encoding::to_base64(b"the exact bytes")
}

fn spki(seed: u8) -> PublicKey {
    PrivateKey::from_seed(&[seed; 32]).public()
}

fn digest() -> Sha256Digest {
    Sha256Digest::of(b"the exact bytes")
}

fn time() -> Result<Timestamp> {
    Ok("2026-11-20T07:00:00.000000Z".parse()?)
}

fn change() -> ChangeId {
    ChangeId::derived("change", &["notes"])
}

fn approval() -> ApprovalId {
    ApprovalId::derived("approval", &["notes"])
}

fn job() -> JobId {
    JobId::derived("job", &["notes"])
}

/// What of a body the document does not ask for, or not in this form.
fn undocumented(document: &Documented, operation: &str, body: &Value) -> Result<Vec<String>> {
    let schema = document.request(operation)?;
    let mut found = document.misfits(schema, body)?;
    // A union of objects does not say that there are no other members: its alternatives do.
    let known = document.known_members(schema);
    let members = body.as_object().into_iter().flatten().map(|(name, _)| name);
    found.extend(members.filter(|name| !known.contains(name.as_str())).cloned());
    Ok(found)
}

#[test]
fn every_command_has_one_row() {
    let document = Documented::of("command-api").unwrap();
    let rows: BTreeSet<&str> = ROWS.iter().map(|(operation, ..)| *operation).collect();
    assert_eq!(rows, document.ids());
    assert_eq!(rows.len(), ROWS.len(), "an operation has two rows");
}

#[test]
fn every_body_of_the_client_is_of_a_row() {
    let document = Documented::of("command-api").unwrap();
    let named = |operation: &str| document.request(operation).unwrap()["$ref"].as_str().unwrap();
    let taken: BTreeSet<String> = ROWS
        .iter()
        .map(|(operation, ..)| named(operation).rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(taken, public_types("commands").unwrap());
}

#[test]
fn every_command_goes_where_the_document_says_with_the_body_that_it_asks_for() {
    let document = Documented::of("command-api").unwrap();
    for (operation, path, body) in ROWS {
        let (method, documented, _) = document.operation(operation).unwrap();
        assert_eq!((method, documented), ("post", *path));
        let body = body().unwrap();
        assert_eq!(undocumented(&document, operation, &body).unwrap(), [""; 0], "{operation}");
        let whole = document.known_members(document.request(operation).unwrap());
        let shown: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        if *operation != "decide_approval" {
            assert_eq!(shown, whole, "{operation}: the row shows every member");
        }
    }
}

#[test]
fn both_decisions_are_what_the_document_asks_for() {
    let document = Documented::of("command-api").unwrap();
    let signature = json!({"keyid": "", "sig": bytes()});
    for decision in
        [Decide::Approve { signature }, Decide::Reject { statement: json!({}), reason: None }]
    {
        let body = sent(&decision).unwrap();
        let found = undocumented(&document, "decide_approval", &body).unwrap();
        assert_eq!(found, [""; 0], "{body}");
    }
}

#[test]
fn a_body_with_a_member_that_is_renamed_or_of_another_type_is_found() {
    let document = Documented::of("command-api").unwrap();
    for (operation, body) in [
        ("enroll_agent", json!({"called": "edge"})),
        ("enroll_agent", json!({"name": 1})),
        ("record_dispatch", json!({"job": "job_x", "fence": "7"})),
        ("decide_approval", json!({"decision": "approve", "signature": {}, "note": ""})),
    ] {
        assert!(!undocumented(&document, operation, &body).unwrap().is_empty(), "{body}");
    }
}

#[test]
fn every_command_is_answered_with_the_clients_receipt() {
    let document = Documented::of("command-api").unwrap();
    for (operation, ..) in ROWS {
        let schema = document.answer(operation).unwrap();
        for form in [Form::Fullest, Form::Least] {
            let answer = document.value(schema, form);
            let read: ReceiptBody = serde_json::from_value(answer.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), answer, "{operation}");
        }
    }
}

#[test]
fn a_problem_of_either_api_is_one_for_the_client() {
    for api in ["command-api", "query-api"] {
        let document = Documented::of(api).unwrap();
        let schema = document.component("Problem").unwrap();
        let least = document.value(schema, Form::Least);
        let read: ProblemBody = serde_json::from_value(least).unwrap();
        assert_eq!((read.status, read.code.as_str(), read.trace_id), (1, "text", None));
        let fullest = document.value(schema, Form::Fullest);
        let read: ProblemBody = serde_json::from_value(fullest.clone()).unwrap();
        let written = serde_json::to_value(read).unwrap();
        for (name, value) in written.as_object().unwrap() {
            assert_eq!(fullest.get(name), Some(value), "{api} {name}");
        }
    }
}
