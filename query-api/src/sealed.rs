//! The sealed log, as the archive holds it: checkpoints and tiles for C2SP clients, proofs for everybody.
//!
//! Nothing is signed or believed here: a proof is checked against the root of the checkpoint that goes with it, and
//! whoever gets both checks them under keys of their own.

use crate::auditing::Auditing;
use crate::problem::{
    CHECKPOINT_NOT_FOUND, NO_ARCHIVE, NOT_SEALED, SIZES_MALFORMED, TILE_NOT_FOUND, archive_unread,
};
use crate::state::AppState;
use archive::{Archive, ObjectName};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{ConsistencyBody, InclusionBody};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ledger::tree::{
    NodeHash, TileError, TileMissing, consistency_proof, consistency_tiles, inclusion_proof,
    inclusion_tiles,
};
use ledger::{CheckpointNote, Origin, TilePath};
use serde::Deserialize;
use std::num::NonZeroU64;
use trust::encoding::to_base64;
use utoipa::IntoParams;

/// The sealer signs a second after a message at the latest, unless it is down; verifiers allow more.
pub const MAX_MERGE_DELAY_SECONDS: u64 = 60;
const CHECKPOINT_HEADER: HeaderName = HeaderName::from_static("cs-checkpoint");
const RETRY_SECONDS: u32 = 1;

/// What may follow `GET /v1/logs/{log}/proofs/{sequence}?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InclusionQuery {
    /// The size of the checkpoint to prove it in; the newest if absent.
    size: Option<u64>,
}

/// What follows `GET /v1/logs/{log}/consistency?`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The size of the earlier tree, from 1.
    #[param(minimum = 1)]
    from: u64,
    /// The size of the later checkpoint; the newest if absent.
    to: Option<u64>,
}

/// Read the newest signed checkpoint (C2SP tlog-checkpoint); the tiles below it are at `/log/{log}/tile/...` (C2SP tlog-tiles).
#[utoipa::path(get, path = "/log/{log}/checkpoint", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin")),
    responses((status = 200, description = "The signed note", content_type = "text/plain", body = String), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_checkpoint(
    State(state): State<AppState>,
    auditing: Auditing,
    PathId(log): PathId<String>,
) -> Result<Response, Problem> {
    auditing.of_log(&state, &log)?;
    let note = checkpoint(&state, None).await?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, note.to_string()).into_response())
}

/// One tile. It never changes, and so may be kept for ever.
///
/// A tile has one spelling: its name is taken from the path as it was sent, and an escape in it names nothing.
#[tracing::instrument(skip_all)]
pub async fn get_tile(
    State(state): State<AppState>,
    auditing: Auditing,
    uri: Uri,
) -> Result<Response, Problem> {
    // Nothing, "log", the origin, and all the rest.
    let mut parts = uri.path().splitn(4, '/').skip(2);
    auditing.of_log(&state, parts.next().unwrap_or_default())?;
    let archive = archive(&state)?;
    let not_found = || Problem::of(&TILE_NOT_FOUND);
    let path = parts.next().and_then(|name| name.parse::<TilePath>().ok()).ok_or_else(not_found)?;
    let found = archive.tiles(&[path]).await.map_err(archive_unread)?;
    let stored = found.into_values().next().ok_or_else(not_found)?;
    // The archive may hold the full tile only.
    let bytes = path.part(stored).ok_or_else(|| Problem::internal(&Damaged::Tile(path)))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
    ];
    Ok((headers, bytes).into_response())
}

