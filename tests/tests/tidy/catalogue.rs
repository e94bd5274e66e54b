//! Every error code that a caller can see is in the error catalogue.

use crate::repository::{Repository, is_test};
use crate::rust_text::is_word;
use std::collections::BTreeMap;

const CATALOGUE: &str = "docs/errors.md";
const REASONS: &str = "domain/trust/src/accept/refusal.rs";

/// A line of `refusals!` or `problems!`: `Name = "code", kind, "sentence";`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    code: String,
    kind: String,
    sentence: String,
}

/// Every declared code is documented.
fn codes_are_documented(repository: &Repository) -> Vec<String> {
    let page = repository.text(CATALOGUE);
    let undocumented = declared(repository)
        .into_iter()
        .filter(|(_, line)| !page.contains(&format!("`{}`", line.code)));
    undocumented
        .map(|(_, Declared { code, kind, sentence })| {
            let status = status(&kind);
            format!("{CATALOGUE}: a row is missing: | `{code}` | {status} | {sentence} |")
        })
        .collect()
}

/// Every code of a plain list of codes, and every name of the agent's refusals, is documented.
fn lists_are_documented(repository: &Repository) -> Vec<String> {
    let page = repository.text(CATALOGUE);
    let files = repository.texts(".rs").filter(|(path, _)| !is_test(path));
    let codes = files.flat_map(|(path, text)| {
        let names = if path == REASONS { reasons(text) } else { Vec::new() };
        listed(text).into_iter().chain(names).chain(members(text))
    });
    let undocumented = codes.filter(|code| !page.contains(&format!("`{code}`")));
    undocumented.map(|code| format!("{CATALOGUE}: a row is missing: `{code}`")).collect()
}

/// The texts of every `const CODES: ... = &[...];`.
fn listed(text: &str) -> Vec<String> {
    let lists = text.split("const CODES: ").skip(1).filter_map(|rest| rest.split("];").next());
    let texts = lists.flat_map(|list| list.split('"').skip(1).step_by(2));
    texts.map(str::to_owned).collect()
}

/// The literal code of every `.member(pointer, "code", detail)`.
fn members(text: &str) -> Vec<String> {
    let calls = text.split(".member(").skip(1).filter_map(|call| {
        let mut depth = 0;
        let (end, _) = call.char_indices().find(|(_, c)| {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                _ => {}
            }
            *c == ',' && depth == 0
        })?;
        let code = call.get(end + 1..)?.trim_start().strip_prefix('"')?;
        code.split_once('"').map(|(code, _)| code.to_owned())
    });
    calls.collect()
}

/// The variants of the enum `Reason`, as serde names them.
fn reasons(text: &str) -> Vec<String> {
    let body = text.split_once("enum Reason {").map(|(_, rest)| rest);
    let body = body.and_then(|rest| rest.split('}').next()).unwrap_or_default();
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    variants.filter(|name| name.chars().all(char::is_alphanumeric)).map(snake).collect()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The HTTP status of a domain refusal's kind; a problem names its own.
fn status(kind: &str) -> &str {
    match kind {
        "NotFound" => "404",
        "Forbidden" => "403",
        "Conflict" => "409",
        "Invalid" => "422",
        status => status,
    }
}

/// A code has one meaning.
fn codes_are_declared_once(repository: &Repository) -> Vec<String> {
    let mut seen: BTreeMap<String, (String, Declared)> = BTreeMap::new();
    let mut found = Vec::new();
    for (path, line) in declared(repository) {
        match seen.get(&line.code) {
            None => drop(seen.insert(line.code.clone(), (path, line))),
            Some((first, same)) if *same == line && *first != path => {}
            Some((first, _)) => {
                found.push(format!("{path}: {} is declared in {first} already", line.code));
            }
        }
    }
    found
}

/// Every declaration with the file it is in.
fn declared(repository: &Repository) -> Vec<(String, Declared)> {
    let files = repository.texts(".rs").filter(|(path, _)| !is_test(path));
    files.flat_map(|(path, text)| lines(text).map(|line| (path.to_owned(), line))).collect()
}

/// The declarations within the macros of one file.
fn lines(text: &str) -> impl Iterator<Item = Declared> {
    let mut within = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.ends_with("refusals! {") || line.ends_with("problems! {") {
            within = true;
        }
        if line == "}" && within {
            within = false;
        }
        if within { declaration(line) } else { None }
    })
}

