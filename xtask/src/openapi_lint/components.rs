//! Rules about components: schemas and whatever else a document refers to.

use super::{Operation, items, members, target, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every reference leads to something in the document.
pub fn references_lead_somewhere(document: &Value) -> Vec<String> {
    let all = references(document).into_iter().collect::<BTreeSet<_>>();
    let lost = all.into_iter().filter(|reference| target(document, reference).is_none());
    lost.map(|reference| format!("{reference} leads nowhere")).collect()
}

/// Every component is referred to from a path, directly or through others; a security scheme by its name.
pub fn every_component_is_used(document: &Value) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut open: Vec<&Value> = document.get("paths").into_iter().collect();
    while let Some(next) = open.pop() {
        for reference in references(next) {
            if used.insert(reference) {
                open.extend(target(document, reference));
            }
        }
    }
    let schemes = security_schemes(document);
    let mut found = Vec::new();
    for (kind, components) in members(document.get("components")) {
        for (name, _) in members(Some(components)) {
            let reference = format!("#/components/{kind}/{name}");
            let is_scheme = kind == "securitySchemes" && schemes.contains(name.as_str());
            if !is_scheme && !used.contains(reference.as_str()) {
                found.push(format!("{reference} is used by no operation"));
            }
        }
    }
    found
}

fn security_schemes(document: &Value) -> BTreeSet<&str> {
    let operations = Operation::all(document).into_iter();
    let own = operations.filter_map(|operation| operation.value.get("security"));
    let ways = own.chain(document.get("security")).flat_map(|ways| items(Some(ways)));
    ways.flat_map(|way| members(Some(way))).map(|(name, _)| name.as_str()).collect()
}

/// Every schema of a component is described, and so is every member anywhere.
pub fn members_are_described(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, schema) in members(document.pointer("/components/schemas")) {
        if !is_described(schema) {
            found.push(format!("#/components/schemas/{name} is not described"));
        }
    }
    undescribed(document, "#", &mut found);
    found
}

/// Walks the whole document: wherever a `type: object` or a part of one has `properties`.
fn undescribed(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(inside) => {
            for (keyword, value) in inside {
                let at = format!("{at}/{}", keyword.replace('~', "~0").replace('/', "~1"));
                if keyword == "properties" && !at.ends_with("/properties/properties") {
                    let bare = members(Some(value)).filter(|(_, member)| !is_described(member));
                    found.extend(bare.map(|(name, _)| format!("{at}/{name} is not described")));
                }
                undescribed(value, &at, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                undescribed(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// By its own words, or, where it may be absent, by those of its one alternative; a single value says itself.
fn is_described(schema: &Value) -> bool {
    if schema.get("const").is_some() || items(schema.get("enum")).count() == 1 {
        return true;
    }
    let alternatives = ["anyOf", "oneOf"].into_iter().flat_map(|word| items(schema.get(word)));
    let mut all = std::iter::once(schema).chain(alternatives);
    all.any(|schema| !text(schema, "description").trim().is_empty())
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(inside) => {
            let own = inside.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(inside.values().flat_map(references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