/// Prove that the log holds a message: with it, its hash and the log's key, anybody can check it offline.
#[utoipa::path(get, path = "/v1/logs/{log}/proofs/{sequence}", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin"),
        ("sequence" = u64, Path, minimum = 1, description = "The message's sequence, from 1"), InclusionQuery),
    responses((status = 200, description = "The proof and its checkpoint", body = InclusionBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn prove_inclusion(
    State(state): State<AppState>,
    auditing: Auditing,
    PathId((log, sequence)): PathId<(String, NonZeroU64)>,
    StrictQuery(query): StrictQuery<InclusionQuery>,
) -> Result<Json<InclusionBody>, Problem> {
    auditing.of_log(&state, &log)?;
    let note = checkpoint(&state, query.size).await?;
    let (head, sequence) = (note.claim().head(), sequence.get());
    if sequence > head.size {
        // The newest checkpoint will grow; one of a size that was asked for never does.
        return Err(query.size.map_or_else(not_sealed, |_| Problem::of(&SIZES_MALFORMED)));
    }
    let index = sequence - 1;
    let tiles = inclusion_tiles(index, head.size);
    let tiles = archive(&state)?.tiles(&tiles).await.map_err(archive_unread)?;
    let (_, proof) = inclusion_proof(index, &head, &tiles).map_err(|error| unproven(&error))?;
    let (leaf_index, tree_size, path) = (proof.leaf_index, proof.tree_size, texts(&proof.path));
    let checkpoint = note.to_string();
    Ok(Json(InclusionBody { sequence, leaf_index, tree_size, path, checkpoint }))
}

/// Prove that a later tree grew out of an earlier one: nothing that was sealed then has been changed or left out.
#[utoipa::path(get, path = "/v1/logs/{log}/consistency", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin"), ConsistencyQuery),
    responses((status = 200, description = "The proof and the later checkpoint", body = ConsistencyBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn prove_consistency(
    State(state): State<AppState>,
    auditing: Auditing,
    PathId(log): PathId<String>,
    StrictQuery(query): StrictQuery<ConsistencyQuery>,
) -> Result<Json<ConsistencyBody>, Problem> {
    auditing.of_log(&state, &log)?;
    let note = checkpoint(&state, query.to).await?;
    let head = note.claim().head();
    if query.from == 0 || query.from > head.size {
        return Err(Problem::of(&SIZES_MALFORMED));
    }
    let tiles = consistency_tiles(query.from, head.size);
    let tiles = archive(&state)?.tiles(&tiles).await.map_err(archive_unread)?;
    let proof = consistency_proof(query.from, &head, &tiles);
    let (_, proof) = proof.map_err(|error| unproven(&error))?;
    let (from, to, path) = (proof.from, proof.to, texts(&proof.path));
    Ok(Json(ConsistencyBody { from, to, path, checkpoint: note.to_string() }))
}

/// The newest checkpoint; none before the first, or where no archive is configured.
pub async fn newest(state: &AppState) -> Result<Option<CheckpointNote>, Problem> {
    let Some(archive) = &state.archive else { return Ok(None) };
    let bytes = archive.newest_checkpoint().await.map_err(archive_unread)?;
    bytes.map(|bytes| note(state, &bytes)).transpose()
}

/// The newest checkpoint for an answer that stands without one: the log can be read while its archive cannot.
pub async fn newest_if_at_hand(state: &AppState) -> Option<CheckpointNote> {
    match newest(state).await {
        Ok(note) => note,
        Err(problem) => {
            tracing::warn!(%problem, "the newest checkpoint cannot be read now: the answer goes without");
            None
        }
    }
}

/// `Cs-Checkpoint`: base64 of a note, if there is one.
pub fn header(note: Option<&CheckpointNote>) -> HeaderMap {
    let text = note.map(|note| to_base64(note.to_string().as_bytes()));
    let value = text.and_then(|text| HeaderValue::try_from(text).ok());
    value.into_iter().map(|value| (CHECKPOINT_HEADER, value)).collect()
}

/// The checkpoint of this size, or the newest.
async fn checkpoint(state: &AppState, size: Option<u64>) -> Result<CheckpointNote, Problem> {
    let archive = archive(state)?;
    let shown = newest(state).await?;
    let Some(size) = size else { return shown.ok_or_else(not_sealed) };
    // Witnesses cosign what is shown.
    if let Some(note) = shown.filter(|note| note.claim().size == size) {
        return Ok(note);
    }
    let bytes = archive.get(&ObjectName::Note { size }).await.map_err(archive_unread)?;
    let note = note(state, &bytes.ok_or_else(|| Problem::of(&CHECKPOINT_NOT_FOUND))?)?;
    if note.claim().size != size {
        return Err(Problem::internal(&Damaged::Size { size, found: note.claim().size }));
    }
    Ok(note)
}

/// What the archive holds is not what it should be. Who changed it is for the sealer and for verifiers to find.
#[derive(Debug, thiserror::Error)]
enum Damaged {
    #[error("the archive's {0} is not of the length of a tile")]
    Tile(TilePath),
    #[error("the archive holds a checkpoint of the log {0}")]
    Origin(Origin),
    #[error(
        "the archive holds a checkpoint of size {found} in the place of the one of size {size}"
    )]
    Size { size: u64, found: u64 },
}

fn archive(state: &AppState) -> Result<&Archive, Problem> {
    state.archive.as_ref().ok_or_else(|| Problem::of(&NO_ARCHIVE))
}

fn note(state: &AppState, bytes: &[u8]) -> Result<CheckpointNote, Problem> {
    let note = CheckpointNote::parse(bytes).map_err(|error| Problem::internal(&error))?;
    let origin = &note.claim().origin;
    if *origin != state.log.identity().origin {
        return Err(Problem::internal(&Damaged::Origin(origin.clone())));
    }
    Ok(note)
}

fn not_sealed() -> Problem {
    Problem::of(&NOT_SEALED).retry_after(RETRY_SECONDS)
}

/// Tiles that are missing or do not lead to the root: the archive is damaged.
fn unproven(error: &TileError<TileMissing>) -> Problem {
    Problem::internal(error)
}

fn texts(path: &[NodeHash]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}
