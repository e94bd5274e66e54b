//! The operations of a served `OpenAPI` document, and bodies made from their schemas.

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How deep a sample follows a schema that contains itself.
const DEPTH: usize = 8;

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: String,
    pub path: String,
    /// Every status that the document names; `default` is not one.
    pub statuses: BTreeSet<u16>,
    /// Names of the path's parameters.
    pub in_path: Vec<String>,
    /// Names of the query's parameters.
    pub in_query: Vec<String>,
    /// The body's schema, references resolved.
    pub body: Option<Value>,
}

impl Operation {
    /// Every operation of a document.
    pub fn all(document: &Value) -> anyhow::Result<Vec<Self>> {
        let paths = document.get("paths").and_then(Value::as_object).context("no paths")?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().context("no path item")? {
                if matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete") {
                    operations.push(Self::of(document, path, method, operation));
                }
            }
        }
        Ok(operations)
    }

    /// A command at a path, for whoever needs no document.
    pub fn command(path: &str) -> Self {
        Self {
            method: "post".to_owned(),
            path: path.to_owned(),
            statuses: BTreeSet::new(),
            in_path: Vec::new(),
            in_query: Vec::new(),
            body: None,
        }
    }

    fn of(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let responses = operation.get("responses").and_then(Value::as_object);
        let statuses = responses.into_iter().flat_map(Map::keys);
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let named = |place: &str| {
            let at = parameters.into_iter().flatten();
            let at = at.filter(|parameter| parameter.get("in") == Some(&json!(place)));
            let names = at.filter_map(|parameter| parameter.get("name")?.as_str());
            names.map(str::to_owned).collect()
        };
        let body = operation.pointer("/requestBody/content/application~1json/schema");
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            statuses: statuses.filter_map(|status| status.parse().ok()).collect(),
            in_path: named("path"),
            in_query: named("query"),
            body: body.map(|schema| resolved(document, schema, 0)),
        }
    }

    /// The path with every parameter replaced.
    pub fn filled(&self, word: impl Fn(&str) -> String) -> String {
        let mut path = self.path.clone();
        for name in &self.in_path {
            path = path.replace(&format!("{{{name}}}"), &word(name));
        }
        path
    }

    /// A body of the right shape, if it takes one.
    pub fn sample(&self) -> Option<Value> {
        self.body.as_ref().map(sample)
    }

    /// A body of the right shape, in each of its forms, each with one member of a wrong type.
    pub fn wrongly_typed(&self) -> Vec<Value> {
        let mut bodies = Vec::new();
        for form in self.body.iter().flat_map(forms) {
            let Value::Object(sample) = sample(form) else { continue };
            for (name, schema) in properties(form) {
                // One level down as well: what is in a list, or in an object.
                let inner = match schema.get("items") {
                    Some(items) => wrong(items).into_iter().map(|wrong| json!([wrong])).collect(),
                    None => nested(schema),
                };
                let wrong = wrong(schema).into_iter().chain(inner);
                bodies.extend(wrong.map(|wrong| with(&sample, name, wrong)));
            }
        }
        bodies
    }

    /// A body of the right shape, each without one member that it must have.
    pub fn incomplete(&self) -> Vec<Value> {
        let mut bodies = Vec::new();
        for form in self.body.iter().flat_map(forms) {
            let Value::Object(sample) = sample(form) else { continue };
            for name in required(form) {
                let mut body = sample.clone();
                body.remove(name);
                bodies.push(Value::Object(body));
            }
        }
        bodies
    }
}

fn resolved(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > DEPTH {
        return json!({});
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.trim_start_matches('#'));
        return target.map_or(json!({}), |target| resolved(document, target, depth + 1));
    }
    match schema {
        Value::Object(object) => {
            let inner = object.iter();
            let inner = inner.map(|(key, value)| (key.clone(), resolved(document, value, depth)));
            Value::Object(inner.collect())
        }
        Value::Array(values) => {
            values.iter().map(|value| resolved(document, value, depth)).collect()
        }
        plain => plain.clone(),
    }
}

/// The alternatives of a schema, or itself.
fn forms(schema: &Value) -> Vec<&Value> {
    let alternatives = ["oneOf", "anyOf"].iter().find_map(|name| schema.get(name)?.as_array());
    alternatives.map_or_else(|| vec![schema], |forms| forms.iter().collect())
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A value of the right shape; its text means nothing.
fn sample(schema: &Value) -> Value {
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    if let Some(first) = forms(schema).first().filter(|first| **first != schema) {
        return sample(first);
    }
    match types(schema).first() {
        Some(&"object") => {
            let mut object = Map::new();
            for (name, schema) in properties(schema) {
                object.insert(name.clone(), sample(schema));
            }
            Value::Object(object)
        }
        Some(&"array") => json!([]),
        Some(&"integer" | &"number") => json!(1),
        Some(&"boolean") => json!(true),
        Some(&"string") => json!("AA=="),
        _ => Value::Null,
    }
}

/// One value of every JSON type that the schema does not take; none if it takes anything.
fn wrong(schema: &Value) -> Vec<Value> {
    let taken: Vec<&str> = forms(schema).into_iter().flat_map(types).collect();
    if taken.is_empty() {
        return Vec::new();
    }
    let all = [
        ("null", Value::Null),
        ("boolean", json!(true)),
        ("number", json!(1.5)),
        ("string", json!("text")),
        ("array", json!([[1]])),
        ("object", json!({"\u{0}": {"a": 1}})),
    ];
    let other = all.into_iter().filter(|(name, _)| !taken.contains(name));
    // What is an object without properties takes any members.
    let mut values: Vec<Value> = other.map(|(_, value)| value).collect();
    if taken.contains(&"integer") {
        values.extend([json!(-1), json!(u64::MAX), json!(1e300)]);
    }
    values
}

fn nested(schema: &Value) -> Vec<Value> {
    let mut bodies = Vec::new();
    for form in forms(schema) {
        let Value::Object(sample) = sample(form) else { continue };
        for (name, schema) in properties(form) {
            bodies.extend(wrong(schema).into_iter().map(|wrong| with(&sample, name, wrong)));
        }
    }
    bodies
}

fn with(sample: &Map<String, Value>, name: &str, value: Value) -> Value {
    let mut body = sample.clone();
    body.insert(name.to_owned(), value);
    Value::Object(body)
}
