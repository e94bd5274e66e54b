//! A crate uses only tiers below its own, never a sibling process.

use crate::picture::{Dependency, Kind, Picture};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Domain,
    Platform,
    Process,
    /// Real servers for development and tests.
    Devkit,
    /// Drives the processes from outside.
    Driver,
    /// Prepares, builds and runs; uses nothing of ours.
    Tool,
}

fn tier(folder: &str) -> Option<Tier> {
    match folder {
        "command-api" | "query-api" | "projections" | "workflows" | "sealer" | "agent"
        | "agent/gateway" | "cli" => Some(Tier::Process),
        "ops/devkit" => Some(Tier::Devkit),
        "tests" | "bench" => Some(Tier::Driver),
        "xtask" => Some(Tier::Tool),
        "domain" => Some(Tier::Domain),
        _ if folder.starts_with("domain/") => Some(Tier::Domain),
        _ if folder.starts_with("platform/") => Some(Tier::Platform),
        _ => None,
    }
}

/// Every crate stands in the picture.
fn crates_have_a_tier(picture: &Picture) -> Vec<String> {
    let strange = picture.0.iter().filter(|one| tier(&one.folder).is_none());
    strange.map(|one| format!("{} is not in the picture", one.folder)).collect()
}

/// Dependencies lead down.
fn dependencies_lead_down(picture: &Picture) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, dependency) in picture.edges() {
        let Some(below) = dependency.folder.as_deref() else { continue };
        if !may_use(folder, below, dependency) {
            found.push(format!("{folder} may not use {below}"));
        }
    }
    found
}

fn may_use(folder: &str, below: &str, dependency: &Dependency) -> bool {
    let (Some(upper), Some(lower)) = (tier(folder), tier(below)) else { return false };
    match (upper, lower) {
        // The benchmarks measure the library half of a process, and drive a platform as the scenarios do.
        (Tier::Driver, Tier::Process | Tier::Driver) => {
            [("bench", "projections"), ("bench", "sealer"), ("bench", "tests")]
                .contains(&(folder, below))
        }
        (Tier::Tool, _) | (_, Tier::Tool | Tier::Driver) | (Tier::Domain, Tier::Platform) => false,
        (_, Tier::Devkit) => may_use_devkit(folder, dependency),
        (Tier::Domain, Tier::Domain) => below != "domain",
        (_, Tier::Domain)
        | (Tier::Platform | Tier::Process | Tier::Devkit | Tier::Driver, Tier::Platform) => true,
        (_, Tier::Process) => (folder, below) == ("query-api", "projections"),
    }
}

/// Anywhere for tests; otherwise by the drivers, and by the command line under its feature `dev`.
fn may_use_devkit(folder: &str, dependency: &Dependency) -> bool {
    let is_for_tests = dependency.kind == Kind::Development;
    let is_driver = tier(folder) == Some(Tier::Driver);
    is_for_tests || is_driver || (folder == "cli" && dependency.is_optional)
}

#[test]
fn every_crate_is_in_the_picture() -> anyhow::Result<()> {
    Picture::here()?.keeps(crates_have_a_tier)
}

#[test]
fn every_dependency_leads_down() -> anyhow::Result<()> {
    Picture::here()?.keeps(dependencies_lead_down)
}

#[test]
fn a_crate_that_nobody_drew_is_found() {
    let example = Picture::of(&[("domain/ledger", &[]), ("platform", &[]), ("server", &[])]);
    let expected = ["platform is not in the picture", "server is not in the picture"];
    assert_eq!(crates_have_a_tier(&example), expected);
}

#[test]
fn what_the_picture_shows_is_allowed() {
    let example = Picture::of(&[
        ("domain", &["/domain/ledger", "/domain/trust", "/domain/sql"]),
        ("domain/ledger", &["/domain/trust", "serde"]),
        ("platform/event-log", &["/platform/nats", "/domain", "dev:/ops/devkit"]),
        ("query-api", &["/projections", "/platform/chassis", "/domain/ledger"]),
        ("cli", &["optional:/ops/devkit", "/platform/client"]),
        ("ops/devkit", &["/platform/nats"]),
        ("tests", &["/ops/devkit", "/domain/trust", "/platform/client"]),
        ("bench", &["/projections", "/tests", "/ops/devkit", "/platform/event-log", "sqlx"]),
        ("xtask", &["clap"]),
    ]);
    assert_eq!(dependencies_lead_down(&example), Vec::<String>::new());
}

#[test]
fn a_dependency_that_leads_up_or_across_is_found() {
    for (folder, below) in [
        ("domain", "/platform/chassis"),
        ("domain/trust", "/domain"),
        ("domain/ledger", "/agent"),
        ("domain/ledger", "dev:/platform/nats"),
        ("platform/nats", "/workflows"),
        ("command-api", "/query-api"),
        ("command-api", "/projections"),
        ("query-api", "/command-api"),
        ("tests", "/agent"),
        ("tests", "/bench"),
        ("bench", "/workflows"),
        ("bench", "/query-api"),
        ("workflows", "/ops/devkit"),
        ("cli", "/ops/devkit"),
        ("ops/devkit", "/agent"),
        ("agent", "/tests"),
        ("xtask", "/domain/sql"),
        ("xtask", "/ops/devkit"),
    ] {
        let found = dependencies_lead_down(&Picture::of(&[(folder, &[below])]));
        let expected = format!(
            "{folder} may not use {}",
            below.trim_start_matches("dev:/").trim_start_matches('/')
        );
        assert_eq!(found, [expected]);
    }
}
