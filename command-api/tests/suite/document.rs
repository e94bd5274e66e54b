//! The `OpenAPI` document says what every command needs and answers.

use countersign_command_api::open_api_json;
use serde_json::{Value, json};

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
fn every_reference_in_the_document_leads_somewhere() {
    let text = open_api_json().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    for reference in text.split("\"$ref\": \"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
