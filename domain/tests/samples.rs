//! One golden sample per version of every event: JSON as it was released, which today's code still reads whole.

use countersign_domain::registry::{self, Event, Registered};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

/// Every checked-in sample by its place, such as `jobs/job.failed.v1.json`.
fn samples() -> Result<BTreeMap<String, Value>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/samples");
    let mut found = BTreeMap::new();
    for context in fs::read_dir(root)? {
        let context = context?;
        for file in fs::read_dir(context.path())? {
            let file = file?;
            let place = [context.file_name(), file.file_name()];
            let [context, name] = place.map(|part| part.to_string_lossy().into_owned());
            let value = serde_json::from_slice(&fs::read(file.path())?)?;
            found.insert(format!("{context}/{name}"), value);
        }
    }
    Ok(found)
}

/// Every released version with its sample.
fn released() -> Result<Vec<(Registered, Value)>, Box<dyn Error>> {
    let mut samples = samples()?;
    let with_sample = |event: Registered| {
        let sample = samples.remove(&place(&event))?;
        Some((event, sample))
    };
    Ok(registry::all().into_iter().filter_map(with_sample).collect())
}

/// Whether the code writes this version; an older one is read, and written as what it became.
fn is_written(event: &Registered) -> bool {
    let is_later =
        |other: &Registered| other.event_type == event.event_type && other.version > event.version;
    !registry::all().iter().any(is_later)
}

fn place(event: &Registered) -> String {
    event.sample_path().trim_start_matches("schemas/samples/").to_owned()
}

/// The event as a commit would record it.
fn written(event: &Event) -> serde_json::Result<(String, Value)> {
    match event {
        Event::Tenant(event) => registry::recorded(event),
        Event::Principal(event) => registry::recorded(event),
        Event::TrustRoot(event) => registry::recorded(event),
        Event::DataSource(event) => registry::recorded(event),
        Event::Change(event) => registry::recorded(event),
        Event::Approval(event) => registry::recorded(event),
        Event::Job(event) => registry::recorded(event),
        Event::Agent(event) => registry::recorded(event),
        Event::Log(event) => registry::recorded(event),
    }
}

/// Whether a version has gained members since it was released: its sample, which is never edited, does not show them.
fn has_gained(event: &Registered) -> Result<bool, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/released.json");
    let released: Value = serde_json::from_slice(&fs::read(path)?)?;
    let digests = released.get(place(event).trim_end_matches(".json"));
    let digests = digests.and_then(|version| version.get("schema")).and_then(Value::as_array);
    Ok(digests.is_some_and(|digests| digests.len() > 1))
}

/// What was written, without members that came later than the sample and hold nothing.
fn as_old_as(sample: &Value, written: Value) -> Value {
    match (sample, written) {
        (Value::Object(sample), Value::Object(written)) => {
            let known = |(name, value): (String, Value)| match sample.get(&name) {
                Some(old) => Some((name, as_old_as(old, value))),
                None => (!value.is_null()).then_some((name, value)),
            };
            written.into_iter().filter_map(known).collect()
        }
        (Value::Array(sample), Value::Array(written)) if sample.len() == written.len() => {
            sample.iter().zip(written).map(|(old, value)| as_old_as(old, value)).collect()
        }
        (_, written) => written,
    }
}

/// What the schema knows and the sample does not show: a member, an optional value, an item.
fn not_shown(schema: &Value, root: &Value, sample: &Value, at: &str) -> Vec<String> {
    if sample.is_null() {
        return vec![format!("{at} is null")];
    }
    let mut found = Vec::new();
    let schema = target(schema, root);
    for branch in ["anyOf", "oneOf"].into_iter().filter_map(|keyword| schema.get(keyword)) {
        let branches = branch.as_array().into_iter().flatten();
        let taken = branches.filter(|branch| is_of_type(target(branch, root), sample));
        found.extend(taken.flat_map(|branch| not_shown(branch, root, sample, at)));
    }
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let at = format!("{at}/{name}");
        match sample.get(name) {
            Some(value) => found.extend(not_shown(member, root, value, &at)),
            None => found.push(format!("{at} is not there")),
        }
    }
    if let Some(items) = schema.get("items") {
        let shown = sample.as_array().into_iter().flatten();
        let shown =
            shown.enumerate().map(|(i, item)| not_shown(items, root, item, &format!("{at}/{i}")));
        found.extend(shown.flatten());
    }
    let is_collection = schema.get("items").or(schema.get("additionalProperties")).is_some();
    if is_collection && [json!([]), json!({})].contains(sample) {
        found.push(format!("{at} is empty"));
    }
    found
}

