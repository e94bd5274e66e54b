//! Every event type has its schema and its line in the table of events.

use crate::repository::{Repository, is_test};
use serde_json::Value;
use std::collections::BTreeSet;

const TABLE: &str = "docs/events.md";
const HOME: &str = "https://countersign.dev/";

/// Every event type in the domain has a checked-in schema and is listed.
fn events_have_schemas(repository: &Repository) -> Vec<String> {
    let table = repository.text(TABLE);
    let mut found = Vec::new();
    for (context, event) in events(repository) {
        let path = format!("schemas/events/{context}/{event}.v1.json");
        if !repository.has(&path) {
            found.push(format!("{path}: missing (cargo xtask schemas)"));
        }
        if !table.contains(&format!("| `{event}` |")) {
            found.push(format!("{TABLE}: does not list {event} (cargo xtask schemas)"));
        }
    }
    found
}

/// Every checked-in schema is of an event in the domain, says its own name and is linked.
fn schemas_are_of_events(repository: &Repository) -> Vec<String> {
    let events = events(repository);
    let table = repository.text(TABLE);
    let mut found = Vec::new();
    for (path, text) in repository.texts(".json") {
        let Some(rest) = path.strip_prefix("schemas/events/") else { continue };
        let event = rest.split_once('/').and_then(|(context, file)| {
            let (event, version) = file.strip_suffix(".json")?.rsplit_once(".v")?;
            version.parse::<u32>().ok()?;
            Some((context.to_owned(), event.to_owned()))
        });
        if !event.is_some_and(|event| events.contains(&event)) {
            found.push(format!("{path}: of no event in the domain"));
        }
        let id = serde_json::from_str::<Value>(text).ok();
        let id = id.as_ref().and_then(|schema| schema.get("$id")).and_then(Value::as_str);
        if id != Some(&format!("{HOME}{path}")) {
            found.push(format!("{path}: $id is {}", id.unwrap_or("missing")));
        }
        if !table.contains(&format!("](../{path})")) {
            found.push(format!("{TABLE}: does not link {path}"));
        }
    }
    found
}

/// Context and type of every event: what serde renames a variant to has a dot.
fn events(repository: &Repository) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (path, text) in repository.texts(".rs").filter(|(path, _)| !is_test(path)) {
        let inside = path.strip_prefix("domain/src/").and_then(|rest| rest.split_once('/'));
        let Some((context, _)) = inside else { continue };
        let renames = text.split("rename = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let types = renames.filter(|name| name.contains('.'));
        found.extend(types.map(|name| (context.to_owned(), name.to_owned())));
    }
    found
}

#[test]
fn every_event_has_a_schema_and_is_listed() -> anyhow::Result<()> {
    let here = Repository::here()?;
    assert!(events(here).len() > 30, "the events of the domain are not seen any more");
    here.keeps(events_have_schemas)
}

#[test]
fn every_schema_is_of_an_event() -> anyhow::Result<()> {
    Repository::here()?.keeps(schemas_are_of_events)
}

const EVENT: (&str, &str) =
    ("domain/src/jobs/event.rs", "#[serde(rename = \"job.claimed\")]\nClaimed,");
const SCHEMA: (&str, &str) = (
    "schemas/events/jobs/job.claimed.v1.json",
    r#"{"$id": "https://countersign.dev/schemas/events/jobs/job.claimed.v1.json"}"#,
);
const LISTED: (&str, &str) =
    (TABLE, "| `job.claimed` | [v1](../schemas/events/jobs/job.claimed.v1.json) |");

#[test]
fn an_event_without_schema_or_line_is_found() {
    let whole = Repository::of(&[EVENT, SCHEMA, LISTED]);
    assert_eq!(whole.broken(events_have_schemas), "");
    assert_eq!(whole.broken(schemas_are_of_events), "");
    assert_eq!(
        Repository::of(&[EVENT]).broken(events_have_schemas),
        "schemas/events/jobs/job.claimed.v1.json: missing (cargo xtask schemas)\n\
         docs/events.md: does not list job.claimed (cargo xtask schemas)"
    );
}

#[test]
fn a_schema_of_no_event_or_with_another_id_is_found() {
    let moved = ("schemas/events/agents/job.claimed.v1.json", SCHEMA.1);
    let found = schemas_are_of_events(&Repository::of(&[EVENT, moved]));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().any(|line| line.ends_with("of no event in the domain")));
}
