//! `cargo xtask schemas`: event schemas and `docs/events.md`, as the domain crate prints them.

use crate::generated::{self, Files};
use crate::{builds, environment, steps};
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "schemas/events";

/// Writes the files, or compares them.
pub fn run(check: bool) -> Result<()> {
    let built = builds::schema_printer()?;
    let name = if check { "schemas --check" } else { "schemas" };
    steps::step(name, &format!("cargo xtask {name}"), || {
        let text = steps::printed(&mut Command::new(built.path("schemas")?))?;
        let files: Files = serde_json::from_str(&text).context("not one object of texts")?;
        let root = environment::root();
        let kept = nothing_deleted(&root, &files);
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

/// Every file under a folder of the root.
fn checked_in(root: &Path, folder: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
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

    #[test]
    fn a_repository_without_schemas_has_deleted_nothing() {
        let scratch = Scratch::named("none");
        nothing_deleted(&scratch.0, &Files::new()).unwrap();
    }
}
