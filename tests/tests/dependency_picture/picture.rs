//! The workspace's crates and their direct dependencies, from `cargo metadata`.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// A rule gives one line per violation.
pub type Rule = fn(&Picture) -> Vec<String>;

/// Every crate of the workspace.
pub struct Picture(pub Vec<Crate>);

/// One crate.
pub struct Crate {
    /// Its folder below the root, with `/`.
    pub folder: String,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
}

/// A direct dependency.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The package's own name.
    pub name: String,
    /// What it is needed for.
    pub kind: Kind,
    /// Only with a feature.
    pub is_optional: bool,
    /// Its folder, if it is a crate of ours.
    pub folder: Option<String>,
}

/// What a dependency is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The crate itself.
    Normal,
    /// Its build script.
    Build,
    /// Its tests and examples.
    Development,
}

impl Picture {
    /// That of this workspace.
    pub fn here() -> Result<Self> {
        let words = ["metadata", "--format-version=1", "--no-deps", "--locked"];
        Self::read(&serde_json::from_str(&cargo(&words)?)?)
    }

    fn read(metadata: &Value) -> Result<Self> {
        let root = metadata.get("workspace_root").and_then(Value::as_str).context("no root")?;
        let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
        packages.iter().map(|package| Crate::read(root, package)).collect::<Result<_>>().map(Self)
    }

    /// An example: folder and dependencies as `name`, `dev:name`, `optional:name`; a name with a
    /// leading `/` is the folder of one of ours.
    pub fn of(crates: &[(&str, &[&str])]) -> Self {
        let example = |(folder, names): &(&str, &[&str])| Crate {
            folder: (*folder).to_owned(),
            dependencies: names.iter().map(|name| Dependency::example(name)).collect(),
        };
        Self(crates.iter().map(example).collect())
    }

    /// Every crate with each of its dependencies.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &Dependency)> {
        self.0.iter().flat_map(|c| c.dependencies.iter().map(|d| (c.folder.as_str(), d)))
    }

    /// Fails with every violation of a rule.
    pub fn keeps(&self, rule: Rule) -> Result<()> {
        let broken = rule(self).join("\n");
        if broken.is_empty() { Ok(()) } else { bail!("\n{broken}") }
    }
}

impl Crate {
    fn read(root: &str, package: &Value) -> Result<Self> {
        let manifest = package.get("manifest_path").and_then(Value::as_str).context("no path")?;
        let folder = manifest.strip_suffix("/Cargo.toml").unwrap_or(manifest);
        let named = package.get("dependencies").and_then(Value::as_array).context("no list")?;
        let dependencies =
            named.iter().map(|one| Dependency::read(root, one)).collect::<Result<_>>();
        Ok(Self { folder: below(root, folder), dependencies: dependencies? })
    }
}

impl Dependency {
    fn read(root: &str, named: &Value) -> Result<Self> {
        let text = |key: &str| named.get(key).and_then(Value::as_str);
        let kind = match text("kind") {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some("dev") => Kind::Development,
            Some(other) => bail!("unknown kind of dependency: {other}"),
        };
        Ok(Self {
            name: text("name").context("a dependency without a name")?.to_owned(),
            kind,
            is_optional: named.get("optional") == Some(&Value::Bool(true)),
            folder: text("path").map(|path| below(root, path)),
        })
    }

    fn example(text: &str) -> Self {
        let (kind, name) = match text.strip_prefix("dev:") {
            Some(name) => (Kind::Development, name),
            None => (Kind::Normal, text),
        };
        let is_optional = name.starts_with("optional:");
        let name = name.trim_start_matches("optional:");
        let folder = name.strip_prefix('/').map(str::to_owned);
        Self { name: name.to_owned(), kind, is_optional, folder }
    }
}

fn below(root: &str, path: &str) -> String {
    path.strip_prefix(root).unwrap_or(path).trim_start_matches('/').to_owned()
}

/// What cargo prints at the repository's root.
pub fn cargo(words: &[&str]) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no root folder")?;
    let mut command = Command::new(env!("CARGO"));
    let output = command.args(words).current_dir(root).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("cargo {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn this_workspace_is_read() {
    let here = Picture::here().unwrap();
    let ours = here.edges().filter(|(_, dependency)| dependency.folder.is_some());
    assert!(here.0.iter().any(|c| c.folder == "platform/event-log"));
    assert!(ours.count() > 20);
    let development = here.edges().filter(|(_, d)| d.kind == Kind::Development);
    assert!(development.count() > 3);
}
