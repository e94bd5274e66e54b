//! The `OpenAPI` document says what every command needs and answers.

use crate::world::World;
use axum::body::{Body, to_bytes};
use countersign_command_api::{open_api_json, problem};
use domain::refusal::Kind;
use serde_json::{Value, json};
use std::path::Path;
use tower::ServiceExt as _;

#[test]
fn every_command_documents_its_headers_and_its_problems() {
    let document: Value = serde_json::from_str(&open_api_json().unwrap()).unwrap();
    assert_eq!(document["security"], json!([{"bearer": []}, {"svid": []}]));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20);
    for (path, operations) in paths {
        let operations = operations.as_object().unwrap();
        assert_eq!(operations.keys().collect::<Vec<_>>(), ["post"], "{path}");
        let operation = &operations["post"];
        let parameters = operation["parameters"].as_array().unwrap();
        for (header, required) in
            [("Idempotency-Key", true), ("Cs-Tenant", false), ("If-Match", false)]
        {
            let taken = parameters.iter().find(|it| it["name"] == header).unwrap();
            assert_eq!((&taken["in"], &taken["required"]), (&json!("header"), &json!(required)));
        }
        let responses = operation["responses"].as_object().unwrap();
        for status in ["400", "401", "403", "404", "409", "412", "413", "415", "422", "500", "503"]
        {
            let problem = &responses[status]["$ref"];
            assert_eq!(problem, "#/components/responses/Problem", "{path} {status}");
        }
        let success = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
        for header in ["ETag", "Cs-Position", "Location", "Idempotent-Replayed"] {
            assert!(success.1["headers"][header].is_object(), "{path} {header}");
        }
    }
}

#[test]
fn every_problem_and_refusal_has_a_page_that_says_the_same() {
    let problems = chassis::problem::CATALOGUE.iter().chain(problem::CATALOGUE);
    let problems = problems.map(|entry| (entry.code, entry.status, entry.sentence));
    let refusals = domain::refusal::catalogue().into_iter().map(|entry| {
        let status = match entry.kind {
            Kind::NotFound => 404,
            Kind::Forbidden => 403,
            Kind::Conflict => 409,
            Kind::Invalid => 422,
        };
        (entry.code, status, entry.sentence)
    });
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/problems");
    for (code, status, sentence) in problems.chain(refusals) {
        let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_default();
        let head = format!("# `{code}`\n\n**{status}**: {sentence}.\n\n");
        assert!(page.starts_with(&head), "docs/problems/{code}.md does not begin with {head:?}");
    }
    for code in sql::CutError::CODES {
        assert!(pages.join(format!("{code}.md")).exists(), "{code} has no page");
    }
}

#[tokio::test]
async fn the_document_is_served_to_anybody_as_it_is_checked_in() {
    let world = World::start().await.unwrap();
    let request = http::Request::get("/openapi.json").body(Body::empty()).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let served = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let served: Value = serde_json::from_slice(&served).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi/command-api.json");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert_eq!(served, serde_json::from_str::<Value>(&checked_in).unwrap());
    world.stop().await;
}
