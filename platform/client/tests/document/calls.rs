//! Every path that a program of ours asks for is the path of a documented operation.

use crate::documented::{Documented, root};
use anyhow::Result;
use std::path::Path;

/// The programs that call the APIs with this client.
const CALLERS: &[&str] = &["cli/src", "workflows/src", "tests/src"];

/// The paths in the string literals of a program's text, `{}` for what is filled in.
fn asked(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let literals = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    literals.filter(|literal| literal.starts_with("/v1/")).map(pattern).collect()
}

/// A path without its query, `{}` for every parameter.
fn pattern(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments =
        path.split('/').map(|segment| if segment.contains('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// A parameter of the call may be a word of the route, such as the name of a command.
fn is_of(asked: &str, documented: &str) -> bool {
    let (asked, documented): (Vec<_>, Vec<_>) =
        (asked.split('/').collect(), documented.split('/').collect());
    let fits = |(one, other): (&&str, &&str)| one == other || [*one, *other].contains(&"{}");
    asked.len() == documented.len() && asked.iter().zip(&documented).all(fits)
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

#[test]
fn every_path_that_is_asked_for_is_documented() {
    let (commands, reads) =
        (Documented::of("command-api").unwrap(), Documented::of("query-api").unwrap());
    let all = commands.operations().into_iter().chain(reads.operations());
    let documented: Vec<String> = all.map(|(_, path, _)| pattern(path)).collect();
    let mut texts = Vec::new();
    for folder in CALLERS {
        sources(&root().join(folder), &mut texts).unwrap();
    }
    let calls: Vec<_> = texts
        .iter()
        .flat_map(|(file, text)| asked(text).into_iter().map(move |it| (file, it)))
        .collect();
    assert!(calls.len() > 40, "the calls are not seen any more");
    let astray =
        calls.iter().filter(|(_, path)| !documented.iter().any(|known| is_of(path, known)));
    let astray: Vec<String> = astray.map(|(file, path)| format!("{file}: {path}")).collect();
    assert_eq!(astray, [""; 0]);
}

#[test]
fn a_path_of_no_operation_is_found() {
    let text = "// \"/v1/comment\"\nlet a = format!(\"/v1/changes/{id}/submit?x={y}\");\nget(\"/v1/gone\")";
    assert_eq!(asked(text), ["/v1/changes/{}/submit", "/v1/gone"]);
    assert!(is_of("/v1/changes/{}/{}", "/v1/changes/{}/submit"));
    assert!(!is_of("/v1/changes/{}/release", "/v1/changes/{}/submit"));
    assert!(!is_of("/v1/changes", "/v1/changes/{}"));
}
