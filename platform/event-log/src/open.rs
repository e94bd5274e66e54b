//! Opening a log: its first commit, written once, on purpose.

use crate::append::append;
use crate::error::AppendError;
use crate::execute::Request;
use crate::guard::covered;
use crate::loaded::Loaded;
use crate::reader::Reader;
use crate::store::envelope;
use domain::ids::LogId;
use domain::ledger::{Log, LogEvent, Opened};
use ledger::{CheckpointNote, LogIdentity, Receipt};
use nats::Connection;
use trust::keys::PrivateKey;

/// The tenant of the log's own aggregates.
pub const SYSTEM_TENANT: &str = "system";

/// What makes a log another than every other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// 64 hexadecimal digits of randomness.
    pub nonce: String,
    /// The last checkpoint of the log that this one goes on after, which cannot go on itself.
    pub predecessor: Option<CheckpointNote>,
}

impl From<String> for Opening {
    /// The first log of its kind.
    fn from(nonce: String) -> Self {
        Self { nonce, predecessor: None }
    }
}

/// Writes `log.opened` as sequence 1 of a new and empty stream. A stream that holds anything else than
/// this request's own first try is refused: it is either open already, or no log of ours.
pub async fn open_log(
    connection: &Connection,
    identity: LogIdentity,
    writer: &PrivateKey,
    opening: impl Into<Opening>,
    request: &Request,
) -> Result<Receipt, AppendError> {
    let Opening { nonce, predecessor } = opening.into();
    let reader = Reader::new(connection, identity);
    let identity = reader.identity();
    let origin = identity.origin.to_string();
    let id = LogId::derived("log", &[&origin]).to_string();
    if reader.last_sequence().await? > 0 {
        return first_try(&reader, &id, writer, request).await;
    }
    let predecessor = predecessor.map(|note| note.to_string());
    let opened = Opened { nonce, spec: 1, shard: identity.shard.to_string(), predecessor };
    let events = [LogEvent::Opened(opened)];
    let loaded = Loaded::<Log>::default();
    let envelope =
        envelope::<Log>(identity, writer, &events, (SYSTEM_TENANT, &id), &loaded, request)?;
    covered(&reader, &writer.id(), 1)?;
    match append(&reader, writer, None, envelope, 0).await {
        Err(AppendError::Conflict) => first_try(&reader, &id, writer, request).await,
        appended => Ok(Receipt::sign(&appended?.commit, writer)),
    }
}

/// The receipt of the commit that this very request wrote before its answer was lost.
async fn first_try(
    reader: &Reader,
    id: &str,
    writer: &PrivateKey,
    request: &Request,
) -> Result<Receipt, AppendError> {
    let loaded = reader.history::<Log>(SYSTEM_TENANT, id).await?;
    let commit = loaded.commands.get(&request.command.to_string());
    let own = commit.filter(|commit| commit.envelope.command.digest == request.digest);
    let receipt = |commit| match covered(reader, &writer.id(), 1) {
        Ok(()) => Receipt::sign(commit, writer),
        Err(_) => Receipt::unsigned(commit),
    };
    own.map(|commit| receipt(commit)).ok_or(AppendError::Conflict)
}