fn declaration(line: &str) -> Option<Declared> {
    let (name, rest) = line.split_once(" = \"")?;
    let (code, rest) = rest.split_once("\", ")?;
    let (kind, sentence) = rest.split_once(", \"")?;
    let sentence = sentence.strip_suffix("\";")?;
    let is_code = code.chars().all(|c| is_word(c) || c == '.');
    let is_declared = name.chars().all(is_word) && is_code;
    is_declared.then(|| Declared {
        code: code.to_owned(),
        kind: kind.to_owned(),
        sentence: sentence.to_owned(),
    })
}

#[test]
fn every_code_is_documented() -> anyhow::Result<()> {
    let here = Repository::here()?;
    assert!(declared(here).len() > 50, "the declarations of codes are not seen any more");
    here.keeps(codes_are_documented)
}

#[test]
fn every_listed_code_is_documented() -> anyhow::Result<()> {
    let here = Repository::here()?;
    assert!(reasons(here.text(REASONS)).len() > 30, "the agent's refusals are not seen any more");
    here.keeps(lists_are_documented)
}

#[test]
fn every_code_is_declared_once() -> anyhow::Result<()> {
    Repository::here()?.keeps(codes_are_declared_once)
}

const REFUSALS: &str = "refusals! {\n    /// Why.\n    ChangeError {\n        \
    NotDraft = \"changes.not_draft\", Conflict, \"the change is not a draft\";\n    }\n}\n";
const PROBLEMS: &str =
    "crate::problems! {\n    INTERNAL = \"internal\", 500, \"the server failed\";\n}\n";

#[test]
fn a_code_that_is_not_documented_is_found() {
    let mut files = vec![
        ("domain/src/changes/mod.rs", REFUSALS),
        ("platform/chassis/src/problem/catalogue.rs", PROBLEMS),
        (CATALOGUE, "| `changes.not_draft` | 409 |"),
    ];
    let row = "docs/errors.md: a row is missing: | `internal` | 500 | the server failed |";
    assert_eq!(Repository::of(&files).broken(codes_are_documented), row);
    files.pop();
    assert_eq!(codes_are_documented(&Repository::of(&files)).len(), 2);
}

#[test]
fn a_code_with_two_meanings_is_found() {
    let other = PROBLEMS.replace("internal", "changes.not_draft");
    let example = Repository::of(&[("a/src/lib.rs", REFUSALS), ("b/src/lib.rs", &other)]);
    let expected = "b/src/lib.rs: changes.not_draft is declared in a/src/lib.rs already";
    assert_eq!(example.broken(codes_are_declared_once), expected);
}

#[test]
fn a_listed_code_that_is_not_documented_is_found() {
    let codes =
        "const CODES: &'static [&'static str] = &[\n\"changes.sql_bom\",\n\"changes.sql_nul\",\n];";
    let reasons =
        "pub enum Reason {\n    /// Line 8, they say.\n    QuorumNotMet,\n    Drifted,\n}";
    let example = Repository::of(&[
        ("domain/sql/src/refusal.rs", codes),
        (REASONS, reasons),
        (
            "a/src/lib.rs",
            "problem\n.member(&at(a, b), \"length\", \"long\").member(\"/a\", code, d)",
        ),
        (CATALOGUE, "`changes.sql_nul` `drifted`"),
    ]);
    assert_eq!(
        example.broken(lists_are_documented),
        "docs/errors.md: a row is missing: `length`\n\
         docs/errors.md: a row is missing: `changes.sql_bom`\n\
         docs/errors.md: a row is missing: `quorum_not_met`"
    );
}
