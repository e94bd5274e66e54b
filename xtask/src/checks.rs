//! `cargo xtask check`: everything that needs no server. All of it runs, so that one round names
//! every failure.

use crate::{openapi, preflight, problems, schemas, steps};
use anyhow::{Result, bail};
use std::process::Command;

/// Runs every check.
pub fn run() -> Result<()> {
    preflight::checking()?;
    let mut outcomes: Vec<_> =
        programs().into_iter().map(|(name, mut command)| steps::run(name, &mut command)).collect();
    outcomes.push(problems::run());
    outcomes.push(schemas::run(true));
    outcomes.push(openapi::run(true));
    let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = failed.iter().map(ToString::to_string).collect();
    bail!("{}", names.join("; "))
}

fn programs() -> Vec<(&'static str, Command)> {
    let format = steps::cargo(["fmt", "--all", "--check"]);
    let tests = ["--test", "tidy", "--test", "dependency_picture", "--test", "samples"];
    let quietly = ["test", "--quiet", "--workspace", "--no-fail-fast"];
    let tidy = steps::cargo([quietly.as_slice(), &tests].concat());
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let package = ["-p", "countersign-cli", "--no-default-features", "--all-targets"];
    let forensic = [["clippy", "--quiet"].as_slice(), &package, &["--", "-D", "warnings"]].concat();
    let fuzz = ["check", "--quiet", "--locked", "--bins", "--manifest-path", "fuzz/Cargo.toml"];
    let mut documentation = steps::cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        ("format", format),
        ("tidy, dependencies and golden samples", tidy),
        ("lints", steps::cargo(lints)),
        ("lints of the forensic build", steps::cargo(forensic)),
        ("documentation", documentation),
        ("fuzz targets", steps::cargo(fuzz)),
    ]
}
