//! What earlier commits had in a file's place, where git and its history are there.

use std::path::Path;
use std::process::{Command, Stdio};

/// The texts of a file in every commit that touched it, newest first; none without git or history.
pub fn texts(root: &Path, path: &str) -> Vec<String> {
    let commits = git(root, &["log", "--format=%H", "--", path]).unwrap_or_default();
    let text = |commit: &str| git(root, &["show", &format!("{commit}:{path}")]);
    commits.lines().filter_map(text).collect()
}

fn git(root: &Path, words: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(words).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::tests::Scratch;

    #[test]
    fn every_committed_text_is_found_newest_first() {
        let scratch = Scratch::named("history");
        let run = |words: &[&str]| git(&scratch.0, words).unwrap();
        run(&["init", "--quiet"]);
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        for text in ["one", "two"] {
            std::fs::write(scratch.0.join("a.json"), text).unwrap();
            run(&["add", "a.json"]);
            run(&[identity.as_slice(), &["commit", "--quiet", "-m", text]].concat());
        }
        std::fs::write(scratch.0.join("a.json"), "three").unwrap();
        assert_eq!(texts(&scratch.0, "a.json"), ["two", "one"]);
        assert_eq!(texts(&scratch.0, "b.json"), [""; 0]);
    }

    #[test]
    fn without_history_there_is_none() {
        let scratch = Scratch::named("no-history");
        assert_eq!(texts(&scratch.0, "a.json"), [""; 0]);
    }
}
