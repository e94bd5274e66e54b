//! Every metric is described where people look for it.

use crate::repository::{Repository, is_test};
use std::collections::BTreeSet;

const PAGE: &str = "docs/telemetry.md";
const KINDS: [&str; 3] = ["metrics::counter!(", "metrics::gauge!(", "metrics::histogram!("];

/// Every metric of a process is documented, and every documented one is there.
fn metrics_are_documented(repository: &Repository) -> Vec<String> {
    let page = repository.text(PAGE);
    let files = repository.texts(".rs").filter(|(path, _)| !is_test(path));
    let texts = files.map(|(_, text)| text.split("#[cfg(test)]").next().unwrap_or_default());
    let names: BTreeSet<&str> =
        texts.flat_map(|text| KINDS.iter().flat_map(move |kind| named(text, kind))).collect();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.trim_start_matches("| ").split(" | ").next());
    let shown: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let missing =
        names.difference(&shown).map(|name| format!("{PAGE}: a row is missing: `{name}`"));
    let gone = shown.difference(&names).map(|name| format!("{PAGE}: there is no metric `{name}`"));
    missing.chain(gone).collect()
}

fn named<'t>(text: &'t str, kind: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(kind)
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

#[test]
fn every_metric_is_documented() {
    Repository::here().unwrap().keeps(metrics_are_documented).unwrap();
}

#[test]
fn a_metric_without_a_row_is_named() {
    let code =
        r#"fn f() { metrics::counter!("a_total").increment(1); metrics::gauge!("b").set(1.0); }"#;
    let repository = Repository::of(&[("agent/src/a.rs", code), (PAGE, "| `b`, `c` | agent |")]);
    let expected = ["a row is missing: `a_total`", "there is no metric `c`"];
    assert_eq!(metrics_are_documented(&repository), expected.map(|it| format!("{PAGE}: {it}")));
}
