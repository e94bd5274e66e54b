//! The `OpenAPI` document says what integrators need to know of every route.

use chassis::problem::Entry;
use countersign_query_api::{open_api_json, problem};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_route_has_an_operation_id_a_summary_and_its_problems() {
    let document: Value = serde_json::from_str(&open_api_json().unwrap()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let named = format!("{method} {path}");
            assert_eq!(method, "get", "{named}: query-api only reads");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{named}: {id} twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{named}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{named}");
            for status in ["400", "401", "403", "404", "500", "503", "default"] {
                let problem = &operation["responses"][status]["$ref"];
                assert_eq!(problem, "#/components/responses/Problem", "{named} {status}");
            }
            for header in ["Cs-Tenant", "Cs-Min-Position", "Prefer"] {
                let parameters = operation["parameters"].as_array().unwrap();
                let taken =
                    parameters.iter().find(|it| it["name"] == header && it["in"] == "header");
                assert!(taken.is_some(), "{named} {header}");
            }
            assert!(operation["responses"]["200"]["headers"]["Cs-Position"].is_object(), "{named}");
            let named_in_path = path.matches('{').count();
            let documented = operation["parameters"].as_array().into_iter().flatten();
            let documented = documented.filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(documented, named_in_path, "{named}");
        }
    }
    assert_eq!(ids.len(), 21, "{ids:?}");
    let problem = &document["components"]["responses"]["Problem"]["content"];
    let problem = &problem["application/problem+json"]["schema"]["$ref"];
    assert_eq!(problem, "#/components/schemas/Problem");
    assert_eq!(document["security"], serde_json::json!([{"bearer": []}, {"svid": []}]));
}

#[test]
fn every_problem_has_a_page_that_says_the_same() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/problems");
    for Entry { code, status, sentence } in problem::CATALOGUE {
        let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_default();
        let head = format!("# `{code}`\n\n**{status}**: {sentence}.\n\n");
        assert!(page.starts_with(&head), "docs/problems/{code}.md does not begin with {head:?}");
    }
}

#[test]
fn a_code_is_listed_once() {
    let codes: BTreeSet<&str> = problem::CATALOGUE.iter().map(|entry| entry.code).collect();
    assert_eq!(codes.len(), problem::CATALOGUE.len());
}

#[test]
fn the_binary_prints_the_document() {
    let binary = env!("CARGO_BIN_EXE_query-api");
    let printed = std::process::Command::new(binary).arg("openapi").output().unwrap();
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), open_api_json().unwrap());
}
