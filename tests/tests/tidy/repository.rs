//! The repository's files, or a few made up for an example.

use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A rule gives one line per violation.
pub type Rule = fn(&Repository) -> Vec<String>;

/// Paths below the root, with `/`, and the texts of those that are UTF-8.
pub struct Repository {
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl Repository {
    /// This one, read once.
    pub fn here() -> Result<&'static Self> {
        static HERE: OnceLock<Repository> = OnceLock::new();
        if let Some(read) = HERE.get() {
            return Ok(read);
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no root folder")?;
        let read = Self::read(root)?;
        Ok(HERE.get_or_init(|| read))
    }

    /// An example.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let texts: BTreeMap<_, _> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { paths: texts.keys().cloned().collect(), texts }
    }

    fn read(root: &Path) -> Result<Self> {
        let mut found = Self { paths: BTreeSet::new(), texts: BTreeMap::new() };
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            let entries = root.join(&folder).read_dir();
            for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let path = folder.join(&name);
                if is_left_out(&path, &name) {
                    continue;
                }
                let file = root.join(&path);
                if file.is_dir() {
                    open.push(path);
                } else if let Ok(bytes) = std::fs::read(&file) {
                    found.add(path.to_string_lossy().replace('\\', "/"), bytes);
                }
            }
        }
        Ok(found)
    }

    fn add(&mut self, path: String, bytes: Vec<u8>) {
        if let Ok(text) = String::from_utf8(bytes) {
            self.texts.insert(path.clone(), text);
        }
        self.paths.insert(path);
    }

    /// Whether there is a file or folder of this path.
    pub fn has(&self, path: &str) -> bool {
        let within = format!("{path}/");
        path.is_empty()
            || self.paths.contains(path)
            || self.paths.range(within.clone()..).next().is_some_and(|p| p.starts_with(&within))
    }

    /// Texts whose path ends so, in order.
    pub fn texts<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        all.filter(move |(path, _)| path.ends_with(ending))
    }

    /// The text of a file, empty if there is none.
    pub fn text(&self, path: &str) -> &str {
        self.texts.get(path).map(String::as_str).unwrap_or_default()
    }

    /// Fails with every violation of a rule.
    pub fn keeps(&self, rule: Rule) -> Result<()> {
        let broken = self.broken(rule);
        if broken.is_empty() { Ok(()) } else { bail!("\n{broken}") }
    }

    /// The violations of a rule, one per line.
    pub fn broken(&self, rule: Rule) -> String {
        rule(self).join("\n")
    }
}

/// What git does not hold: `target` only at the roots of the two workspaces, since a module may be called so.
fn is_left_out(path: &Path, name: &str) -> bool {
    let is_hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
    let is_built = [Path::new("target"), Path::new("fuzz/target")].contains(&path);
    is_hidden || is_built || name == "node_modules"
}

/// Whether a Rust file holds only tests.
pub fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[test]
fn folders_are_there_as_files_are() {
    let example = Repository::of(&[("docs/how-to/a.md", ""), ("docs2/b.md", "")]);
    assert!(["docs", "docs/how-to", "docs/how-to/a.md", ""].iter().all(|path| example.has(path)));
    assert!(["doc", "docs/how", "a.md"].iter().all(|path| !example.has(path)));
}

#[test]
fn what_was_built_is_left_out_and_a_module_of_that_name_is_not() {
    assert!(is_left_out(Path::new("target"), "target"));
    assert!(is_left_out(Path::new("fuzz/target"), "target"));
    assert!(is_left_out(Path::new(".git"), ".git"));
    assert!(!is_left_out(Path::new("agent/src/target"), "target"));
    assert!(!is_left_out(Path::new(".ci"), ".ci"));
}

#[test]
fn this_repository_is_read() {
    let here = Repository::here().unwrap();
    assert!(here.has("domain/src/changes/mod.rs") && here.has(".ci/run"));
    assert!(here.texts(".rs").count() > 100);
}
