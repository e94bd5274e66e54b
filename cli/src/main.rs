//! `countersign`: what operators, approvers and auditors type.

mod agents;
mod args;
mod audit;
mod changes;
mod clock;
mod codes;
mod config;
#[cfg(feature = "dev")]
mod dev;
mod doctor;
mod error;
mod exit;
mod files;
mod keys;
mod logs;
mod output;
mod paging;
mod plain;
#[cfg(feature = "restore")]
mod restore;
mod review;
mod session;
mod sources;
mod version;
#[cfg(feature = "witness")]
mod witness;

use args::{Arguments, Noun};
use clap::Parser as _;
use error::CliError;
use exit::Exit;
use output::Output;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { global, noun } = Arguments::parse();
    let output = Output::new(global.output);
    match run(global, noun, &output).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.talk(&error.told());
            error.exit().into()
        }
    }
}

async fn run(global: args::Global, noun: Noun, output: &Output) -> Result<Exit, CliError> {
    match noun {
        #[cfg(feature = "dev")]
        Noun::Dev(arguments) => Ok(dev::run(arguments, output.clone()).await.map(|()| Exit::Ok)?),
        Noun::Doctor(arguments) => doctor::run(&arguments, &global, output).await,
        Noun::Key(verb) => keys::run(&verb, output),
        Noun::Log(verb) => logs::run(verb, &session::open(&global)?, output).await,
        Noun::Source(verb) => sources::run(verb, &session::open(&global)?, output).await,
        Noun::Change(verb) => changes::run(verb, &session::open(&global)?, output).await,
        Noun::Agent(verb) => agents::run(&verb, &session::open(&global)?, output).await,
        Noun::Audit(verb) => audit::run(verb, &global, output).await,
        #[cfg(feature = "restore")]
        Noun::Archive(verb) => restore::run(verb, output).await,
        #[cfg(feature = "witness")]
        Noun::Witness(arguments) => witness::run(arguments, output).await,
        Noun::Version => version::run(output),
    }
}
