//! Builds of the workspace that share their artefacts with `cargo test --workspace`.
//!
//! Cargo unifies features over the selected packages, and with those of their tests only where a
//! test or example is built. Every build here selects the whole workspace and one small test or
//! example, so that no crate is compiled in two variants.

use crate::{environment, preflight, steps};
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const JSON: &str = "--message-format=json-render-diagnostics";

/// Executables by the name of their target.
#[derive(Debug)]
pub struct Executables(BTreeMap<String, PathBuf>);

impl Executables {
    /// The path of one.
    pub fn path(&self, name: &str) -> Result<&Path> {
        self.0.get(name).map(PathBuf::as_path).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            anyhow!("the workspace has no binary {name}; it has: {}", known.join(", "))
        })
    }

    /// The one folder that holds them all.
    pub fn folder(&self) -> Result<&Path> {
        let mut folders = self.0.values().filter_map(|path| path.parent());
        let folder = folders.next().context("the workspace has no binaries")?;
        if folders.all(|other| other == folder) { Ok(folder) } else { bail!("binaries lie apart") }
    }
}

/// Builds every binary of the workspace.
pub fn binaries() -> Result<Executables> {
    build("build", &["build", "--workspace", "--bins", "--test", "tidy"])
}

/// Builds every binary of the workspace as it is deployed.
pub fn released() -> Result<Executables> {
    build("release build", &["build", "--release", "--workspace", "--bins"])
}

/// Builds the two APIs only.
pub fn apis() -> Result<Executables> {
    let apis = ["--bin", "command-api", "--bin", "query-api"];
    let words = ["build", "--workspace", "--example", "schemas"];
    build("build the APIs", &[words.as_slice(), &apis].concat())
}

/// Builds the program that prints the event schemas.
pub fn schema_printer() -> Result<Executables> {
    build("build the domain", &["build", "--workspace", "--example", "schemas"])
}

fn build(name: &str, words: &[&str]) -> Result<Executables> {
    preflight::compiling()?;
    let mut command = steps::cargo(words.iter().copied());
    let repeat = steps::shown(&command);
    command.arg(JSON);
    steps::step(name, &repeat, || executables(&steps::printed(&mut command)?))
}

/// What cargo says that it built: one JSON object per line.
fn executables(messages: &str) -> Result<Executables> {
    let mut found = BTreeMap::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line).context("cargo's message is not JSON")?;
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        let runs = matches!(text("/target/kind/0"), Some("bin" | "example"))
            && message.pointer("/profile/test") == Some(&Value::Bool(false));
        if let (true, Some(name), Some(path)) = (runs, text("/target/name"), text("/executable")) {
            found.insert(name.to_owned(), environment::root().join(path));
        }
    }
    Ok(Executables(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, kind: &str, path: &str, is_test: bool) -> String {
        serde_json::json!({
            "reason": "compiler-artifact",
            "target": {"name": name, "kind": [kind]},
            "profile": {"test": is_test},
            "executable": path,
        })
        .to_string()
    }

    #[test]
    fn binaries_are_found_and_test_harnesses_are_not() {
        let messages = [
            artifact("agent", "bin", "/t/debug/agent", false),
            artifact("agent", "bin", "/t/debug/deps/agent-1", true),
            artifact("tidy", "test", "/t/debug/deps/tidy-1", true),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let found = executables(&messages.join("\n")).unwrap();
        assert_eq!(found.path("agent").unwrap(), Path::new("/t/debug/agent"));
        assert_eq!(found.folder().unwrap(), Path::new("/t/debug"));
        let absent = found.path("sealer").unwrap_err().to_string();
        assert_eq!(absent, "the workspace has no binary sealer; it has: agent");
    }

    #[test]
    fn binaries_in_two_folders_have_no_one_folder() {
        let messages = [
            artifact("agent", "bin", "/t/debug/agent", false),
            artifact("other", "bin", "/u/debug/other", false),
        ];
        assert!(executables(&messages.join("\n")).unwrap().folder().is_err());
        assert!(executables("").unwrap().folder().is_err());
    }
}
