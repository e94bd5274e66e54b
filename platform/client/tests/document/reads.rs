//! Every read: one row with the operation, its path and the type that the client reads its answer as.

use crate::documented::{Documented, Form, public_types};
use countersign_client::reads::ApprovalBody;
use countersign_client::reads::{
    AgentBody, AuditPage, ChangeSummary, ConsistencyBody, DataSourceBody, InclusionBody, JobBody,
    LogBody, Page, TrustRootBody, WhoamiBody,
};
use countersign_client::stories::{ApprovalDetail, ChangeAnswer, DataSourceDetail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reads an answer as the client does, and writes down what it read.
type Reader = fn(Value) -> serde_json::Result<Value>;
/// Operation, path and reader; none where the answer is bytes.
type Row = (&'static str, &'static str, Option<Reader>);

const ROWS: &[Row] = &[
    ("list_changes", "/v1/changes", Some(again::<Page<ChangeSummary>>)),
    ("get_change", "/v1/changes/{change_id}", Some(again::<ChangeAnswer>)),
    ("get_change_sql", "/v1/changes/{change_id}/sql", None),
    ("get_change_manifest", "/v1/changes/{change_id}/manifest", None),
    ("list_approvals", "/v1/approvals", Some(again::<Page<ApprovalBody>>)),
    ("get_approval", "/v1/approvals/{approval_id}", Some(again::<ApprovalDetail>)),
    ("list_data_sources", "/v1/data-sources", Some(again::<Page<DataSourceBody>>)),
    ("get_data_source", "/v1/data-sources/{id_or_name}", Some(again::<DataSourceDetail>)),
    ("list_jobs", "/v1/jobs", Some(again::<Page<JobBody>>)),
    ("get_job", "/v1/jobs/{job_id}", Some(again::<JobBody>)),
    ("list_agents", "/v1/agents", Some(again::<Page<AgentBody>>)),
    ("get_agent", "/v1/agents/{id_or_name}", Some(again::<AgentBody>)),
    ("get_trust_root", "/v1/trust-root", Some(again::<TrustRootBody>)),
    ("whoami", "/v1/whoami", Some(again::<WhoamiBody>)),
    ("search_events", "/v1/audit/events", Some(again::<AuditPage>)),
    ("get_log", "/v1/logs/{log}", Some(again::<LogBody>)),
    ("list_commits", "/v1/logs/{log}/commits", None),
    ("get_blob", "/v1/logs/{log}/blobs/{tenant}/{sha256}", None),
    ("get_checkpoint", "/log/{log}/checkpoint", None),
    ("prove_inclusion", "/v1/logs/{log}/proofs/{sequence}", Some(again::<InclusionBody>)),
    ("prove_consistency", "/v1/logs/{log}/consistency", Some(again::<ConsistencyBody>)),
];

fn again<A: DeserializeOwned + Serialize>(answer: Value) -> serde_json::Result<Value> {
    serde_json::to_value(serde_json::from_value::<A>(answer)?)
}

/// Whether a value has every member of another, as it is there.
fn has(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| has(whole, part)))
        }
        (whole, part) => whole == part,
    }
}

#[test]
fn every_read_has_one_row() {
    let document = Documented::of("query-api").unwrap();
    let rows: BTreeSet<&str> = ROWS.iter().map(|(operation, ..)| *operation).collect();
    assert_eq!(rows, document.ids());
    assert_eq!(rows.len(), ROWS.len(), "an operation has two rows");
}

#[test]
fn every_answer_of_the_client_is_documented() {
    let document = Documented::of("query-api").unwrap();
    let known = document.components();
    for module in ["reads", "stories"] {
        for name in public_types(module).unwrap() {
            let is_page = name == "Page";
            assert!(is_page || known.contains(name.as_str()), "{name} answers nothing");
        }
    }
}

#[test]
fn every_documented_answer_is_read_whole() {
    let document = Documented::of("query-api").unwrap();
    for (operation, path, reader) in ROWS {
        let (method, documented, _) = document.operation(operation).unwrap();
        assert_eq!((method, documented), ("get", *path));
        let Some(reader) = reader else {
            assert!(document.answer(operation).is_err(), "{operation} is read as bytes");
            continue;
        };
        let schema = document.answer(operation).unwrap();
        let fullest = document.value(schema, Form::Fullest);
        assert_eq!(document.misfits(schema, &fullest).unwrap(), [""; 0], "{operation}");
        let read = reader(fullest.clone()).unwrap_or_else(|e| panic!("{operation}: {e}"));
        assert_eq!(read, fullest, "{operation}: a member is lost, or not documented");
    }
}

#[test]
fn the_client_requires_only_what_the_document_promises() {
    let document = Documented::of("query-api").unwrap();
    for (operation, _, reader) in ROWS {
        let Some(reader) = reader else { continue };
        let schema = document.answer(operation).unwrap();
        let least = document.value(schema, Form::Least);
        assert_eq!(document.misfits(schema, &least).unwrap(), [""; 0], "{operation}");
        let read = reader(least.clone()).unwrap_or_else(|e| panic!("{operation}: {e}"));
        assert!(has(&read, &least), "{operation}: {least} is read as {read}");
    }
}

#[test]
fn a_member_that_is_renamed_is_found() {
    let body = json!({"log": "a.b", "shard": "main", "first_sequence": 1, "last": 2});
    assert!(again::<LogBody>(body).is_err(), "the client requires last_sequence");
    let body = json!({"items": [], "next": "token"});
    let read = again::<Page<AgentBody>>(body.clone()).unwrap();
    assert_ne!(read, body, "an optional member that is lost is seen");
}
