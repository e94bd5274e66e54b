//! `test`, `dev`, `bench` and the scenario programs: build the binaries once, then run on them.

use crate::environment::BIN_DIR;
use crate::{builds, preflight, steps};
use anyhow::{Context as _, Result};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The long loops of `platform/event-log/tests/suite`, and what they read.
const MODEL: &str = "against_model::many_scripts_agree_with_the_model";
const MODEL_SEEDS: &str = "COUNTERSIGN_MODEL_SEEDS";
const UNREST: &str = "unrest::callers_meet_their_own_writes_in_a_long_unrest";
const UNREST_ROUNDS: &str = "COUNTERSIGN_UNREST_ROUNDS";
const UNREST_SEED: &str = "COUNTERSIGN_UNREST_SEED";

/// Every test of the workspace, on binaries built now.
pub fn test(words: &[String]) -> Result<()> {
    preflight::testing()?;
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

/// A long run: the scenario program, or a test of the appender that `test` leaves out.
pub fn storm(words: &[String]) -> Result<()> {
    let (first, rest) = words.split_first().map_or(("", words), |(it, rest)| (it.as_str(), rest));
    match first {
        "model" => appender("storm model", MODEL, &numbers(rest, &[("--seeds", MODEL_SEEDS)])?),
        "cluster" => {
            let options = [("--rounds", UNREST_ROUNDS), ("--seed", UNREST_SEED)];
            appender("storm cluster", UNREST, &numbers(rest, &options)?)
        }
        "ledger" => record(words),
        _ => scenario("storm", words),
    }
}

/// The storm over the ledger takes no server, so that nothing else has to be built for it.
fn record(words: &[String]) -> Result<()> {
    let program = ["run", "--quiet", "-p", "countersign-tests", "--bin", "storm", "--"];
    let words = words.iter().map(String::as_str);
    let mut command = steps::cargo(program.into_iter().chain(words));
    steps::run("storm ledger", &mut command)
}

/// `--name N` each, as the variables that a test reads.
fn numbers<'o>(words: &[String], options: &[(&str, &'o str)]) -> Result<Vec<(&'o str, String)>> {
    let given = words.chunks(2).map(|pair| {
        let option = pair.first().and_then(|word| options.iter().find(|(name, _)| name == word));
        let (_, variable) = option.with_context(|| {
            let names: Vec<_> = options.iter().map(|(name, _)| format!("{name} N")).collect();
            format!("it takes {} and nothing else", names.join(", "))
        })?;
        let number = pair.get(1).context("a number is missing")?;
        number.parse::<u64>().with_context(|| format!("{number:?} is not a number"))?;
        Ok((*variable, number.clone()))
    });
    given.collect()
}

/// One long test of `platform/event-log/tests/suite`.
fn appender(name: &str, test: &str, variables: &[(&str, String)]) -> Result<()> {
    preflight::serving()?;
    let binaries = builds::binaries()?;
    let harness = ["--ignored", "--exact", test, "--nocapture"];
    let words = ["test", "--workspace", "--test", "suite", "--"].into_iter().chain(harness);
    let mut command = steps::cargo(words);
    command.env(BIN_DIR, binaries.folder()?).envs(variables.iter().map(|(n, v)| (n, v)));
    steps::run(name, &mut command)
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
    fn numbers_of_a_long_test_are_named_one_by_one() {
        let options = [("--rounds", "ROUNDS"), ("--seed", "SEED")];
        assert_eq!(numbers(&words(""), &options).unwrap(), []);
        let both = numbers(&words("--seed 7 --rounds 20"), &options).unwrap();
        assert_eq!(both, [("SEED", "7".to_owned()), ("ROUNDS", "20".to_owned())]);
        for wrong in ["--seeds 7", "--seed", "--seed x", "7"] {
            assert!(numbers(&words(wrong), &options).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_for_the_test_harness_do_not_name_a_package() {
        let harness = words("quorum -- --package-like");
        assert_eq!(test_words(&harness), ["test", "--workspace", "quorum", "--", "--package-like"]);
    }
}
