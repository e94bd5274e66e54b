//! Every change of a released schema that breaks somebody, and every one that does not.

use super::*;
use serde_json::json;

/// As schemars writes it: definitions, a reference at the root, words for people.
fn released() -> Value {
    json!({
        "$id": "https://countersign.dev/schemas/events/jobs/job.ended.v1.json",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "job.ended",
        "description": "It ended.",
        "$ref": "#/$defs/Ended",
        "$defs": {
            "Ended": {
                "type": "object",
                "description": "How.",
                "properties": {
                    "title": {"type": "string", "description": "A member that is called so."},
                    "attempt": {"type": "integer", "format": "uint32", "minimum": 0},
                    "code": {"type": ["string", "null"]},
                    "outcome": {"oneOf": [
                        {"type": "string", "const": "refused", "description": "No."},
                        {"type": "string", "const": "succeeded"}
                    ]},
                    "document": {"anyOf": [{"$ref": "#/$defs/Blob"}, {"type": "null"}]},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "people": {"type": "array", "items": {"type": "string", "pattern": "^prn_"}}
                },
                "required": ["title", "attempt", "outcome", "labels", "people"]
            },
            "Blob": {
                "type": "object",
                "properties": {"sha256": {"type": "string"}},
                "required": ["sha256"]
            }
        }
    })
}

/// What breaks when the value at `pointer` becomes `value`.
fn with(pointer: &str, value: Value) -> Vec<String> {
    let mut schema = released();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = schema.pointer_mut(&format!("/$defs/{parent}")).unwrap();
    match parent {
        Value::Array(items) => {
            let index: usize = name.parse().unwrap();
            if index == items.len() { items.push(value) } else { items[index] = value }
        }
        other => other[name] = value,
    }
    told(&schema)
}

fn without(pointer: &str) -> Vec<String> {
    let mut schema = released();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = schema.pointer_mut(&format!("/$defs/{parent}")).unwrap();
    match parent {
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        other => drop(other.as_object_mut().unwrap().remove(name)),
    }
    told(&schema)
}

fn told(schema: &Value) -> Vec<String> {
    breaks(&shape(&released()), &shape(schema)).iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_released_breaks_nothing() {
    assert_eq!(told(&released()), [""; 0]);
}

#[test]
fn other_words_for_people_break_nothing() {
    assert_eq!(with("Ended/description", json!("Otherwise.")), [""; 0]);
    assert_eq!(with("Ended/properties/attempt/description", json!("From 1.")), [""; 0]);
    assert_eq!(without("Ended/properties/outcome/oneOf/0/description"), [""; 0]);
    let mut renamed = serde_json::to_string(&released()).unwrap();
    renamed = renamed.replace("/Blob\"", "/BlobRef\"").replace("\"Blob\"", "\"BlobRef\"");
    assert_eq!(told(&serde_json::from_str(&renamed).unwrap()), [""; 0]);
}

#[test]
fn values_without_words_are_the_same_values() {
    let plain = json!({"type": "string", "enum": ["succeeded", "refused"]});
    assert_eq!(with("Ended/properties/outcome", plain), [""; 0]);
}

#[test]
fn a_member_that_nobody_needs_breaks_nothing() {
    assert_eq!(with("Ended/properties/note", json!({"type": "string"})), [""; 0]);
    assert_eq!(with("Blob/properties/size", json!({"type": "integer"})), [""; 0]);
}

#[test]
fn a_removed_member_breaks() {
    assert_eq!(without("Ended/properties/code"), ["/properties/code: removed or renamed"]);
    let deep = "/properties/document/anyOf/0/properties/sha256: removed or renamed";
    assert_eq!(without("Blob/properties/sha256"), [deep]);
}

#[test]
fn a_renamed_member_breaks_under_both_names() {
    let renamed = released().to_string().replace("attempt", "try");
    assert_eq!(
        told(&serde_json::from_str(&renamed).unwrap()),
        ["/properties/attempt: removed or renamed", "/required: try is required now and was not"]
    );
}

#[test]
fn a_member_that_becomes_required_or_optional_breaks() {
    let required = with("Ended/required/5", json!("code"));
    assert_eq!(required, ["/required: code is required now and was not"]);
    let optional = without("Ended/required/1");
    assert_eq!(optional, ["/required: attempt was always there and may be missing"]);
}

#[test]
fn another_type_or_format_breaks() {
    let types = with("Ended/properties/code/type", json!("string"));
    assert_eq!(types, [r#"/properties/code/type: was ["string","null"] and is "string""#]);
    let format = with("Ended/properties/attempt/format", json!("uint64"));
    assert_eq!(format, [r#"/properties/attempt/format: was "uint32" and is "uint64""#]);
    let items = with("Ended/properties/people/items/type", json!("integer"));
    assert_eq!(items, [r#"/properties/people/items/type: was "string" and is "integer""#]);
}

#[test]
fn another_value_breaks() {
    let removed = without("Ended/properties/outcome/oneOf/0");
    assert_eq!(removed, [r#"/properties/outcome/enum: the value "refused" was removed"#]);
    let added = json!({"type": "string", "const": "unknown"});
    let added = with("Ended/properties/outcome/oneOf/2", added);
    assert_eq!(added, [r#"/properties/outcome/enum: readers do not know the value "unknown""#]);
}

#[test]
fn other_bounds_break() {
    let higher = with("Ended/properties/attempt/minimum", json!(1));
    assert_eq!(higher, ["/properties/attempt/minimum: was 0 and is 1"]);
    let longest = with("Ended/properties/title/maxLength", json!(80));
    assert_eq!(longest, ["/properties/title/maxLength: was nothing and is 80"]);
    let pattern = without("Ended/properties/people/items/pattern");
    assert_eq!(pattern, [r#"/properties/people/items/pattern: was "^prn_" and is nothing"#]);
}

#[test]
fn closing_an_object_breaks() {
    let closed = with("Ended/additionalProperties", json!(false));
    assert_eq!(closed, ["/additionalProperties: was nothing and is false"]);
    let closed = with("Ended/properties/labels/additionalProperties", json!(false));
    let expected = r#"/properties/labels/additionalProperties: was {"type":"string"} and is false"#;
    assert_eq!(closed, [expected]);
}

#[test]
fn another_alternative_breaks() {
    let removed = without("Ended/properties/document/anyOf/1");
    assert_eq!(removed, ["/properties/document/anyOf/1: the alternative was removed"]);
    let added = with("Ended/properties/document/anyOf/2", json!({"type": "boolean"}));
    let expected = r#"/properties/document/anyOf: readers do not know {"type":"boolean"}"#;
    assert_eq!(added, [expected]);
}

#[test]
fn a_definition_that_contains_itself_ends() {
    let tree = json!({
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {"properties": {"child": {"$ref": "#/$defs/Tree"}}}}
    });
    let inner = json!({"properties": {"child": {"$ref": "#/$defs/Tree"}}});
    assert_eq!(shape(&tree), inner);
}
