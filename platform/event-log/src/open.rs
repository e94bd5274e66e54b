//! Opening a log: its first commit, written once, on purpose.

use crate::append::append;
use crate::error::AppendError;
use crate::execute::Request;
use crate::loaded::Loaded;
use crate::reader::Reader;
use crate::store::envelope;
use domain::ids::LogId;
use domain::ledger::{Log, LogEvent, Opened};
use ledger::{LogIdentity, Receipt};
use nats::Connection;
use trust::keys::PrivateKey;

/// The tenant of the log's own aggregates.
pub const SYSTEM_TENANT: &str = "system";

/// Writes `log.opened` as sequence 1 of a new and empty stream. A stream that holds anything is refused: it is either
/// open already, or no log of ours.
pub async fn open_log(
    connection: &Connection,
    identity: LogIdentity,
    writer: &PrivateKey,
    nonce: String,
    request: &Request,
) -> Result<Receipt, AppendError> {
    let reader = Reader::new(connection, identity);
    if reader.last_sequence().await? > 0 {
        return Err(AppendError::Conflict);
    }
    let identity = reader.identity();
    let origin = identity.origin.to_string();
    let id = LogId::derived("log", &[&origin]).to_string();
    let opened = Opened { nonce, spec: 1, shard: identity.shard.to_string(), predecessor: None };
    let events = [LogEvent::Opened(opened)];
    let loaded = Loaded::<Log>::default();
    let envelope =
        envelope::<Log>(identity, writer, &events, (SYSTEM_TENANT, &id), &loaded, request)?;
    let commit = append(&reader, writer, None, envelope, 0).await?;
    Ok(Receipt::sign(&commit, writer))
}
