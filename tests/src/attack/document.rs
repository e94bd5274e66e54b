//! The document as it is attacked: without what would excuse any answer, and with ids that exist.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Words that mean something to the running platform, by the name of the member or parameter that takes them.
pub type Known = BTreeMap<&'static str, Vec<String>>;

/// Takes out `default`, which covers every status, and lets generated values be known ones as well.
pub fn sharpened(mut document: Value, known: &Known) -> Value {
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut);
    for operation in paths.into_iter().flat_map(Map::values_mut).flat_map(operations) {
        if let Some(Value::Object(responses)) = operation.get_mut("responses") {
            responses.remove("default");
        }
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(schema) = parameter.get_mut("schema") {
                mix(schema, &name, known);
            }
        }
    }
    members(&mut document, known);
    document
}

fn operations(item: &mut Value) -> impl Iterator<Item = &mut Value> {
    item.as_object_mut().into_iter().flat_map(Map::values_mut)
}

/// Every `properties` of the document, however deep.
fn members(value: &mut Value, known: &Known) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                properties.iter_mut().for_each(|(name, schema)| mix(schema, name, known));
            }
            object.values_mut().for_each(|value| members(value, known));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| members(value, known)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Answers keep to the schema as well: what is not a known word may still be any other text.
fn mix(schema: &mut Value, name: &str, known: &Known) {
    let Some(words) = known.get(name) else { return };
    if schema.get("type") == Some(&json!("string")) {
        *schema = json!({"anyOf": [{"type": "string", "enum": words}, schema.clone()]});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_excuses_an_answer_and_known_words_are_mixed_in() {
        let document = json!({
            "paths": {"/v1/changes/{change_id}": {"post": {
                "parameters": [{"name": "change_id", "in": "path", "schema": {"type": "string"}}],
                "responses": {"200": {}, "default": {}},
            }}},
            "components": {"schemas": {"Body": {"properties": {
                "job": {"type": "string"}, "fence": {"type": "integer"},
            }}}},
        });
        let known = Known::from([
            ("change_id", vec!["chg_1".to_owned()]),
            ("job", vec!["job_1".to_owned()]),
            ("fence", vec!["1".to_owned()]),
        ]);
        let mixed =
            |word| json!({"anyOf": [{"type": "string", "enum": [word]}, {"type": "string"}]});
        let expected = json!({
            "paths": {"/v1/changes/{change_id}": {"post": {
                "parameters": [{"name": "change_id", "in": "path", "schema": mixed("chg_1")}],
                "responses": {"200": {}},
            }}},
            "components": {"schemas": {"Body": {"properties": {
                "job": mixed("job_1"), "fence": {"type": "integer"},
            }}}},
        });
        assert_eq!(sharpened(document, &known), expected);
    }
}
