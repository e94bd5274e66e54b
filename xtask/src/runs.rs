//! `test`, `dev`, `bench` and the scenario programs: build the binaries once, then run on them.

use crate::environment::BIN_DIR;
use crate::{builds, preflight, steps};
use anyhow::{Context as _, Result};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The long loop of `platform/event-log/tests/suite`.
const MODEL: &str = "against_model::many_scripts_agree_with_the_model";

/// Every test of the workspace, on binaries built now.
pub fn test(words: &[String]) -> Result<()> {
    preflight::serving()?;
    let binaries = builds::binaries()?;
    let mut command = steps::cargo(test_words(words));
    command.env(BIN_DIR, binaries.folder()?);
    steps::run("test", &mut command)
}

/// Naming a package means only that package.
fn test_words(words: &[String]) -> Vec<&str> {
    let ours = words.iter().map(String::as_str).take_while(|word| *word != "--");
    let mut names_a_package =
        ours.map(|word| word.starts_with("-p") || word.starts_with("--package"));
    let whole = (!names_a_package.any(|named| named)).then_some("--workspace");
    std::iter::once("test").chain(whole).chain(words.iter().map(String::as_str)).collect()
}

/// A scenario program of `tests/src/bin`.
pub fn scenario(name: &str, words: &[String]) -> Result<()> {
    preflight::serving()?;
    let binaries = builds::binaries()?;
    let mut command = Command::new(binaries.path(name)?);
    command.args(words).env(BIN_DIR, binaries.folder()?);
    steps::run(name, &mut command)
}

/// A long run: the scenario program, or the appender against its model.
pub fn storm(words: &[String]) -> Result<()> {
    match words.split_first() {
        Some((first, rest)) if first == "model" => model(rest),
        Some(_) | None => scenario("storm", words),
    }
}

/// Many random scripts against the model, one server and three: a test that `test` leaves out.
fn model(words: &[String]) -> Result<()> {
    let seeds = match words {
        [] => 100,
        [name, number] if name == "--seeds" => number.parse::<u64>().context("not a number")?,
        _ => anyhow::bail!("storm model takes --seeds N and nothing else"),
    };
    preflight::serving()?;
    let binaries = builds::binaries()?;
    let harness = ["--ignored", "--exact", MODEL, "--nocapture"];
    let words = ["test", "--workspace", "--test", "suite", "--"].into_iter().chain(harness);
    let mut command = steps::cargo(words);
    command.env(BIN_DIR, binaries.folder()?).env("COUNTERSIGN_MODEL_SEEDS", seeds.to_string());
    steps::run("storm model", &mut command)
}

/// The benchmarks, on release builds of everything that they run.
pub fn bench(words: &[String]) -> Result<()> {
    preflight::serving()?;
    let binaries = builds::released()?;
    let mut command = Command::new(binaries.path("bench")?);
    command.args(words).env(BIN_DIR, binaries.folder()?);
    steps::run("bench", &mut command)
}

/// Becomes `countersign dev`, so that interrupts reach it alone.
pub fn dev(words: &[String]) -> Result<()> {
    preflight::serving()?;
    let binaries = builds::binaries()?;
    let mut command = Command::new(binaries.path("countersign")?);
    command.arg("dev").args(words).env(BIN_DIR, binaries.folder()?);
    let shown = steps::shown(&command);
    Err(command.exec()).with_context(|| format!("cannot run {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn without_words_the_whole_workspace_is_tested() {
        assert_eq!(test_words(&[]), ["test", "--workspace"]);
    }

    #[test]
    fn a_named_package_is_tested_alone() {
        let named = words("-p countersign-domain --lib");
        assert_eq!(test_words(&named), ["test", "-p", "countersign-domain", "--lib"]);
    }

    #[test]
    fn words_for_the_test_harness_do_not_name_a_package() {
        let harness = words("quorum -- --package-like");
        assert_eq!(test_words(&harness), ["test", "--workspace", "quorum", "--", "--package-like"]);
    }
}
