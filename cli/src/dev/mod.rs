//! `countersign dev`: the whole platform on this machine, with real servers and a development identity for everybody.
//!
//! Everything random is made once per data folder and kept there; nothing of it can reach production, because the root
//! says `development` and every listener is on loopback.

mod bootstrap;
mod card;
mod configs;
mod keys;
mod layout;
mod material;
mod root;
mod sample;
mod services;

use crate::output::Output;
use anyhow::{Context as _, bail};
use clap::Args;
use devkit::{Options, Stack, StackError, preflight};
use layout::Layout;
use material::Material;
use services::Services;
use std::path::PathBuf;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The arguments of `countersign dev`.
#[derive(Debug, Clone, Args)]
pub struct DevArguments {
    /// Where everything is kept across restarts [default: a folder of this user's cache].
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Keep nothing: a new temporary folder that goes at the end.
    #[arg(long, conflicts_with_all = ["data_dir", "reset"])]
    pub ephemeral: bool,
    /// Remove what earlier starts left, then start anew.
    #[arg(long)]
    pub reset: bool,
    /// Take free ports instead of the usual ones, so that several can run beside each other.
    #[arg(long)]
    pub free_ports: bool,
    /// Where people reach command-api [default: 4610, or a free port].
    #[arg(long)]
    pub command_api_port: Option<u16>,
    /// Where people reach query-api [default: 4620, or a free port].
    #[arg(long)]
    pub query_api_port: Option<u16>,
    /// Where every process sends its spans (OTLP over HTTP), such as `http://127.0.0.1:4318`.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// The exit status after a second Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Runs until interrupted.
pub async fn run(arguments: DevArguments, output: Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut interrupts = Interrupts::watch()?;
    let ready = tokio::select! {
        ready = up(&arguments, &output, started) => ready?,
        () = interrupts.next() => bail!("interrupted while starting: nothing is left running"),
    };
    tokio::select! {
        () = interrupts.next() => output.talk("stopping (Ctrl-C again ends everything at once)"),
        died = ready.services.first_to_end(&ready.stack) => {
            output.talk(&format!("{died}"));
            down(ready).await;
            bail!("{died}");
        }
    }
    tokio::select! {
        () = down(ready) => Ok(()),
        () = interrupts.next() => {
            output.talk("ended at once: the second Ctrl-C does not wait; the log has every acknowledged command (cli.interrupted)");
            std::process::exit(INTERRUPTED);
        }
    }
}

/// What runs.
struct Ready {
    stack: Stack,
    services: Services,
}

async fn up(arguments: &DevArguments, output: &Output, started: Instant) -> anyhow::Result<Ready> {
    if arguments.reset {
        layout::reset(&arguments.folder())?;
    }
    let servers = preflight::setup(|line| output.talk(line)).await?;
    let agents = vec![bootstrap::agent()];
    let data_dir = (!arguments.ephemeral).then(|| arguments.folder());
    let ephemeral = arguments.ephemeral;
    let options = Options { data_dir, ephemeral, agents, ..Options::default() };
    let stack = Stack::start_with(&servers, options).await.map_err(with_a_way_out)?;
    let layout = Layout::new(stack.data_dir())?;
    let material = Material::load_or_make(&layout, &stack, arguments)?;
    sample::prepare(&stack, &material).await?;
    let services =
        Services::start(&stack, &layout, &material, arguments.otlp_endpoint.as_deref()).await?;
    bootstrap::bootstrap(&stack, &layout, &material, &services).await?;
    let card = card::Card::new(&stack, &layout, &material, &services)?;
    card.show(output, started.elapsed()).context("the card cannot be shown")?;
    Ok(Ready { stack, services })
}

/// A data folder of another version cannot be gone on with: its streams are never changed silently.
fn with_a_way_out(error: StackError) -> anyhow::Error {
    let differs = matches!(&error, StackError::Provision(provision) if provision.is_difference());
    let error = anyhow::Error::from(error);
    if differs {
        return error.context(
            "this data folder is of another version: `countersign dev --reset` starts anew",
        );
    }
    error
}

async fn down(ready: Ready) {
    ready.services.stop().await;
    ready.stack.stop().await;
}

impl DevArguments {
    fn folder(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(devkit::default_data_dir)
    }
}

/// Ctrl-C and SIGTERM.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn watch() -> anyhow::Result<Self> {
        let failed = "signals cannot be watched";
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context(failed)?,
            terminate: signal(SignalKind::terminate()).context(failed)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
