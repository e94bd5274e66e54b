//! Every metric is described where people look for it.

use crate::repository::{Repository, is_test};

const PAGE: &str = "docs/telemetry.md";
const KINDS: [&str; 3] = ["metrics::counter!(\"", "metrics::gauge!(\"", "metrics::histogram!(\""];

/// Every metric of a process is documented.
fn metrics_are_documented(repository: &Repository) -> Vec<String> {
    let page = repository.text(PAGE);
    let files = repository.texts(".rs").filter(|(path, _)| !is_test(path));
    let texts = files.map(|(_, text)| text.split("#[cfg(test)]").next().unwrap_or_default());
    let names = texts.flat_map(|text| KINDS.iter().flat_map(move |kind| named(text, kind)));
    let undocumented = names.filter(|name| !page.contains(&format!("`{name}`")));
    undocumented.map(|name| format!("{PAGE}: a row is missing: `{name}`")).collect()
}

fn named<'t>(text: &'t str, kind: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(kind).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn every_metric_is_documented() {
    Repository::here().unwrap().keeps(metrics_are_documented).unwrap();
}

#[test]
fn a_metric_without_a_row_is_named() {
    let code =
        r#"fn f() { metrics::counter!("a_total").increment(1); metrics::gauge!("b").set(1.0); }"#;
    let repository = Repository::of(&[("agent/src/a.rs", code), (PAGE, "| `b` | agent |")]);
    assert_eq!(
        metrics_are_documented(&repository),
        [format!("{PAGE}: a row is missing: `a_total`")]
    );
}
