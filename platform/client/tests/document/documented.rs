//! A checked-in document, and examples made from its schemas.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The repository's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One API's document.
pub struct Documented(Value);

/// What an example shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Every member that the schema knows.
    Fullest,
    /// Only the members that are required.
    Least,
}

impl Documented {
    /// As it is checked in.
    pub fn of(api: &str) -> Result<Self> {
        let path = root().join(format!("schemas/openapi/{api}.json"));
        Ok(Self(serde_json::from_str(&std::fs::read_to_string(path)?)?))
    }

    /// Made up for an example.
    pub fn example(document: Value) -> Self {
        Self(document)
    }

    /// Method, path and operation of every operation.
    pub fn operations(&self) -> Vec<(&str, &str, &Value)> {
        let paths = self.0.get("paths").and_then(Value::as_object).into_iter().flatten();
        let operations = paths.flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(|(method, operation)| (method.as_str(), path.as_str(), operation))
        });
        operations.collect()
    }

    /// The ids of every operation.
    pub fn ids(&self) -> BTreeSet<&str> {
        let all = self.operations().into_iter();
        all.filter_map(|(_, _, operation)| operation.get("operationId")?.as_str()).collect()
    }

    /// Method, path and value of an operation.
    pub fn operation(&self, id: &str) -> Result<(&str, &str, &Value)> {
        let has_id = |operation: &Value| operation.get("operationId").is_some_and(|it| it == id);
        let mut all = self.operations().into_iter();
        all.find(|(_, _, operation)| has_id(operation))
            .with_context(|| format!("no operation {id}"))
    }

    /// The schema of an operation's JSON request body.
    pub fn request(&self, id: &str) -> Result<&Value> {
        let body = self.operation(id)?.2.pointer("/requestBody/content/application~1json/schema");
        body.with_context(|| format!("{id} takes no JSON"))
    }

    /// The schema of an operation's successful answer, if it is JSON.
    pub fn answer(&self, id: &str) -> Result<&Value> {
        let answers = self.operation(id)?.2.get("responses").and_then(Value::as_object);
        let success = answers.into_iter().flatten().find(|(status, _)| status.starts_with('2'));
        let schema = success.and_then(|(_, it)| it.pointer("/content/application~1json/schema"));
        schema.with_context(|| format!("{id} answers no JSON"))
    }

    /// The schema of a component.
    pub fn component(&self, name: &str) -> Result<&Value> {
        let schema = self.0.pointer(&format!("/components/schemas/{name}"));
        schema.with_context(|| format!("no schema {name}"))
    }

    /// The names of every schema.
    pub fn components(&self) -> BTreeSet<&str> {
        let schemas = self.0.pointer("/components/schemas").and_then(Value::as_object);
        schemas.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// What of a value does not fit a schema.
    pub fn misfits(&self, schema: &Value, value: &Value) -> Result<Vec<String>> {
        let mut whole = schema.as_object().cloned().unwrap_or_default();
        whole
            .insert("components".to_owned(), self.0.get("components").cloned().unwrap_or_default());
        let validator = jsonschema::validator_for(&Value::Object(whole))?;
        Ok(validator.iter_errors(value).map(|error| error.to_string()).collect())
    }

    /// The names of the members that a schema or one of its alternatives knows.
    pub fn known_members<'a>(&'a self, schema: &'a Value) -> BTreeSet<&'a str> {
        let schema = self.target(schema);
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let mut known: BTreeSet<&str> = own.map(|(name, _)| name.as_str()).collect();
        for word in ["allOf", "anyOf", "oneOf"] {
            let parts = schema.get(word).and_then(Value::as_array).into_iter().flatten();
            known.extend(parts.flat_map(|part| self.known_members(part)));
        }
        known
    }

    /// A value of a schema.
    pub fn value(&self, schema: &Value, form: Form) -> Value {
        let schema = self.target(schema);
        let branches = ["anyOf", "oneOf"].into_iter().find_map(|word| schema.get(word)?.as_array());
        if let Some(branches) = branches {
            let is_null = |branch: &&Value| branch.get("type") == Some(&json!("null"));
            let branch = branches.iter().find(|branch| !is_null(branch));
            return branch.map_or(Value::Null, |branch| self.value(branch, form));
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let parts = parts.iter().map(|part| self.value(part, form));
            let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
            return Value::Object(members.collect());
        }
        if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
            return first.clone();
        }
        match kind(schema) {
            "string" => "text".into(),
            "integer" | "number" => 1.into(),
            "boolean" => true.into(),
            "array" if form == Form::Fullest => {
                schema.get("items").map(|items| self.value(items, form)).into_iter().collect()
            }
            "array" => json!([]),
            "object" => self.object(schema, form),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, form: Form) -> Value {
        let required: BTreeSet<&str> = names(schema.get("required")).collect();
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let shown = properties
            .filter(|(name, _)| form == Form::Fullest || required.contains(name.as_str()));
        let members = shown.map(|(name, member)| (name.clone(), self.value(member, form)));
        let mut members: Map<String, Value> = members.collect();
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        if let (Form::Fullest, Some(others)) = (form, others) {
            members.insert("name".to_owned(), self.value(others, form));
        }
        Value::Object(members)
    }

    fn target<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(schema)
    }
}

/// The type, or the first of several that is not null.
fn kind(schema: &Value) -> &str {
    let kind = schema.get("type");
    let several = names(kind).find(|kind| *kind != "null");
    several.or_else(|| kind?.as_str()).unwrap_or_default()
}

fn names(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The names of the public types of a module of the client that both APIs document.
pub fn public_types(module: &str) -> Result<BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{module}.rs"));
    let text = std::fs::read_to_string(path)?;
    let named = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum "))?;
        rest.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned)
    });
    Ok(named.collect())
}

#[test]
fn examples_are_of_their_schema() {
    let document = Documented::example(json!({"components": {"schemas": {
        "Part": {"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string"}, "b": {"type": ["integer", "null"]}
        }},
        "Whole": {"allOf": [
            {"$ref": "#/components/schemas/Part"},
            {"type": "object", "required": ["parts"], "properties": {
                "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                "one": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Part"}]},
                "labels": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "word": {"type": "string", "enum": ["yes", "no"]}
            }}
        ]}
    }}}));
    let whole = document.component("Whole").unwrap();
    let part = json!({"a": "text", "b": 1});
    let fullest = json!({
        "a": "text", "b": 1, "parts": [part], "one": part, "labels": {"name": true}, "word": "yes"
    });
    assert_eq!(document.value(whole, Form::Fullest), fullest);
    let least = json!({"a": "text", "parts": []});
    assert_eq!(document.value(whole, Form::Least), least);
    for (value, misfits) in [(&fullest, 0), (&least, 0), (&json!({"a": 1, "parts": 1}), 2)] {
        assert_eq!(document.misfits(whole, value).unwrap().len(), misfits, "{value}");
    }
}
