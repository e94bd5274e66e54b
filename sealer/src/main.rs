//! sealer: signs checkpoints of the log, and keeps its archive.

use anyhow::Context as _;
use chassis::Process;
use clap::Parser;
use countersign_sealer::witnesses::Witnesses;
use countersign_sealer::{Sealer, SealerConfig, Standing};
use event_log::{Checkpoints, Reader};
use nats::Connection;
use nats::subjects::service_inbox;
use spiffe::SpiffeId;
use std::path::PathBuf;

/// Seals Countersign's log.
#[derive(Debug, Parser)]
#[command(name = "sealer", version, about = "Signs checkpoints of the log and keeps its archive")]
struct Arguments {
    /// The TOML configuration file.
    #[arg(long, default_value = "/etc/countersign/sealer.toml")]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let process = Process::<SealerConfig>::start("sealer", &arguments.config).await?;
    let sealing = process.ready("sealing");
    let config = &process.config;
    let (keys, archive) = (config.log_keys()?, config.archive()?);
    let key = keys.own().clone();
    let gap_patience = config.gap_patience()?;
    let server = SpiffeId::new(&config.nats_id).context("nats_id is not a SPIFFE ID")?;
    let (url, source) = (&config.nats_url, process.identity.source());
    let inbox = service_inbox("sealer")?;
    let connection = Connection::connect(url, source, &server, &inbox, "sealer").await?;
    let log = Reader::new(&connection, config.log.clone().into());
    let mut witnesses = Witnesses::of(config, &key.public(), &archive)?;
    let (checkpoints, clock) = (Checkpoints::of(&log), process.clock.clone());
    let stopping = process.stopping();
    let standing = Standing::find(&log, &checkpoints, &archive, &keys, &stopping).await?;
    let Some(standing) = standing else { return process.until_stopped().await };
    let now = u64::try_from(clock.now().datetime().timestamp()).unwrap_or_default();
    witnesses.agree_with(&standing.word(&config.log.origin, &key, now)?).await?;
    let (sealer, published) = Sealer::new(standing, log, checkpoints, archive, key, clock);
    let sealer = sealer.with_gap_patience(gap_patience);
    process.run("witnesses", |stopping| witnesses.keep(published, stopping));
    process.run("seal", |stopping| sealer.run(move || sealing.set(true), stopping));
    process.until_stopped().await
}
