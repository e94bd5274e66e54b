//! A log's stream that is made again from its archive.
//!
//! A hardened stream never leaves out a sequence. Where the record has lost some, the new stream is made without
//! `deny_delete` first, what stands in for a lost message is deleted, and at the end the stream is hardened: the server
//! lets nobody take that back.

use crate::streams::{ProvisionError, origin_streams, provision_log};
use crate::{Connection, NameError, subjects};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Config;

/// Why a stream cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A shard that must not reach a subject.
    #[error("cannot name what is to be made")]
    Name(#[from] NameError),
    /// Another stream of the record is made otherwise.
    #[error("the streams of the record are not as they should be")]
    Provision(#[from] ProvisionError),
    /// The server refused or did not answer.
    #[error("the stream {stream} cannot be {what}")]
    Stream {
        /// Which.
        stream: String,
        /// What was to be done.
        what: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How a log's stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Missing,
    /// It was made for a rebuild that has not ended: messages can still be deleted.
    Unfinished,
    /// It is hardened.
    Hardened,
}

/// How the log's stream stands. `operator` is the LOG account's.
pub async fn standing(operator: &Connection, shard: &str) -> Result<Standing, RebuildError> {
    let config = config(operator, &subjects::log_stream(shard)?).await?;
    Ok(match config {
        None => Standing::Missing,
        Some(config) if config.deny_delete => Standing::Hardened,
        Some(_) => Standing::Unfinished,
    })
}

/// Whether the stream of checkpoints is there.
pub async fn has_checkpoints(operator: &Connection, shard: &str) -> Result<bool, RebuildError> {
    Ok(config(operator, &subjects::checkpoints_stream(shard)?).await?.is_some())
}

async fn config(operator: &Connection, name: &str) -> Result<Option<Config>, RebuildError> {
    match operator.jetstream().get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(refusal)
                if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            _ => Err(failed(name, "looked at")(error)),
        },
    }
}

/// Makes what is missing of the record. A log that is missing, or was left by a rebuild, stays open to deletes if
/// `leaves_out`.
pub async fn begin(
    operator: &Connection,
    shard: &str,
    replicas: usize,
    leaves_out: bool,
) -> Result<Standing, RebuildError> {
    let found = standing(operator, shard).await?;
    let [log, blobs, checkpoints] = origin_streams(shard, replicas)?;
    let mut wanted = vec![blobs, checkpoints];
    match found {
        Standing::Missing if leaves_out => wanted.push(unfinished(log)),
        Standing::Missing | Standing::Hardened => wanted.push(log),
        Standing::Unfinished => {}
    }
    for config in wanted {
        crate::streams::ensure(operator, config).await?;
    }
    standing(operator, shard).await
}

/// Takes out the message at `sequence` of a log that is not hardened yet.
pub async fn leave_out(
    operator: &Connection,
    shard: &str,
    sequence: u64,
) -> Result<(), RebuildError> {
    let name = subjects::log_stream(shard)?;
    let stream = operator.jetstream().get_stream_no_info(&name).await;
    let stream = stream.map_err(failed(&name, "looked at"))?;
    stream.delete_message(sequence).await.map_err(failed(&name, "rid of what stands in"))?;
    Ok(())
}

/// Hardens the log's stream: it is as provisioning wants it, and for good.
pub async fn finish(
    operator: &Connection,
    shard: &str,
    replicas: usize,
) -> Result<(), RebuildError> {
    let [log, _, _] = origin_streams(shard, replicas)?;
    let name = log.name.clone();
    operator.jetstream().update_stream(log).await.map_err(failed(&name, "hardened"))?;
    Ok(provision_log(operator, shard, replicas).await?)
}

fn unfinished(log: Config) -> Config {
    Config { deny_delete: false, ..log }
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    stream: &str,
    what: &'static str,
) -> impl FnOnce(E) -> RebuildError {
    let stream = stream.to_owned();
    move |source| RebuildError::Stream { stream, what, source: source.into() }
}
