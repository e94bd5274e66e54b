//! Names that own no idea.

use crate::repository::Repository;
use crate::rust_text::{code, tokens};

const FORBIDDEN: &[&str] =
    &["util", "utils", "common", "shared", "helpers", "misc", "manager", "types"];

/// No file, folder or module is named after nothing in particular.
fn names_own_an_idea(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in repository.texts(".rs") {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        let named = stem.split('/').filter(|name| is_forbidden(name));
        found.extend(
            named.map(|name| format!("{path}: {name} owns no idea: name what it is about")),
        );
        let tokens = tokens(&code(text));
        let modules = tokens.iter().zip(tokens.iter().skip(1)).filter(|(word, _)| *word == "mod");
        let named = modules.filter(|(_, name)| is_forbidden(name));
        found.extend(named.map(|(_, name)| format!("{path}: mod {name} owns no idea")));
    }
    found
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.contains(&name) || name.starts_with("new_")
}

#[test]
fn every_name_owns_an_idea() -> anyhow::Result<()> {
    Repository::here()?.keeps(names_own_an_idea)
}

#[test]
fn a_file_a_folder_and_a_module_without_an_idea_are_found() {
    let example = Repository::of(&[
        ("agent/src/utils.rs", ""),
        ("cli/src/common/keys.rs", ""),
        ("domain/src/new_change.rs", ""),
        ("sealer/src/lib.rs", "// mod misc;\npub mod helpers { }\nmod types_of_sql;"),
    ]);
    let found = names_own_an_idea(&example);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found.last().unwrap(), "sealer/src/lib.rs: mod helpers owns no idea");
}
