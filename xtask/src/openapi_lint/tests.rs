//! Every rule is broken once, and both documents that are checked in keep all of them.

use super::*;
use serde_json::json;

/// A small document that keeps every rule.
fn kept() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "An API", "version": "1", "description": "It does.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        },
        "tags": [{"name": "changes", "description": "Changes"}],
        "security": [{"bearer": []}],
        "paths": {
            "/v1/changes/{change_id}/submit": {"post": {
                "tags": ["changes"],
                "summary": "Ask for approval.",
                "operationId": "submit_change",
                "parameters": [
                    {"name": "change_id", "in": "path", "required": true,
                        "description": "The change", "schema": {"type": "string"}},
                    {"$ref": "#/components/parameters/Key"}
                ],
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Submit"}
                }}},
                "responses": {
                    "202": {"description": "It is recorded", "content": {"application/json": {
                        "schema": {"$ref": "#/components/schemas/Receipt"}
                    }}},
                    "401": {"$ref": "#/components/responses/Problem"},
                    "403": {"$ref": "#/components/responses/Problem"}
                }
            }}
        },
        "components": {
            "schemas": {
                "Submit": {"type": "object", "description": "What to submit.", "properties": {
                    "properties": {"type": "string", "description": "A member called so."},
                    "note": {"description": "Why.", "type": ["string", "null"]}
                }},
                "Receipt": {"type": "object", "description": "Where it is.", "properties": {
                    "place": {"oneOf": [
                        {"$ref": "#/components/schemas/Place", "description": "Its place."},
                        {"type": "null"}
                    ]}
                }},
                "Place": {"type": "object", "description": "A place.", "properties": {
                    "sequence": {"type": "integer", "description": "From 1."}
                }},
                "Problem": {"type": "object", "description": "What is wrong."}
            },
            "parameters": {"Key": {"name": "Idempotency-Key", "in": "header", "required": true,
                "description": "The caller's name for it", "schema": {"type": "string"}}},
            "responses": {"Problem": {"description": "A problem", "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }}},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}
        }
    })
}

const OPERATION: &str = "/paths/~1v1~1changes~1{change_id}~1submit/post";

/// What is said of the document with the value at `pointer` replaced, or taken out.
fn with(pointer: &str, value: Option<Value>) -> Vec<String> {
    let mut document = kept();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Array(items), Some(value)) => items.push(value),
        (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
        (parent, Some(value)) => parent[name] = value,
        (parent, None) => drop(parent.as_object_mut().unwrap().remove(name)),
    }
    broken(&document)
}

fn operation_with(pointer: &str, value: Option<Value>) -> Vec<String> {
    with(&format!("{OPERATION}/{pointer}"), value)
}

fn said(what: &str) -> [String; 1] {
    [format!("POST /v1/changes/{{change_id}}/submit: {what}")]
}

