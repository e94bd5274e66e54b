//! What every crate's manifest says.

use crate::repository::Repository;

/// Every crate is under the workspace's lints.
fn crates_are_under_the_lints(repository: &Repository) -> Vec<String> {
    let crates = packages(repository);
    let free = crates.filter(|(_, text)| {
        !lines(text).any(|line| line.section == "lints" && is_inherited(line.text))
    });
    free.map(|(path, _)| format!("{path}: no [lints] workspace = true")).collect()
}

fn is_inherited(line: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(key, value)| (key.trim(), value.trim()) == ("workspace", "true"))
}

/// Versions of dependencies are in the root manifest and nowhere else.
fn versions_are_in_the_root(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in packages(repository) {
        for line in lines(text) {
            let is_dependency =
                line.section.ends_with("dependencies") || line.section.contains("dependencies.");
            let own = line.text.split_once('=').filter(|(key, value)| names_a_source(key, value));
            if let (true, Some((key, _))) = (is_dependency, own) {
                let (number, key) = (line.number, key.trim());
                found.push(format!("{path}:{number}: {key} is not taken from the workspace"));
            }
        }
    }
    found
}

fn names_a_source(key: &str, value: &str) -> bool {
    let is_whole = !key.contains('.') && value.trim().starts_with('"');
    let sources = ["version", "path", "git", "registry"];
    let is_part = |word: &str| sources.contains(&word.trim().trim_matches('"'));
    let mut parts = value.split(['{', ',', '=']);
    let last = key.rsplit('.').next().unwrap_or(key);
    (is_whole && !matches!(key.trim(), "package")) || is_part(last) || parts.any(is_part)
}

struct Line<'a> {
    number: usize,
    section: &'a str,
    text: &'a str,
}

/// The lines of a manifest with the section that each is in.
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        let text = line.split('#').next().unwrap_or_default().trim();
        match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => {
                section = name.trim();
                None
            }
            None => Some(Line { number: index + 1, section, text }),
        }
    })
}

/// A workspace of its own, which cannot inherit from ours: libFuzzer's `no_main` needs the lints off, and what only the
/// fuzz targets need is no version of the product's.
const APART: &str = "fuzz/Cargo.toml";

fn packages(repository: &Repository) -> impl Iterator<Item = (&str, &str)> {
    let manifests = repository.texts("Cargo.toml").filter(|(path, _)| *path != APART);
    manifests.filter(|(_, text)| text.lines().any(|l| l.trim() == "[package]"))
}

#[test]
fn every_crate_is_under_the_lints() -> anyhow::Result<()> {
    let here = Repository::here()?;
    assert!(packages(here).count() > 10);
    here.keeps(crates_are_under_the_lints)
}

#[test]
fn every_version_is_in_the_root() -> anyhow::Result<()> {
    Repository::here()?.keeps(versions_are_in_the_root)
}

#[test]
fn a_crate_that_forgets_the_lints_is_found() {
    let example = Repository::of(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n"),
        ("a/Cargo.toml", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"),
        ("b/Cargo.toml", "[package]\nname = \"b\"\n[dependencies.x]\nworkspace = true\n[lints]\n"),
        ("c/Cargo.toml", "[package]\nname = \"c\"\n[lints]\nworkspace = false\n"),
    ]);
    assert_eq!(
        example.broken(crates_are_under_the_lints),
        "b/Cargo.toml: no [lints] workspace = true\nc/Cargo.toml: no [lints] workspace = true"
    );
}

#[test]
fn a_version_in_a_crate_is_found_in_every_form() {
    for line in [
        "serde = \"1\"",
        "serde = { version = \"1\", features = [\"derive\"] }",
        "serde = { features = [\"derive\"], git = \"https://example.com\" }",
        "serde.version = \"1\"",
        "serde = { path = \"../serde\" }",
    ] {
        for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = format!("[package]\nname = \"a\"\n[{section}]\n{line}\n");
            let found = versions_are_in_the_root(&Repository::of(&[("a/Cargo.toml", &text)]));
            assert_eq!(found.len(), 1, "{section}: {line}");
        }
    }
    let own = "[package]\nversion = \"1\"\n[dependencies]\nserde.workspace = true\n\
               tokio = { workspace = true, features = [\"rt\"], optional = true }\n";
    assert_eq!(Repository::of(&[("a/Cargo.toml", own)]).broken(versions_are_in_the_root), "");
}
