//! Generated files that are checked in: written, or compared with what would be written.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// Texts by their path under the root, with `/`.
pub type Files = BTreeMap<String, String>;

/// A checked-in file that is not what is generated now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing(String),
    /// It has other content, first at this line.
    Differs(String, usize),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path}: missing"),
            Self::Differs(path, line) => write!(f, "{path}:{line}: differs from what is generated"),
        }
    }
}

/// What `root` has that differs from `files`.
pub fn differences(root: &Path, files: &Files) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    for (path, text) in files {
        stay_inside(path)?;
        let file = root.join(path);
        match std::fs::read_to_string(&file) {
            Ok(present) if present == *text => {}
            Ok(present) => found.push(Difference::Differs(path.clone(), first(&present, text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                found.push(Difference::Missing(path.clone()));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        }
    }
    Ok(found)
}

/// Writes what differs and says it.
pub fn write(root: &Path, files: &Files) -> Result<()> {
    for difference in differences(root, files)? {
        let (path, what) = match &difference {
            Difference::Missing(path) => (path, "new"),
            Difference::Differs(path, _) => (path, "changed"),
        };
        let file = root.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {path}"))?;
        }
        let text = files.get(path).map(String::as_str).unwrap_or_default();
        std::fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
        eprintln!("{what}: {path}");
    }
    Ok(())
}

/// Writes, or with `check` fails naming every file that differs and `writer`, the command that
/// writes them.
pub fn settle(root: &Path, files: &Files, check: bool, writer: &str) -> Result<()> {
    if !check {
        return write(root, files);
    }
    let found = differences(root, files)?;
    if found.is_empty() {
        return Ok(());
    }
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    bail!("{}\nwritten by: {writer}", found.join("\n"))
}

fn stay_inside(path: &str) -> Result<()> {
    let is_plain = |part| matches!(part, Component::Normal(_));
    if Path::new(path).components().all(is_plain) {
        return Ok(());
    }
    bail!("a generated path leaves the repository: {path}")
}

/// The first line that differs, from 1.
fn first(present: &str, wanted: &str) -> usize {
    let same = present.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
    same + 1
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A folder that is gone when the test ends.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        /// An empty one; `name` is unique in this crate.
        pub fn named(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    /// Files of these paths and texts.
    pub fn files(pairs: &[(&str, &str)]) -> Files {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_was_written_does_not_differ() {
        let scratch = Scratch::named("written");
        let files = files(&[("a/b.json", "{}\n"), ("c.md", "# C\n")]);
        assert!(settle(&scratch.0, &files, true, "write").is_err());
        settle(&scratch.0, &files, false, "write").unwrap();
        settle(&scratch.0, &files, true, "write").unwrap();
    }

    #[test]
    fn an_edited_and_a_missing_file_are_named() {
        let scratch = Scratch::named("edited");
        std::fs::write(scratch.0.join("a.json"), "one\ntwo\n").unwrap();
        let files = files(&[("a.json", "one\n2\n"), ("b.json", "")]);
        let found = settle(&scratch.0, &files, true, "write").unwrap_err().to_string();
        assert_eq!(
            found,
            "a.json:2: differs from what is generated\nb.json: missing\nwritten by: write"
        );
    }

    #[test]
    fn a_path_outside_is_refused() {
        let scratch = Scratch::named("outside");
        for path in ["../x", "/etc/x", "a/../../x"] {
            assert!(write(&scratch.0, &files(&[(path, "")])).is_err(), "{path}");
        }
    }
}