fn checked_in(api: &str) -> Value {
    let path = format!("{}/../schemas/openapi/{api}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// As the `OpenAPI` Initiative publishes it, at <https://spec.openapis.org/oas/3.1/schema/2022-10-07>.
fn valid() -> jsonschema::Validator {
    let schema: Value =
        serde_json::from_str(include_str!("oas-3.1-2022-10-07.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn both_documents_keep_every_rule() {
    for api in ["command-api", "query-api"] {
        assert_eq!(broken(&checked_in(api)), [""; 0], "{api}");
    }
}

#[test]
fn both_documents_are_valid() {
    let validator = valid();
    for api in ["command-api", "query-api"] {
        let document = checked_in(api);
        let errors = validator.iter_errors(&document);
        let errors: Vec<_> = errors.map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(errors, [""; 0], "{api}");
    }
}

#[test]
fn every_schema_of_both_documents_is_a_json_schema() {
    for api in ["command-api", "query-api"] {
        let document = checked_in(api);
        for (name, schema) in members(document.pointer("/components/schemas")) {
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{api} {name}");
        }
    }
}

#[test]
fn what_is_not_valid_is_found() {
    let validator = valid();
    assert!(validator.is_valid(&kept()));
    for (pointer, value) in [
        ("/openapi", json!("3.0.3")),
        ("/paths/~1v1~1changes~1{change_id}~1submit/post/responses/202", json!({})),
        ("/paths/~1v1~1changes~1{change_id}~1submit/post/parameters/0/in", json!("body")),
        ("/components/securitySchemes/bearer", json!({"type": "password"})),
    ] {
        let mut document = kept();
        *document.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&document), "{pointer}");
    }
}

#[test]
fn the_example_keeps_every_rule() {
    assert_eq!(broken(&kept()), [""; 0]);
}

#[test]
fn a_reference_that_leads_nowhere_is_found() {
    let lost = json!({"$ref": "#/components/responses/Gone"});
    let found = operation_with("responses/404", Some(lost));
    assert!(found.contains(&"#/components/responses/Gone leads nowhere".to_owned()), "{found:?}");
}

#[test]
fn an_unused_component_is_found() {
    let spare = json!({"type": "object", "description": "Nobody's.", "properties": {
        "own": {"$ref": "#/components/schemas/Spare", "description": "Itself."}
    }});
    let found = with("/components/schemas/Spare", Some(spare));
    assert_eq!(found, ["#/components/schemas/Spare is used by no operation"]);
    let unused = json!({"type": "mutualTLS"});
    let found = with("/components/securitySchemes/svid", Some(unused));
    assert_eq!(found, ["#/components/securitySchemes/svid is used by no operation"]);
}

#[test]
fn a_schema_or_member_without_words_is_found() {
    let found = with("/components/schemas/Place/description", None);
    assert_eq!(found, ["#/components/schemas/Place is not described"]);
    for name in ["properties", "note"] {
        let member = format!("/components/schemas/Submit/properties/{name}");
        let found = with(&format!("{member}/description"), None);
        assert_eq!(found, [format!("#{member} is not described")]);
    }
    let member = "/components/schemas/Place/properties/sequence";
    assert_eq!(with(member, Some(json!({"type": "string", "enum": ["last"]}))), [""; 0]);
    let found = with(member, Some(json!({"type": "string", "enum": ["first", "last"]})));
    assert_eq!(found, [format!("#{member} is not described")]);
    let place = "/components/schemas/Receipt/properties/place";
    let found = with(&format!("{place}/oneOf/0/description"), None);
    assert_eq!(found, [format!("#{place} is not described")]);
}

#[test]
fn a_document_without_version_or_licence_is_found() {
    assert_eq!(with("/info/version", Some(json!(" "))), ["/info/version is missing"]);
    assert_eq!(with("/info/license", None), ["/info/license/name is missing"]);
}

#[test]
fn an_operation_without_an_id_of_its_own_is_found() {
    let found = operation_with("operationId", Some(json!("submitChange")));
    assert_eq!(found, said(r#"the operation id "submitChange" is not snake_case"#));
    let mut document = kept();
    let twin = document.pointer(OPERATION).unwrap().clone();
    document["paths"]["/v1/changes/{change_id}/again"] = json!({"post": twin});
    let expected = "POST /v1/changes/{change_id}/submit: has the operation id of \
                    POST /v1/changes/{change_id}/again, submit_change";
    assert_eq!(broken(&document), [expected]);
}

#[test]
fn an_operation_without_a_known_tag_or_words_is_found() {
    let found = operation_with("tags", Some(json!(["others"])));
    assert_eq!(found, said(r#"the tags ["others"] are not one that the document explains"#));
    assert_eq!(operation_with("summary", None), said("neither summary nor description"));
}

#[test]
fn an_operation_without_a_success_or_its_body_is_found() {
    let without = operation_with("responses/202/content", None);
    assert!(without.contains(&said("the answer 202 has no schema of its body")[0]), "{without:?}");
    let any = operation_with("responses/202/content/application~1json/schema", None);
    assert!(any.contains(&said("the answer 202 has no schema of its body")[0]), "{any:?}");
    let none = operation_with("responses/202", None);
    assert!(none.contains(&said("no answer is a success")[0]), "{none:?}");
    let nameless = operation_with("responses/202/description", None);
    assert_eq!(nameless, said("the answer 202 is not described"));
    let empty = json!({"description": "It is gone"});
    assert_eq!(operation_with("responses/204", Some(empty)), [""; 0], "none by intent");
}

#[test]
fn an_operation_that_answers_304_to_nobody_is_found() {
    let unchanged = json!({"description": "The caller has this version"});
    let found = operation_with("responses/304", Some(unchanged));
    let expected =
        [said("answers 304 and takes no If-None-Match"), said("answers 304 and gives no ETag")];
    assert_eq!(found, expected.concat());
}

#[test]
fn an_operation_that_does_not_say_who_may_call_is_found() {
    let found = operation_with("security", Some(json!([])));
    assert!(found.contains(&said("nothing says who may call")[0]), "{found:?}");
    let found = operation_with("security", Some(json!([{"bearer": []}, {"badge": []}])));
    assert_eq!(found, said("the security scheme badge is not declared"));
    for status in ["401", "403"] {
        let found = operation_with(&format!("responses/{status}"), None);
        assert_eq!(found, said(&format!("{status} is not answered with a problem")));
    }
}

#[test]
fn a_parameter_without_words_or_place_is_found() {
    let found = operation_with("parameters/0/description", None);
    assert_eq!(found, said("the parameter change_id is not described"));
    let found = operation_with("parameters/0/schema", None);
    assert_eq!(found, said("the parameter change_id has no schema"));
    let found = operation_with("parameters/0", None);
    assert_eq!(found, said("change_id is not both in path and parameters"));
}

#[test]
fn a_command_without_an_idempotency_key_is_found() {
    let found = with("/components/parameters/Key/required", Some(json!(false)));
    assert_eq!(found, said("no required Idempotency-Key"));
}
