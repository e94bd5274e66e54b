//! `docs/problems/`: a page for every code that an API answers, where the `type` of a problem leads; `docs/errors.md`
//! links them all.

use crate::{environment, steps};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

const CATALOGUE: &str = "docs/errors.md";
const PAGES: &str = "docs/problems";
const RETRY: &str = "**Does a retry help?** ";
const REMEDY: &str = "**What to do.** ";

/// A row of the catalogue whose code comes with an HTTP status.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    code: &'a str,
    first: &'a str,
    status: &'a str,
    sentence: &'a str,
}

/// Compares pages and catalogue.
pub fn run() -> Result<()> {
    steps::step("problem pages", "cargo xtask check", || {
        let root = environment::root();
        let catalogue = std::fs::read_to_string(root.join(CATALOGUE)).context(CATALOGUE)?;
        let broken = broken(&catalogue, &pages(&root)?);
        if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
    })
}

/// Every page by its file's name.
fn pages(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(root.join(PAGES)).context(PAGES)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).with_context(|| name.clone())?;
        pages.insert(name, text);
    }
    Ok(pages)
}

fn rows(catalogue: &str) -> Vec<Row<'_>> {
    let rows = catalogue.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [first, status, sentence] = *cells.as_slice() else { return None };
        let code = first.split('`').nth(1)?;
        let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        is_status.then_some(Row { code, first, status, sentence })
    });
    rows.collect()
}

/// One line for whatever does not fit together.
fn broken(catalogue: &str, pages: &BTreeMap<String, String>) -> Vec<String> {
    let rows = rows(catalogue);
    let mut found = Vec::new();
    let mut left: BTreeMap<&str, &str> =
        pages.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    for Row { code, first, status, sentence } in rows {
        let name = format!("{code}.md");
        if first != format!("[`{code}`](problems/{name})") {
            found.push(format!("{CATALOGUE}: the row of {code} does not link problems/{name}"));
        }
        let Some(text) = left.remove(name.as_str()) else {
            let again = pages.contains_key(&name);
            let what = if again { "its code has a second row" } else { "missing" };
            found.push(format!("{PAGES}/{name}: {what}"));
            continue;
        };
        let head = format!("# `{code}`\n\n**{status}**: {sentence}.\n\n");
        if !text.starts_with(&head) {
            found.push(format!("{PAGES}/{name}: does not begin with {head:?}"));
        }
        let said = |start: &str| {
            let paragraphs = text.strip_prefix(&head).unwrap_or(text).split("\n\n");
            paragraphs.filter_map(|it| it.strip_prefix(start)).any(|rest| rest.trim().len() > 5)
        };
        for start in [RETRY, REMEDY] {
            if !said(start) {
                found.push(format!("{PAGES}/{name}: nothing after {start:?}"));
            }
        }
        let meaning = text.strip_prefix(&head).and_then(|rest| rest.split("\n\n").next());
        if meaning.is_some_and(|meaning| meaning.is_empty() || meaning.starts_with("**")) {
            found.push(format!("{PAGES}/{name}: does not say what it means"));
        }
    }
    let orphans = left.into_keys();
    found.extend(orphans.map(|name| format!("{PAGES}/{name}: no row of {CATALOGUE} has its code")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE_TEXT: &str = "\
| code | status | meaning |\n|---|---|---|\n\
| [`jobs.not_found`](problems/jobs.not_found.md) | 404 | there is no such job |\n\n\
| name | line | meaning |\n|---|---|---|\n| `malformed` | 1 | not of the strict form |\n";

    const PAGE: &str = "# `jobs.not_found`\n\n**404**: there is no such job.\n\n\
        The tenant has no such job.\n\n**Does a retry help?** No: it is refused again.\n\n\
        **What to do.** Compare the id.\n\n[All codes](../errors.md)\n";

    fn said(catalogue: &str, pages: &[(&str, &str)]) -> Vec<String> {
        let pages = pages.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        broken(catalogue, &pages.collect())
    }

    #[test]
    fn the_pages_of_this_repository_and_its_catalogue_fit_together() {
        let root = environment::root();
        let catalogue = std::fs::read_to_string(root.join(CATALOGUE)).unwrap();
        assert!(rows(&catalogue).len() > 100, "the rows are not seen any more");
        assert_eq!(broken(&catalogue, &pages(&root).unwrap()), [""; 0]);
    }

    #[test]
    fn a_code_has_one_page_and_a_page_one_code() {
        let page = ("jobs.not_found.md", PAGE);
        assert_eq!(said(CATALOGUE_TEXT, &[page]), [""; 0]);
        assert_eq!(said(CATALOGUE_TEXT, &[]), ["docs/problems/jobs.not_found.md: missing"]);
        let orphan = "docs/problems/jobs.lost.md: no row of docs/errors.md has its code";
        assert_eq!(said(CATALOGUE_TEXT, &[page, ("jobs.lost.md", PAGE)]), [orphan]);
        let twice = "docs/problems/jobs.not_found.md: its code has a second row";
        assert_eq!(said(&CATALOGUE_TEXT.repeat(2), &[page]), [twice]);
    }

    #[test]
    fn a_row_links_its_page() {
        let unlinked = CATALOGUE_TEXT
            .replace("[`jobs.not_found`](problems/jobs.not_found.md)", "`jobs.not_found`");
        let found = said(&unlinked, &[("jobs.not_found.md", PAGE)]);
        let expected =
            "docs/errors.md: the row of jobs.not_found does not link problems/jobs.not_found.md";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_page_says_what_its_row_says_and_more() {
        for (from, to, expected) in [
            ("**404**", "**409**", "does not begin with"),
            ("such job.\n\nThe", "other job.\n\nThe", "does not begin with"),
            ("The tenant has no such job.\n\n", "", "does not say what it means"),
            ("No: it is refused again.", "", "nothing after \"**Does a retry help?** \""),
            ("Compare the id.", "", "nothing after \"**What to do.** \""),
        ] {
            let page = PAGE.replacen(from, to, 1);
            let found = said(CATALOGUE_TEXT, &[("jobs.not_found.md", &page)]);
            assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:?}");
        }
    }
}
