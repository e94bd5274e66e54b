//! The projections worker: follows the log and keeps every read model.

use anyhow::Context as _;
use chassis::Process;
use clap::Parser;
use countersign_projections::config::Config;
use countersign_projections::{Database, every_slice, follow, search};
use event_log::Reader;
use nats::Connection;
use nats::subjects::service_inbox;
use spiffe::SpiffeId;
use std::path::PathBuf;

/// Keeps Countersign's read models.
#[derive(Debug, Parser)]
#[command(name = "projections", version, about = "Keeps the read models")]
struct Arguments {
    /// The TOML configuration file.
    #[arg(long, default_value = "/etc/countersign/projections.toml")]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let process = Process::<Config>::start("projections", &arguments.config).await?;
    let following = process.ready("following");
    let searchable = process.ready("searchable");
    let database = Database::from_url_file(&process.config.database_url_file)?;
    database.migrate().await?;
    let server = SpiffeId::new(&process.config.nats_id).context("nats_id is not a SPIFFE ID")?;
    let (url, source) = (&process.config.nats_url, process.identity.source());
    let inbox = service_inbox("projections")?;
    let connection = Connection::connect(url, source, &server, &inbox, "projections").await?;
    let log = Reader::new(&connection, process.config.log.clone().into());
    let tables = every_slice(&database).timed_by(process.clock.clone());
    let searched = log.clone();
    let folder = process.config.search_dir.clone();
    process.run("follow", |stopping| follow(tables, log, move || following.set(true), stopping));
    process.run("search", |stopping| async move {
        search::keep(&folder, searched, move || searchable.set(true), stopping).await
    });
    process.until_stopped().await
}
