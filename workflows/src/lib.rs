//! What happens next: events in, commands out. Each workflow follows the mirrored log from its saved position; its
//! state is in the log, so that restart and happy path are one code path.
#![warn(clippy::wildcard_enum_match_arm)]

mod approval_routing;
mod checks;
mod config;
mod dispatcher;
mod door;
mod execution;
mod intake;
mod pauses;
mod records;
mod runner;
mod set_aside;
mod workflow;

use crate::approval_routing::ApprovalRouting;
use crate::checks::Checks;
use crate::dispatcher::{Dispatch, Dispatcher};
use crate::door::Door;
use crate::execution::Execution;
use crate::intake::take_in_results;
use crate::records::Records;
use crate::runner::Runner;
use crate::set_aside::SetAside;
use chassis::Process;

pub use crate::config::WorkflowsConfig;

/// Starts every workflow and runs until the process stops.
pub async fn run(process: Process<WorkflowsConfig>) -> anyhow::Result<()> {
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
    let set_aside = SetAside::new(&connection)?;
    process.run("intake", |stopping| take_in_results(connection, door, set_aside, stopping));
    process.until_stopped().await
}
