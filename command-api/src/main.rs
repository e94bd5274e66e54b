//! command-api: the only door in. It decides and appends; nobody else does.

use anyhow::Context as _;
use chassis::Process;
use chassis::listen::{MtlsListener, PlainListener};
use clap::{Parser, Subcommand};
use countersign_command_api::{
    ApiConfig, AppState, ConfigurationWatch, open_api_json, open_log, router,
};
use event_log::EventLog;
use std::path::PathBuf;

#[derive(Parser)]
#[command(name = "command-api", version, about = "The only door in: decides and appends")]
struct Arguments {
    /// The TOML configuration file.
    #[arg(long, global = true, default_value = "/etc/countersign/command-api.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write log.opened as the first commit of a new and empty log. Never done by itself.
    OpenLog {
        /// The file of the last checkpoint of a log that cannot go on, and that this one replaces.
        #[arg(long, value_name = "FILE")]
        predecessor: Option<PathBuf>,
    },
    /// Print the `OpenAPI` 3.1 document.
    Openapi,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Openapi) => countersign_command_api::print_document(&open_api_json()?),
        Some(Command::OpenLog { predecessor }) => {
            open_log(&arguments.config, predecessor.as_deref()).await
        }
        None => serve(&arguments.config).await,
    }
}

async fn serve(config: &std::path::Path) -> anyhow::Result<()> {
    let process = Process::<ApiConfig>::start("command-api", config).await?;
    let log_ready = process.ready("log");
    let connection = countersign_command_api::connect(&process).await?;
    let writer = process.config.writer_key()?;
    let log = EventLog::open(&connection, process.config.log.clone().into(), writer)
        .await
        .context("the log cannot be opened for appending")?;
    let spiffe_id = process.identity.spiffe_id().to_string();
    let mut watch = ConfigurationWatch::new(log.clone(), process.clock.clone(), &spiffe_id);
    // Before anybody's first command: what follows it in the log was written under this configuration.
    watch.look_or_say().await;
    let state = AppState::new(log, process.clock.clone(), &process.config);
    let app = router(state)?;
    let people =
        PlainListener::bind(process.config.people_listen, process.config.development_tokens())
            .await?;
    let admit = |id: &trust::spiffe::SpiffeId| id.service().is_some();
    let tls = process.identity.server_config(admit)?;
    let services = MtlsListener::bind(process.config.services_listen, tls).await?;
    let (for_people, for_services) = (app.clone(), app);
    // Not before both listen: who reads `/readyz` connects next.
    log_ready.set(true);
    process.run("configuration", |stopping| watch.run(stopping));
    process.run("people", |stopping| chassis::serve::serve(for_people, people, stopping));
    process.run("services", |stopping| chassis::serve::serve(for_services, services, stopping));
    process.until_stopped().await
}
