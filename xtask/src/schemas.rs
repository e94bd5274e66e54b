//! `cargo xtask schemas`: event schemas and `docs/events.md`, as the domain crate prints them, and what was released.

use crate::generated::{self, Files};
use crate::released::{self, Candidate, Released};
use crate::{builds, environment, history, steps};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "schemas/events";
const SAMPLES: &str = "schemas/samples";

/// Writes the files, or compares them.
pub fn run(check: bool) -> Result<()> {
    let built = builds::schema_printer()?;
    let name = if check { "schemas --check" } else { "schemas" };
    steps::step(name, &format!("cargo xtask {name}"), || {
        let text = steps::printed(&mut Command::new(built.path("schemas")?))?;
        let mut files: Files = serde_json::from_str(&text).context("not one object of texts")?;
        let root = environment::root();
        let kept = nothing_deleted(&root, &files);
        let released = released(&root, &files)?;
        files.insert(released::PATH.to_owned(), released.text());
        generated::settle(&root, &files, check, "cargo xtask schemas").and(kept)
    })
}

/// A schema that was released is needed as long as a log holds an event of it.
fn nothing_deleted(root: &Path, files: &Files) -> Result<()> {
    let mut gone = checked_in(root, FOLDER)?;
    gone.retain(|path| !files.contains_key(path));
    if gone.is_empty() {
        return Ok(());
    }
    bail!("checked in but no longer generated (schemas are never deleted): {}", gone.join(", "))
}

/// What was released with what is generated now, or every reason why that may not be.
fn released(root: &Path, files: &Files) -> Result<Released> {
    let present = text(root, released::PATH)?;
    let mut released = present.map_or_else(|| Ok(Released::default()), |it| Released::read(&it))?;
    let mut refused = Vec::new();
    let mut places = BTreeSet::new();
    for (path, text) in files {
        let place = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_suffix(".json"));
        let Some(place) = place.map(|rest| rest.trim_start_matches('/')) else { continue };
        places.insert(place);
        if let Err(error) = take(root, &mut released, place, path, text) {
            refused.push(format!("{error:#}"));
        }
    }
    let gone = released.places().filter(|place| !places.contains(place));
    refused.extend(gone.map(|place| format!("{place}: was released and is no longer generated")));
    let earlier = history::texts(root, released::PATH);
    if earlier.is_empty() {
        eprintln!("no git history of {}: it is compared with no earlier commit", released::PATH);
    }
    for text in earlier {
        refused.extend(released.lost_since(&Released::read(&text)?));
    }
    refused.dedup();
    if refused.is_empty() { Ok(released) } else { bail!("{}", refused.join("\n")) }
}

/// Takes one schema in; earlier commits are read only if the checked-in schema does not settle it.
fn take(root: &Path, all: &mut Released, place: &str, path: &str, generated: &str) -> Result<()> {
    let json = |text: &str| serde_json::from_str::<Value>(text);
    let generated = json(generated)?;
    let sample = text(root, &format!("{SAMPLES}/{place}.json"))?;
    let sample = sample.map(|text| json(&text).with_context(|| format!("sample of {place}")));
    let sample = sample.transpose()?;
    let here: Vec<Value> = text(root, path)?.iter().flat_map(|text| json(text)).collect();
    let candidate =
        Candidate { place, generated: &generated, sample: sample.as_ref(), known: &here };
    if all.take(candidate).is_ok() {
        return Ok(());
    }
    let earlier = history::texts(root, path);
    let known: Vec<Value> =
        here.iter().cloned().chain(earlier.iter().flat_map(|text| json(text))).collect();
    all.take(Candidate { known: &known, ..candidate })
}

/// The text of a file of the root, if it is there.
fn text(root: &Path, path: &str) -> Result<Option<String>> {
    match std::fs::read_to_string(root.join(path)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
    }
}

/// Every file under a folder of the root.
fn checked_in(root: &Path, folder: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot list {folder}")),
        };
        for entry in entries {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() { &mut open } else { &mut found }.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::tests::{Scratch, files};

    #[test]
    fn a_schema_that_is_no_longer_generated_is_named() {
        let scratch = Scratch::named("deleted");
        let both = files(&[
            ("schemas/events/changes/schema.requested.v1.json", "{}"),
            ("schemas/events/jobs/job.dispatched.v1.json", "{}"),
        ]);
        generated::write(&scratch.0, &both).unwrap();
        nothing_deleted(&scratch.0, &both).unwrap();
        let one = files(&[("schemas/events/jobs/job.dispatched.v1.json", "{}")]);
        let error = nothing_deleted(&scratch.0, &one).unwrap_err().to_string();
        assert!(error.ends_with(": schemas/events/changes/schema.requested.v1.json"), "{error}");
    }

    const PATH: &str = "schemas/events/jobs/job.ended.v1.json";

    /// What a run of `cargo xtask schemas` does with one event of these members.
    fn settled(scratch: &Scratch, members: &[&str], check: bool) -> Result<()> {
        let members: Value =
            members.iter().map(|name| ((*name).to_owned(), serde_json::json!({}))).collect();
        let schema = serde_json::json!({"type": "object", "properties": members}).to_string();
        let mut all = files(&[(PATH, &schema)]);
        let released = released(&scratch.0, &all)?;
        all.insert(released::PATH.to_owned(), released.text());
        generated::settle(&scratch.0, &all, check, "write")
    }

    #[test]
    fn a_released_schema_is_not_written_over_by_one_that_breaks_it() {
        let scratch = Scratch::named("released");
        assert!(settled(&scratch, &["code"], false).is_err(), "it has no sample");
        let sample = files(&[("schemas/samples/jobs/job.ended.v1.json", "{\"code\": 1}")]);
        generated::write(&scratch.0, &sample).unwrap();
        settled(&scratch, &["code"], false).unwrap();
        let before = std::fs::read_to_string(scratch.0.join(PATH)).unwrap();
        for check in [false, true] {
            let error = settled(&scratch, &["sqlstate"], check).unwrap_err().to_string();
            assert!(error.contains("/properties/code: removed or renamed"), "{error}");
            assert!(error.contains("docs/how-to/add-an-event.md"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(scratch.0.join(PATH)).unwrap(), before);
        assert!(settled(&scratch, &["code", "note"], true).is_err(), "not written yet");
        settled(&scratch, &["code", "note"], false).unwrap();
        settled(&scratch, &["code", "note"], true).unwrap();
        std::fs::write(scratch.0.join(PATH), before.replace("code", "sqlstate")).unwrap();
        let error = settled(&scratch, &["sqlstate"], true).unwrap_err().to_string();
        assert!(error.contains("neither code nor checked-in schema"), "{error}");
    }

    #[test]
    fn a_released_event_that_is_no_longer_generated_is_named() {
        let scratch = Scratch::named("gone");
        let sample = files(&[("schemas/samples/jobs/job.ended.v1.json", "{}")]);
        generated::write(&scratch.0, &sample).unwrap();
        settled(&scratch, &["code"], false).unwrap();
        let error = released(&scratch.0, &Files::new()).unwrap_err().to_string();
        assert_eq!(error, "jobs/job.ended.v1: was released and is no longer generated");
    }

    #[test]
    fn a_repository_without_schemas_has_deleted_nothing() {
        let scratch = Scratch::named("none");
        nothing_deleted(&scratch.0, &Files::new()).unwrap();
    }
}
