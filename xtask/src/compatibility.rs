//! What the schema of a released event may become: it may gain members that nobody needs, and other words for people.
//!
//! Everything else breaks somebody: events under the old schema stay in the log for ever, and whoever was told the old
//! schema reads what is written today.

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// Keywords that only people read, and definitions, which are compared where they are used.
const FOR_PEOPLE: &[&str] =
    &["$comment", "$defs", "$id", "$schema", "description", "examples", "title"];
/// Keywords with a schema per name.
const BY_NAME: &[&str] = &["patternProperties", "properties"];
/// Keywords whose schema, or list of schemas, is compared too.
const WITH_SCHEMAS: &[&str] = &[
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
];

/// A difference that breaks somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// JSON pointer into the schema, with every reference replaced by its target.
    pub pointer: String,
    /// What is different.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.what)
    }
}

/// What a schema says to a machine: without words for people, every reference replaced by its target, lists whose order
/// means nothing in order.
pub fn shape(schema: &Value) -> Value {
    shape_within(schema, schema, &mut Vec::new())
}

fn shape_within(schema: &Value, root: &Value, open: &mut Vec<String>) -> Value {
    let members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => {
            return items.iter().map(|item| shape_within(item, root, open)).collect();
        }
        other => return other.clone(),
    };
    let mut shape = Map::new();
    for (keyword, value) in members {
        let value = match keyword.as_str() {
            "$ref" => continue,
            word if FOR_PEOPLE.contains(&word) => continue,
            word if BY_NAME.contains(&word) => {
                let named = value.as_object().into_iter().flatten();
                named.map(|(name, it)| (name.clone(), shape_within(it, root, open))).collect()
            }
            word if WITH_SCHEMAS.contains(&word) => shape_within(value, root, open),
            "enum" | "required" => sorted(value),
            _ => value.clone(),
        };
        shape.insert(keyword.clone(), value);
    }
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        let is_open = open.iter().any(|one| one == reference);
        let Some(target) = target.filter(|_| !is_open) else {
            shape.insert("$ref".to_owned(), reference.into());
            return Value::Object(shape);
        };
        open.push(reference.to_owned());
        let target = shape_within(target, root, open);
        open.pop();
        if shape.is_empty() {
            return target;
        }
        shape.insert("allOf".to_owned(), Value::Array(vec![target]));
    }
    values(&shape).unwrap_or(Value::Object(shape))
}

/// Alternatives that are single values of one type are what `enum` says too: a doc comment makes the difference.
fn values(shape: &Map<String, Value>) -> Option<Value> {
    let alternatives = shape.get("oneOf").and_then(Value::as_array).filter(|_| shape.len() == 1)?;
    let kind = alternatives.first()?.get("type")?;
    let value = |one: &Value| {
        let is_plain = one.get("type") == Some(kind) && one.as_object()?.len() == 2;
        one.get("const").filter(|_| is_plain).cloned()
    };
    let values: Option<Value> = alternatives.iter().map(value).collect();
    let members = [("enum".to_owned(), sorted(&values?)), ("type".to_owned(), kind.clone())];
    Some(members.into_iter().collect())
}

fn sorted(list: &Value) -> Value {
    let mut items: Vec<Value> = list.as_array().into_iter().flatten().cloned().collect();
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

/// What of a released shape the shape that is generated now breaks.
pub fn breaks(released: &Value, generated: &Value) -> Vec<Break> {
    let mut found = Vec::new();
    compare(released, generated, "", &mut found);
    found
}

fn compare(released: &Value, generated: &Value, at: &str, found: &mut Vec<Break>) {
    let (Some(old), Some(new)) = (released.as_object(), generated.as_object()) else {
        if released != generated {
            found.push(changed(at, Some(released), Some(generated)));
        }
        return;
    };
    let keywords: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for keyword in keywords {
        let at = format!("{at}/{keyword}");
        match (keyword.as_str(), old.get(keyword), new.get(keyword)) {
            (_, one, other) if one == other => {}
            ("properties", one, other) => members(one, other, &at, found),
            ("required", one, other) => needed(one, other, new, &at, found),
            ("enum", Some(one), Some(other)) => listed(one, other, &at, found),
            ("anyOf" | "oneOf", Some(one), Some(other)) => alternatives(one, other, &at, found),
            ("additionalProperties" | "items" | "propertyNames", Some(one), Some(other)) => {
                compare(one, other, &at, found);
            }
            (_, one, other) => found.push(changed(&at, one, other)),
        }
    }
}

/// A member may come, and none may go.
fn members(released: Option<&Value>, generated: Option<&Value>, at: &str, found: &mut Vec<Break>) {
    for (name, old) in released.and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{at}/{}", escaped(name));
        match generated.and_then(|members| members.get(name)) {
            Some(new) => compare(old, new, &at, found),
            None => found.push(said(&at, "removed or renamed")),
        }
    }
}

fn needed(
    released: Option<&Value>,
    generated: Option<&Value>,
    schema: &Map<String, Value>,
    at: &str,
    found: &mut Vec<Break>,
) {
    let (old, new) = (texts(released), texts(generated));
    let come = new.difference(&old);
    found.extend(come.map(|name| said(at, &format!("{name} is required now and was not"))));
    let is_there = |name: &str| schema.get("properties").is_some_and(|all| all.get(name).is_some());
    let gone = old.difference(&new).filter(|name| is_there(name));
    found.extend(gone.map(|name| said(at, &format!("{name} was always there and may be missing"))));
}

fn listed(released: &Value, generated: &Value, at: &str, found: &mut Vec<Break>) {
    let has = |list: &Value, item| list.as_array().is_some_and(|items| items.contains(item));
    let gone = released.as_array().into_iter().flatten().filter(|item| !has(generated, item));
    found.extend(gone.map(|item| said(at, &format!("the value {item} was removed"))));
    let come = generated.as_array().into_iter().flatten().filter(|item| !has(released, item));
    found.extend(come.map(|item| said(at, &format!("readers do not know the value {item}"))));
}

/// Alternatives that are the same belong together; the others, if they are as many, in their order.
fn alternatives(released: &Value, generated: &Value, at: &str, found: &mut Vec<Break>) {
    let all = |list: &'_ Value| list.as_array().cloned().unwrap_or_default();
    let (old, mut come) = (all(released), all(generated));
    let mut gone = Vec::new();
    for (index, one) in old.iter().enumerate() {
        match come.iter().position(|other| other == one) {
            Some(same) => drop(come.remove(same)),
            None => gone.push((format!("{at}/{index}"), one)),
        }
    }
    if gone.len() == come.len() {
        for ((at, old), new) in gone.iter().zip(&come) {
            compare(old, new, at, found);
        }
        return;
    }
    found.extend(gone.iter().map(|(at, _)| said(at, "the alternative was removed")));
    found.extend(come.iter().map(|new| said(at, &format!("readers do not know {new}"))));
}

fn texts(list: Option<&Value>) -> BTreeSet<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn changed(at: &str, released: Option<&Value>, generated: Option<&Value>) -> Break {
    let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    said(at, &format!("was {} and is {}", shown(released), shown(generated)))
}

fn said(at: &str, what: &str) -> Break {
    let pointer = if at.is_empty() { "/" } else { at };
    Break { pointer: pointer.to_owned(), what: what.to_owned() }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
