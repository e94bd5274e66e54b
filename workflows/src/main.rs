//! workflows: what happens next. Events in, commands out; the state is in the log.

mod approval_routing;
mod checks;
mod config;
mod dispatcher;
mod door;
mod execution;
mod intake;
mod records;
mod runner;
mod workflow;

use crate::approval_routing::ApprovalRouting;
use crate::checks::Checks;
use crate::config::WorkflowsConfig;
use crate::dispatcher::{Dispatch, Dispatcher};
use crate::door::Door;
use crate::execution::Execution;
use crate::intake::take_in_results;
use crate::records::Records;
use crate::runner::Runner;
use chassis::Process;
use clap::Parser;
use std::path::PathBuf;

#[derive(Parser)]
#[command(name = "workflows", version, about = "What happens next: events in, commands out")]
struct Arguments {
    /// The TOML configuration file.
    #[arg(long, default_value = "/etc/countersign/workflows.toml")]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let process = Process::<WorkflowsConfig>::start("workflows", &arguments.config).await?;
    let connection = config::connect(&process).await?;
    let records = Records::new(&connection, process.config.log.clone().into());
    let door = Door::new(&process)?;
    let dispatcher = Dispatcher::new(&process.config)?;
    let runner = Runner::new(&connection, &records)?;

    let checks = Checks::new(&records, &door, &dispatcher);
    let approval_routing = ApprovalRouting::new(&records, &door);
    let execution = Execution::new(&records, &door, &dispatcher);
    let dispatch = Dispatch::new(&records, &connection);
    process.run("checks", |stopping| runner.clone().keep(checks, stopping));
    process.run("approval_routing", |stopping| runner.clone().keep(approval_routing, stopping));
    process.run("execution", |stopping| runner.clone().keep(execution, stopping));
    process.run("dispatch", |stopping| runner.clone().keep(dispatch, stopping));
    process.run("intake", |stopping| take_in_results(connection.clone(), door.clone(), stopping));
    process.until_stopped().await
}