fn target<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn is_of_type(schema: &Value, sample: &Value) -> bool {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => sample.is_object(),
        Some("string") => sample.is_string(),
        _ => false,
    }
}

#[test]
fn every_version_of_every_event_has_one_sample() {
    let expected: BTreeSet<String> = registry::all().iter().map(place).collect();
    let found: BTreeSet<String> = samples().unwrap().into_keys().collect();
    assert_eq!(found, expected, "schemas/samples/<context>/<type>.v<version>.json");
    assert_eq!(released().unwrap().len(), expected.len());
}

#[test]
fn a_sample_fits_its_schema() {
    for (event, sample) in released().unwrap() {
        let validator = jsonschema::validator_for(&event.schema).unwrap();
        let wrong: Vec<String> =
            validator.iter_errors(&sample).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", place(&event));
    }
}

#[test]
fn a_sample_shows_every_member() {
    for (event, sample) in released().unwrap() {
        let mut missing = not_shown(&event.schema, &event.schema, &sample, "");
        if has_gained(&event).unwrap() {
            missing.retain(|line| !line.ends_with("is not there"));
        }
        assert!(missing.is_empty(), "{}: {missing:?}", place(&event));
    }
}

#[test]
fn a_sample_is_read_by_todays_code_and_no_member_is_lost() {
    for (event, sample) in released().unwrap() {
        let Registered { aggregate_type, event_type, version, .. } = &event;
        let read = Event::read(aggregate_type, event_type, *version, &sample)
            .unwrap_or_else(|error| panic!("{}: {error}: {:?}", place(&event), error.source()));
        if is_written(&event) {
            let (kind, data) = written(&read).unwrap();
            let expected = (event_type.clone(), sample.clone());
            assert_eq!((kind, as_old_as(&sample, data)), expected, "{}", place(&event));
        }
    }
}

#[test]
fn a_member_that_came_later_is_left_out_only_while_it_holds_nothing() {
    let sample = json!({"list": [{"a": 1}], "none": null});
    let later = json!({"list": [{"a": 1, "b": null}], "none": null, "c": null});
    assert_eq!(as_old_as(&sample, later), sample);
    for other in [
        json!({"list": [{"a": 1, "b": 2}], "none": null}),
        json!({"list": [{"a": 2}], "none": null}),
        json!({"list": [{"a": 1}]}),
        json!({"list": [], "none": null}),
    ] {
        assert_ne!(as_old_as(&sample, other.clone()), sample, "{other}");
    }
}

#[test]
fn what_a_sample_does_not_show_is_found() {
    let schema = json!({
        "$defs": {"Text": {"type": "string"}},
        "properties": {
            "gone": {"$ref": "#/$defs/Text"},
            "none": {"anyOf": [{"$ref": "#/$defs/Text"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"properties": {"deep": {"type": "string"}}}},
            "bare": {"type": "object", "additionalProperties": {"type": "string"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"key": {}}}]},
        },
    });
    let sample = json!({"none": null, "list": [{}], "bare": {}, "either": {"other": 1}});
    let mut found = not_shown(&schema, &schema, &sample, "");
    found.sort();
    let expected = [
        "/bare is empty",
        "/either/key is not there",
        "/gone is not there",
        "/list/0/deep is not there",
        "/none is null",
    ];
    assert_eq!(found, expected);
}
