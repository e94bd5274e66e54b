//! workflows: what happens next.

use chassis::Process;
use clap::Parser;
use countersign_workflows::{WorkflowsConfig, run};
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
    run(Process::<WorkflowsConfig>::start("workflows", &arguments.config).await?).await
}
