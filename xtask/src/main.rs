//! `cargo xtask`: prepares, builds, checks and runs the workspace. Depends on none of its crates.
#![expect(clippy::print_stderr, reason = "a command line tool: it talks on standard error")]

mod builds;
mod checks;
mod compatibility;
mod environment;
mod generated;
mod history;
mod openapi;
mod openapi_lint;
mod preflight;
mod problems;
mod released;
mod runs;
mod schemas;
mod steps;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What a developer and the continuous integration run.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, tidiness, dependencies, lints, documentation, schemas and API documents.
    Check,
    /// Every test, after building the binaries once; further words go to `cargo test`.
    Test {
        /// Passed to `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// The whole way of a change, on real servers, with what was promised and what was seen.
    Demo {
        /// Passed to the scenario program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Real migrations through the whole platform, compared with psql: `corpus [DIR] [--skip-refused]`.
    Corpus {
        /// Passed to the scenario program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Long runs under attack: `storm kills --changes N --seed S`, `storm cluster --rounds N --seed S`,
    /// `storm model --seeds N`, `storm sealer --kills N --seed S`, `storm ledger --n N --seed S [--commits C]`.
    Storm {
        /// Passed to the scenario program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Generated requests against every route of both APIs: `attack [--examples N] [--seed S]`.
    Attack {
        /// Passed to the scenario program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Measures, on release builds: `bench [NAME...] [--quick] [-o json]`; a whole run writes `docs/figures.md`.
    Bench {
        /// Passed to the benchmarks.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Builds the services and runs `countersign dev`.
    Dev {
        /// Passed to `countersign dev`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Writes the event schemas and `docs/events.md` from the domain crate.
    Schemas {
        /// Compare instead of writing.
        #[arg(long)]
        check: bool,
    },
    /// Writes the API documents of command-api and query-api.
    Openapi {
        /// Compare instead of writing.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check => checks::run(),
        Command::Test { words } => runs::test(&words),
        Command::Demo { words } => runs::scenario("demo", &words),
        Command::Storm { words } => runs::storm(&words),
        Command::Corpus { words } => runs::scenario("corpus", &words),
        Command::Attack { words } => runs::scenario("attack", &words),
        Command::Bench { words } => runs::bench(&words),
        Command::Dev { words } => runs::dev(&words),
        Command::Schemas { check } => schemas::run(check),
        Command::Openapi { check } => openapi::run(check),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
