//! query-api: the only door out. It reads; it never appends.

use anyhow::Context as _;
use chassis::listen::{MtlsListener, PlainListener};
use chassis::process::Process;
use chassis::serve::serve;
use clap::{Parser, Subcommand};
use countersign_query_api::{
    ApiConfig, AppState, merge_delay, open_api_json, print_document, router,
};
use event_log::Reader;
use nats::Connection;
use nats::subjects::service_inbox;
use projections::search::Search;
use projections::{Database, Progress};
use spiffe::SpiffeId;
use std::path::{Path, PathBuf};

#[derive(Debug, Parser)]
#[command(name = "query-api", version, about = "The only door out: reads")]
struct Arguments {
    /// The TOML configuration file.
    #[arg(long, global = true, default_value = "/etc/countersign/query-api.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the `OpenAPI` 3.1 document.
    Openapi,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Openapi) => print_document(&open_api_json()?),
        None => run(&arguments.config).await,
    }
}

async fn run(config: &Path) -> anyhow::Result<()> {
    let process = Process::<ApiConfig>::start("query-api", config).await?;
    let config = &process.config;
    let database = Database::from_url_file(&config.database_url_file)?;
    let server = SpiffeId::new(&config.nats_id).context("nats_id is not a SPIFFE ID")?;
    let (url, source) = (&config.nats_url, process.identity.source());
    let inbox = service_inbox("query-api")?;
    let connection = Connection::connect(url, source, &server, &inbox, "query-api").await?;
    let log = Reader::new(&connection, config.log.clone().into());
    let (progress, listener) = Progress::of(&database, &config.log.origin);
    let (search, watcher) = Search::of(&config.search_dir, &config.log.origin);
    let sources = (log.clone(), config.archive()?);
    let (clock, tokens) = (process.clock.clone(), config.development_tokens());
    if let Some(archive) = config.archive()? {
        let clock = clock.clone();
        process.run("merge-delay", |stopping| merge_delay::watch(log, archive, clock, stopping));
    }
    let app = router(AppState::new(database.clone(), progress, search, sources, clock, tokens))?;
    let people = PlainListener::bind(config.people_listen, tokens).await?;
    let tls = process.identity.server_config(|id| id.service().is_some())?;
    let services = MtlsListener::bind(config.services_listen, tls).await?;
    let (tables, for_services) = (process.ready("tables"), app.clone());
    process.run("progress", |stopping| listener.listen(stopping));
    process.run("search", |stopping| watcher.watch(stopping));
    process.run("tables", |stopping| async move {
        database.until_schema(stopping).await?;
        tables.set(true);
        Ok(())
    });
    process.run("people", |stopping| serve(app, people, stopping));
    process.run("services", |stopping| serve(for_services, services, stopping));
    process.until_stopped().await
}
