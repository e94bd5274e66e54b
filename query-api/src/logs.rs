//! The log itself, for auditors: exactly the lines of an evidence bundle, and the blobs that commits name.

use crate::auditing::Auditing;
use crate::problem::{BLOB_NOT_FOUND, log_unread};
use crate::sealed;
use crate::state::AppState;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use chassis::problem::Chain;
use client::reads::LogBody;
use event_log::{LogError, Reader, stored};
use futures::stream::{Stream, try_unfold};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use ledger::{Line, LineError, POSITION_HEADER, PositionMark, Slug};
use nats::StoredMessage;
use serde::Deserialize;
use trust::encoding::{Sha256Digest, Timestamp};
use utoipa::IntoParams;

/// Messages fetched at once: at most 32 MiB of commits.
const BATCH: u32 = 64;

/// What may follow `GET /v1/logs/{log}/commits?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CommitsQuery {
    /// Only messages after this sequence; all if absent.
    after: Option<u64>,
}

/// Read where a log starts and ends.
#[utoipa::path(get, path = "/v1/logs/{log}", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin")),
    responses((status = 200, description = "The log and its ends", body = LogBody,
        headers(("Cs-Checkpoint" = String, description = "The newest signed checkpoint, base64; absent where there is none"))), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_log(
    State(state): State<AppState>,
    auditing: Auditing,
    PathId(log): PathId<String>,
) -> Result<Response, Problem> {
    auditing.of_log(&state, &log)?;
    let last_sequence = state.log.last_sequence().await.map_err(log_unread)?;
    let newest = sealed::newest(&state).await?;
    let body = LogBody {
        log,
        shard: state.log.identity().shard.to_string(),
        first_sequence: last_sequence.min(1),
        last_sequence,
        sealed_size: newest.as_ref().map(|note| note.claim().size),
        max_merge_delay_seconds: sealed::MAX_MERGE_DELAY_SECONDS,
    };
    let newest = sealed::header(newest.as_ref());
    Ok((newest, position(&state, last_sequence), Json(body)).into_response())
}

/// Read a log's messages as the lines of an evidence bundle, up to its end at the time of the request (`Cs-Position`).
///
/// An answer that breaks off has failed in between: read on after the last whole line.
#[utoipa::path(get, path = "/v1/logs/{log}/commits", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin"), CommitsQuery),
    responses((status = 200, description = "One message of the log a line", content_type = "application/x-ndjson", body = String,
        headers(("Cs-Checkpoint" = String, description = "The newest signed checkpoint, base64; absent where there is none at hand"))), Problem))]
#[tracing::instrument(skip_all)]
pub async fn list_commits(
    State(state): State<AppState>,
    auditing: Auditing,
    PathId(log): PathId<String>,
    StrictQuery(query): StrictQuery<CommitsQuery>,
) -> Result<Response, Problem> {
    auditing.of_log(&state, &log)?;
    let last = state.log.last_sequence().await.map_err(log_unread)?;
    let lines = lines(state.log.clone(), query.after.unwrap_or(0), last);
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    let newest = sealed::header(sealed::newest_if_at_hand(&state).await.as_ref());
    Ok((headers, newest, position(&state, last), Body::from_stream(lines)).into_response())
}

/// Read a blob that a commit names, by tenant and content.
#[utoipa::path(get, path = "/v1/logs/{log}/blobs/{tenant}/{sha256}", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin"),
        ("tenant" = String, Path, description = "Whose blob"),
        ("sha256" = String, Path, description = "Its SHA-256, 64 lower-case hexadecimal digits")),
    responses((status = 200, description = "The exact bytes of the blob", content_type = "application/octet-stream", body = String), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_blob(
    State(state): State<AppState>,
    auditing: Auditing,
    PathId((log, tenant, sha256)): PathId<(String, Slug, Sha256Digest)>,
) -> Result<Response, Problem> {
    auditing.of_log(&state, &log)?;
    let found = state.log.blob(tenant.as_str(), &sha256).await.map_err(log_unread)?;
    let bytes = found.ok_or_else(|| Problem::of(&BLOB_NOT_FOUND))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, bytes).into_response())
}

fn position(state: &AppState, sequence: u64) -> [(&'static str, String); 1] {
    let mark = PositionMark { origin: state.log.identity().origin.clone(), sequence };
    [(POSITION_HEADER, mark.to_string())]
}

/// Why a stream of lines broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the log cannot be read on")]
    Log(#[from] LogError),
    #[error("a message cannot be written as a line")]
    Line(#[from] LineError),
}

/// The lines after one sequence, up to and with another.
fn lines(log: Reader, after: u64, last: u64) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    try_unfold((log, after), move |(log, after)| async move {
        if after >= last {
            return Ok(None);
        }
        match chunk(&log, after, last).await {
            Ok(None) => Ok(None),
            Ok(Some((bytes, reached))) => Ok(Some((bytes, (log, reached)))),
            Err(error) => {
                tracing::error!(after, error = %Chain(&error), "a stream of commits broke off");
                Err(error)
            }
        }
    })
}

/// The next lines and the sequence that they reach; none if the log has no more.
async fn chunk(log: &Reader, after: u64, last: u64) -> Result<Option<(Bytes, u64)>, Broken> {
    let messages = log.stored_after(after, BATCH).await?;
    let wanted = messages.iter().take_while(|message| message.sequence <= last);
    let (mut bytes, mut reached) = (Vec::new(), None);
    for message in wanted {
        bytes.extend(line(message).encode()?);
        reached = Some(message.sequence);
    }
    Ok(reached.map(|reached| (Bytes::from(bytes), reached)))
}

fn line(message: &StoredMessage) -> Line {
    Line::of(&stored(message), Timestamp::new(message.time))
}
