//! Who may name which library.

use crate::picture::{Kind, Picture};

/// A library and the folders whose crates may name it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("async-nats", &["platform/nats", "platform/event-log", "agent", "agent/gateway", "bench"]),
    ("axum", &["command-api", "query-api", "platform/chassis", "cli"]),
    ("sqlx", &["projections", "agent", "bench"]),
    ("tokio-postgres", &["agent", "tests", "bench", "ops/devkit"]),
    ("tantivy", &["projections"]),
    ("object_store", &["platform/archive", "ops/devkit"]),
    ("postgres-es", &["projections", "bench"]),
];

/// A library that the command line names only under a feature, which the forensic build lacks. The chassis brings a web
/// server, and an identity that an auditor has not.
const OPTIONAL: &[(&str, &str)] =
    &[("cli", "axum"), ("cli", "countersign-chassis"), ("cli", "countersign-event-log")];

/// What has an effect, reads a clock or draws randomness has no place in a decision.
const NOT_PURE: &[&str] = &[
    "async-nats",
    "axum",
    "backon",
    "config",
    "getrandom",
    "hyper",
    "metrics",
    "moka",
    "nix",
    "object_store",
    "postgres-es",
    "rand",
    "reqwest",
    "rustls",
    "spiffe",
    "spiffe-rustls",
    "sqlx",
    "tantivy",
    "tempfile",
    "tokio",
    "tokio-postgres",
    "tokio-rustls",
    "tokio-stream",
    "tokio-util",
    "tonic",
    "tower",
    "tower-http",
    "tracing-subscriber",
];

/// A library is named only where it belongs.
fn libraries_are_where_they_belong(picture: &Picture) -> Vec<String> {
    let mut found = Vec::new();
    for (library, folders) in ALLOWED {
        let edges = picture.edges().filter(|(_, dependency)| dependency.name == *library);
        let astray = edges.filter(|(folder, _)| !folders.contains(folder));
        found.extend(astray.map(|(folder, _)| format!("{folder} may not name {library}")));
    }
    found
}

/// What only a part of the command line needs is optional there.
fn features_are_optional(picture: &Picture) -> Vec<String> {
    let always = picture.edges().filter(|(folder, dependency)| {
        OPTIONAL.contains(&(*folder, dependency.name.as_str()))
            && dependency.kind == Kind::Normal
            && !dependency.is_optional
    });
    always.map(|(folder, one)| format!("{folder} needs {} without a feature", one.name)).collect()
}

/// The rules have no direct input or output.
fn the_domain_is_pure(picture: &Picture) -> Vec<String> {
    let edges = picture.edges().filter(|(folder, dependency)| {
        let is_domain = *folder == "domain" || folder.starts_with("domain/");
        is_domain && dependency.kind != Kind::Development
    });
    let impure = edges.filter(|(_, dependency)| NOT_PURE.contains(&dependency.name.as_str()));
    impure.map(|(folder, dependency)| format!("{folder} is pure: no {}", dependency.name)).collect()
}

#[test]
fn every_library_is_where_it_belongs() -> anyhow::Result<()> {
    Picture::here()?.keeps(libraries_are_where_they_belong)
}

#[test]
fn every_part_of_the_command_line_is_optional() -> anyhow::Result<()> {
    Picture::here()?.keeps(features_are_optional)
}

#[test]
fn the_domain_has_no_input_or_output() -> anyhow::Result<()> {
    Picture::here()?.keeps(the_domain_is_pure)
}

#[test]
fn a_library_astray_is_found_even_in_tests() {
    for (library, folders) in ALLOWED {
        for folder in *folders {
            let home = Picture::of(&[(folder, &[library])]);
            assert!(libraries_are_where_they_belong(&home).is_empty(), "{folder} {library}");
        }
        for named in [(*library).to_owned(), format!("dev:{library}")] {
            let astray = Picture::of(&[("workflows", &[&named])]);
            let expected = [format!("workflows may not name {library}")];
            assert_eq!(libraries_are_where_they_belong(&astray), expected);
        }
    }
}

#[test]
fn a_web_server_in_every_command_line_is_found() {
    let always = Picture::of(&[("cli", &["axum"])]);
    assert_eq!(features_are_optional(&always), ["cli needs axum without a feature"]);
    assert!(features_are_optional(&Picture::of(&[("cli", &["optional:axum"])])).is_empty());
    let chassis = Picture::of(&[("cli", &["countersign-chassis"])]);
    assert_eq!(
        features_are_optional(&chassis),
        ["cli needs countersign-chassis without a feature"]
    );
}

#[test]
fn an_effect_in_the_domain_is_found_and_in_its_tests_is_not() {
    let example = Picture::of(&[
        ("domain", &["dev:tokio", "serde"]),
        ("domain/trust", &["tokio", "reqwest"]),
        ("platform/nats", &["tokio"]),
    ]);
    let found = the_domain_is_pure(&example);
    assert_eq!(found, ["domain/trust is pure: no tokio", "domain/trust is pure: no reqwest"]);
}
