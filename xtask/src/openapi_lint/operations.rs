//! Rules about operations: what they are called, take and answer.

use super::{Operation, items, members, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PROBLEM: &str = "application/problem+json";
/// Successes whose meaning is that there is no body.
const WITHOUT_BODY: &[&str] = &["204", "205"];

/// The document says which API of which version this is, what it does, and under which licence.
pub fn the_api_is_named(document: &Value) -> Vec<String> {
    let needed =
        ["/info/title", "/info/version", "/info/description", "/info/license/name"].into_iter();
    let missing = needed.filter(|pointer| {
        let value = document.pointer(pointer).and_then(Value::as_str);
        value.is_none_or(|text| text.trim().is_empty())
    });
    missing.map(|pointer| format!("{pointer} is missing")).collect()
}

/// Every operation has an id of its own, in `snake_case`: the name of its handler.
pub fn operations_are_named(document: &Value) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for Operation { name, value, .. } in Operation::all(document) {
        let id = text(value, "operationId");
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if id.is_empty() || !id.bytes().all(is_plain) {
            found.push(format!("{name}: the operation id {id:?} is not snake_case"));
        } else if let Some(first) = seen.insert(id, name.clone()) {
            found.push(format!("{name}: has the operation id of {first}, {id}"));
        }
    }
    found
}

/// Every operation has one tag, which the document explains, and a summary.
pub fn operations_are_described(document: &Value) -> Vec<String> {
    let explained = items(document.get("tags"));
    let explained: BTreeSet<&str> = explained
        .filter(|tag| !text(tag, "description").is_empty())
        .map(|tag| text(tag, "name"))
        .collect();
    let mut found = Vec::new();
    for Operation { name, value, .. } in Operation::all(document) {
        let tags: Vec<&str> = items(value.get("tags")).filter_map(Value::as_str).collect();
        if !matches!(tags.as_slice(), [tag] if explained.contains(tag)) {
            found.push(format!("{name}: the tags {tags:?} are not one that the document explains"));
        }
        if text(value, "summary").is_empty() && text(value, "description").is_empty() {
            found.push(format!("{name}: neither summary nor description"));
        }
    }
    found
}

/// Every operation succeeds somehow, and says with what kind of body; every answer is described.
pub fn operations_answer(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for operation in Operation::all(document) {
        let name = &operation.name;
        let mut successes = 0;
        for (status, answer) in operation.answers(document) {
            if text(answer, "description").trim().is_empty() {
                found.push(format!("{name}: the answer {status} is not described"));
            }
            if status.starts_with('2') {
                successes += 1;
                let is_body = WITHOUT_BODY.contains(&status.as_str()) != has_body(answer);
                if !is_body {
                    found.push(format!("{name}: the answer {status} has no schema of its body"));
                }
            }
        }
        if successes == 0 {
            found.push(format!("{name}: no answer is a success"));
        }
    }
    found
}

/// An operation that answers 304 takes `If-None-Match`, and gives the `ETag` to send there.
pub fn versions_can_be_compared(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for operation in Operation::all(document) {
        let Operation { name, .. } = &operation;
        if !operation.answers(document).any(|(status, _)| status == "304") {
            continue;
        }
        let mut parameters = operation.parameters(document);
        if !parameters.any(|parameter| text(parameter, "name") == "If-None-Match") {
            found.push(format!("{name}: answers 304 and takes no If-None-Match"));
        }
        let mut successes = operation.answers(document).filter(|(it, _)| it.starts_with('2'));
        if !successes.all(|(_, answer)| answer.pointer("/headers/ETag").is_some()) {
            found.push(format!("{name}: answers 304 and gives no ETag"));
        }
    }
    found
}

/// There is a body, and each kind of it has a schema that says something.
fn has_body(answer: &Value) -> bool {
    let mut kinds = members(answer.get("content")).peekable();
    let says = |schema: &Value| schema.as_object().is_some_and(|members| !members.is_empty());
    kinds.peek().is_some() && kinds.all(|(_, kind)| kind.get("schema").is_some_and(says))
}

/// Who may call is declared, and an operation that asks who is calling answers 401 and 403 with problems.
pub fn callers_are_known(document: &Value) -> Vec<String> {
    let declared = document.pointer("/components/securitySchemes");
    let mut found = Vec::new();
    for operation in Operation::all(document) {
        let name = &operation.name;
        let security = operation.value.get("security").or_else(|| document.get("security"));
        let mut ways = items(security).peekable();
        if ways.peek().is_none() {
            found.push(format!("{name}: nothing says who may call"));
            continue;
        }
        for (scheme, _) in ways.flat_map(|way| members(Some(way))) {
            let is_declared = declared.is_some_and(|schemes| schemes.get(scheme).is_some());
            if !is_declared {
                found.push(format!("{name}: the security scheme {scheme} is not declared"));
            }
        }
        for status in ["401", "403"] {
            let answer = operation.answers(document).find(|(given, _)| *given == status);
            let content = answer.and_then(|(_, answer)| answer.get("content"));
            if content.and_then(|content| content.get(PROBLEM)).is_none() {
                found.push(format!("{name}: {status} is not answered with a problem"));
            }
        }
    }
    found
}

/// Every parameter has a description and a schema; those of the path are the ones that the path names.
pub fn parameters_are_described(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for operation in Operation::all(document) {
        let name = &operation.name;
        let mut documented = BTreeSet::new();
        for parameter in operation.parameters(document) {
            let called = text(parameter, "name");
            if text(parameter, "description").trim().is_empty() {
                found.push(format!("{name}: the parameter {called} is not described"));
            }
            if parameter.get("schema").is_none() {
                found.push(format!("{name}: the parameter {called} has no schema"));
            }
            if text(parameter, "in") == "path" {
                documented.insert(called);
            }
        }
        let named = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let named: BTreeSet<&str> = named.collect();
        let differing = named.symmetric_difference(&documented);
        found.extend(
            differing.map(|one| format!("{name}: {one} is not both in path and parameters")),
        );
    }
    found
}

/// Every command asks for an `Idempotency-Key`.
pub fn commands_are_idempotent(document: &Value) -> Vec<String> {
    let without = Operation::all(document).into_iter().filter(|operation| {
        let mut parameters = operation.parameters(document);
        let is_asked = parameters.any(|parameter| {
            text(parameter, "name") == "Idempotency-Key"
                && text(parameter, "in") == "header"
                && parameter.get("required") == Some(&Value::Bool(true))
        });
        operation.is_post && !is_asked
    });
    without.map(|operation| format!("{}: no required Idempotency-Key", operation.name)).collect()
}
