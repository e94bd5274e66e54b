//! What the documents point at is there.

use crate::repository::Repository;

/// Every relative link of a Markdown file leads to a file or folder of the repository.
fn links_lead_somewhere(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in repository.texts(".md") {
        for (number, line) in prose(text) {
            for target in targets(&without_code(line)) {
                if !leads(repository, path, target) {
                    found.push(format!("{path}:{number}: leads nowhere: {target}"));
                }
            }
        }
    }
    found
}

/// Every path that a how-to, a decision or the glossary names as code is there.
fn named_paths_exist(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in repository.texts(".md") {
        let is_kept_true = ["docs/how-to/", "docs/decisions/", "docs/GLOSSARY.md"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
        if !is_kept_true {
            continue;
        }
        for (number, line) in prose(text) {
            let named = line.split('`').skip(1).step_by(2).filter(|span| is_path(repository, span));
            for span in named.filter(|span| !repository.has(span.trim_end_matches('/'))) {
                found.push(format!("{path}:{number}: there is no {span}"));
            }
        }
    }
    found
}

/// Begins with a folder of the root and has no placeholder.
fn is_path(repository: &Repository, span: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let first = span.split('/').next().unwrap_or_default();
    span.contains('/') && span.chars().all(is_plain) && !first.is_empty() && repository.has(first)
}

/// The lines outside fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            return None;
        }
        (!is_fenced).then_some((index + 1, line))
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

fn leads(repository: &Repository, from: &str, target: &str) -> bool {
    let is_elsewhere = ["http://", "https://", "mailto:"].iter().any(|p| target.starts_with(p));
    let path = target.split('#').next().unwrap_or_default();
    if is_elsewhere || path.is_empty() {
        return true;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.pop() {
                Some(_) => {}
                None => return false,
            },
            name => parts.push(name),
        }
    }
    !path.starts_with('/') && repository.has(&parts.join("/"))
}

#[test]
fn every_link_leads_somewhere() -> anyhow::Result<()> {
    Repository::here()?.keeps(links_lead_somewhere)
}

#[test]
fn every_named_path_exists() -> anyhow::Result<()> {
    Repository::here()?.keeps(named_paths_exist)
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "[a](b.md) [`x](y)`](../README.md#top) [w](https://example.com) [s](#here)\n\
                ```\n[in](code.md)\n```\n`[in](code.md)`\n[gone](gone.md \"title\")\n\
                [above](../../x.md) [root](/README.md)\n";
    let files = [("README.md", ""), ("docs/a.md", text), ("docs/b.md", "")];
    assert_eq!(
        Repository::of(&files).broken(links_lead_somewhere),
        "docs/a.md:6: leads nowhere: gone.md\ndocs/a.md:7: leads nowhere: ../../x.md\n\
         docs/a.md:7: leads nowhere: /README.md"
    );
}

#[test]
fn a_path_that_is_gone_is_found() {
    let text = "Edit `domain/src/ids.rs`, `domain/src/<context>/event.rs`, not `domain/src/gone.rs`\n\
                or `POST /v1/changes` in `domain/`.";
    let files = [("docs/how-to/a.md", text), ("domain/src/ids.rs", "")];
    let expected = "docs/how-to/a.md:1: there is no domain/src/gone.rs";
    assert_eq!(Repository::of(&files).broken(named_paths_exist), expected);
}
