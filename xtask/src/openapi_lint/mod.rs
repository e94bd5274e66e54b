//! What every `OpenAPI` document of ours keeps, beyond being valid: whoever reads only the document can call the API.

mod components;
mod operations;

use serde_json::{Map, Value};

/// A rule gives one line per violation.
type Rule = fn(&Value) -> Vec<String>;

const RULES: &[Rule] = &[
    components::references_lead_somewhere,
    components::every_component_is_used,
    components::members_are_described,
    operations::the_api_is_named,
    operations::operations_are_named,
    operations::operations_are_described,
    operations::operations_answer,
    operations::versions_can_be_compared,
    operations::callers_are_known,
    operations::parameters_are_described,
    operations::commands_are_idempotent,
];

/// The violations of every rule.
pub fn broken(document: &Value) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(document)).collect()
}

/// One operation of a document.
struct Operation<'a> {
    /// `POST /v1/changes`.
    name: String,
    is_post: bool,
    path: &'a str,
    value: &'a Value,
}

impl<'a> Operation<'a> {
    fn all(document: &'a Value) -> Vec<Self> {
        let mut all = Vec::new();
        for (path, item) in members(document.get("paths")) {
            for (method, value) in members(Some(item)).filter(|(_, value)| value.is_object()) {
                let name = format!("{} {path}", method.to_uppercase());
                all.push(Self { name, is_post: method == "post", path, value });
            }
        }
        all
    }

    /// Its parameters, references followed.
    fn parameters(&self, document: &'a Value) -> impl Iterator<Item = &'a Value> {
        items(self.value.get("parameters")).map(|parameter| followed(document, parameter))
    }

    /// Its answers by status, references followed.
    fn answers(&self, document: &'a Value) -> impl Iterator<Item = (&'a String, &'a Value)> {
        members(self.value.get("responses"))
            .map(|(status, answer)| (status, followed(document, answer)))
    }
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// What a reference within the document leads to.
fn target<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    document.pointer(reference.strip_prefix('#')?)
}

/// The value, or what it refers to.
fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value.get("$ref").and_then(Value::as_str);
    reference.and_then(|reference| target(document, reference)).unwrap_or(value)
}

#[cfg(test)]
mod tests;
