//! Connecting to the log's account, and opening a log once.

use crate::config::ApiConfig;
use anyhow::Context as _;
use chassis::{Identity, Process, TraceContext};
use domain::ids::{CommandId, service_principal};
use domain::issued::{Actor, ActorKind, Auth};
use event_log::{AppendError, Request, SYSTEM_TENANT};
use ledger::RequestDigest;
use nats::{Connection, subjects};
use std::path::Path;

const SERVICE: &str = "command-api";

/// Connects to NATS as command-api.
pub async fn connect(process: &Process<ApiConfig>) -> anyhow::Result<Connection> {
    connection(&process.config, &process.identity).await
}

async fn connection(config: &ApiConfig, identity: &Identity) -> anyhow::Result<Connection> {
    let server = spiffe::SpiffeId::new(&config.nats_id).context("nats_id is not a SPIFFE ID")?;
    let inbox = subjects::service_inbox(SERVICE)?;
    let connection =
        Connection::connect(&config.nats_url, identity.source(), &server, &inbox, SERVICE).await?;
    Ok(connection)
}

/// `command-api open-log`: writes the first commit. A log that is open already is left as it is.
pub async fn open_log(config: &Path) -> anyhow::Result<()> {
    let process = Process::<ApiConfig>::start("command-api-open-log", config).await?;
    let connection = connection(&process.config, &process.identity).await?;
    let writer = process.config.writer_key()?;
    let mut nonce = [0_u8; 32];
    getrandom::fill(&mut nonce).context("no randomness")?;
    let nonce = hex::encode(nonce);
    let actor = Actor {
        kind: ActorKind::Service,
        id: service_principal(process.identity.spiffe_id().as_str()),
        auth: Auth::Spiffe,
    };
    let origin = process.config.log.origin.to_string();
    let command =
        CommandId::derived("command", &[SYSTEM_TENANT, &actor.id.to_string(), "open_log", &origin]);
    let request = Request {
        command,
        kind: "open_log".to_owned(),
        digest: RequestDigest::of(nonce.as_bytes()),
        actor,
        at: process.clock.now(),
        correlation_id: command.to_string(),
        causation_id: None,
        traceparent: TraceContext::random().to_string(),
        expected_version: None,
    };
    let identity = process.config.log.clone().into();
    match event_log::open_log(&connection, identity, &writer, nonce, &request).await {
        Ok(receipt) => {
            tracing::info!(log.origin = origin, log.hash = %receipt.hash, "the log is open");
            Ok(())
        }
        Err(AppendError::Conflict) => {
            anyhow::bail!("the stream of log {origin} is not empty: it was opened already")
        }
        Err(error) => Err(error.into()),
    }
}
