//! The agent's process: a table of contents.

use anyhow::Context as _;
use chassis::Process;
use clap::Parser;
use countersign_agent::config::Config;
use countersign_agent::intake::{Intake, Pending};
use countersign_agent::worker::Worker;
use nats::{AgentQueue, Connection, subjects};
use std::path::PathBuf;
use std::sync::Arc;

/// Runs approved changes beside a `PostgreSQL` database.
#[derive(Debug, Parser)]
#[command(name = "agent", version)]
struct Arguments {
    /// The site's configuration (TOML).
    #[arg(long)]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let process = Process::<Config>::start("agent", &arguments.config).await?;
    let config = &process.config;
    let (tenant, name) = (config.tenant.as_str(), config.name.as_str());
    let worker = Worker::open(config, process.identity.spiffe_id(), process.clock.clone())?;
    let server = format!("spiffe://{}/countersign/nats", config.process.trust_domain);
    let server = spiffe::SpiffeId::new(&server).context("the trust domain is not one")?;
    let source = process.identity.source();
    let inbox = subjects::agent_inbox(tenant, name)?;
    let connection = Connection::connect(&config.nats_url, source, &server, &inbox, name).await?;
    let queue = AgentQueue::open(&connection, tenant, name).await?;
    let pending = Pending::open(&connection, tenant, name).await?;
    let intake = Intake::new(queue, pending, Arc::new(worker), process.identity.clone());
    process.ready("queue").set(true);
    process.run("intake", |stopping| intake.run(stopping));
    process.until_stopped().await
}
