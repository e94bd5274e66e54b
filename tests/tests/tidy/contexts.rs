//! Contexts know nothing of each other.

use crate::repository::Repository;
use crate::rust_text::{code, tokens};
use std::collections::BTreeSet;

/// No bounded context of the domain names a sibling; workflows coordinate.
fn contexts_do_not_import_siblings(repository: &Repository) -> Vec<String> {
    let files: Vec<_> = repository.texts(".rs").filter_map(in_context).collect();
    let contexts: BTreeSet<_> = files.iter().map(|(context, ..)| *context).collect();
    let mut found = Vec::new();
    for (context, path, text) in files {
        let named = siblings_named(&tokens(&code(text)));
        let others = named.iter().filter(|name| contexts.contains(name.as_str()));
        let others = others.filter(|name| *name != context);
        found.extend(others.map(|name| format!("{path}: {context} imports its sibling {name}")));
    }
    found
}

fn in_context<'a>((path, text): (&'a str, &'a str)) -> Option<(&'a str, &'a str, &'a str)> {
    let (context, _) = path.strip_prefix("domain/src/")?.split_once('/')?;
    Some((context, path, text))
}

/// What directly follows `crate::` or `super::`, alone or in braces.
fn siblings_named(tokens: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = tokens.iter().map(String::as_str).peekable();
    while let Some(token) = rest.next() {
        if !matches!(token, "crate" | "super") || rest.next_if_eq(&"::").is_none() {
            continue;
        }
        if rest.next_if_eq(&"{").is_none() {
            found.extend(rest.peek().map(|name| (*name).to_owned()));
            continue;
        }
        let mut depth = 1;
        let mut begins = true;
        for token in rest.by_ref().take_while(|token| *token != ";") {
            if depth == 1 && begins {
                found.insert(token.to_owned());
            }
            match token {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            begins = token == ",";
        }
    }
    found
}

#[test]
fn no_context_imports_a_sibling() -> anyhow::Result<()> {
    let here = Repository::here()?;
    assert!(here.texts(".rs").filter_map(in_context).count() > 20);
    here.keeps(contexts_do_not_import_siblings)
}

#[test]
fn an_import_of_a_sibling_is_found_in_every_form() {
    let one = ("domain/src/catalog/mod.rs", "use crate::ids::DataSourceId;");
    for text in [
        "use crate::catalog::DataSource;",
        "use crate::{ids::{ChangeId, JobId}, catalog::{DataSource}};",
        "fn f(x: &crate::catalog::DataSource) {}",
        "use super::super::catalog::DataSource;",
        "use super::catalog;",
    ] {
        let example = Repository::of(&[one, ("domain/src/changes/mod.rs", text)]);
        let expected = "domain/src/changes/mod.rs: changes imports its sibling catalog";
        assert_eq!(example.broken(contexts_do_not_import_siblings), expected, "{text}");
    }
}

#[test]
fn vocabulary_and_the_ledger_crate_are_no_siblings() {
    let example = Repository::of(&[
        ("domain/src/ledger/mod.rs", ""),
        ("domain/src/registry.rs", "use crate::changes::ChangeEvent;"),
        (
            "domain/src/changes/mod.rs",
            "use crate::{Issued, vocabulary::Step};\nuse ::ledger::blob;\n// crate::ledger\n\
             use super::event::Drafted;",
        ),
    ]);
    assert_eq!(example.broken(contexts_do_not_import_siblings), "");
}
