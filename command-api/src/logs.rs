//! The log's own keys and gaps, as operators record them.

use crate::answer::Answer;
use crate::ask::{Ask, ByLogOperator};
use crate::problem::{not_executed, unread};
use crate::state::{AppState, prose};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use client::ReceiptBody;
use client::commands::{DeclareGap, RevokeKey, RotateKey};
use domain::ids::LogId;
use domain::ledger::{GapDeclared, KeyRevoked, Log, LogCommand, LogError};
use domain::personal::Personal;
use event_log::{Checkpoints, SYSTEM_TENANT, Target};
use ledger::{CheckpointNote, KeyRole, LogKey, SignedRotation};
use serde::de::DeserializeOwned;

/// Longest reason, characters.
const LONGEST_REASON: usize = 1_000;

/// Record that a key was rotated: the old and the new one have signed it.
#[utoipa::path(post, path = "/v1/logs/{log}/key-rotations", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin")), request_body = RotateKey,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn rotate_key(
    State(state): State<AppState>,
    PathId(log): PathId<String>,
    ask: Ask<ByLogOperator, RotateKey>,
) -> Result<Answer, Problem> {
    let body = ask.body.clone();
    let rotation = SignedRotation {
        log: body.log,
        role: body.role,
        name: body.name,
        old: body.old,
        new: body.new,
        from: body.from,
        old_signature: body.old_signature,
        new_signature: body.new_signature,
    };
    let is_in_force = is_in_force(&state, &rotation).await?;
    let origin = state.log.reader().identity().origin.clone();
    let command = LogCommand::RotateKey { origin, rotation, is_in_force };
    execute(&state, &log, &ask, "rotate_key", command).await
}

/// Record that a key is trusted no longer, and up to where it is.
#[utoipa::path(post, path = "/v1/logs/{log}/key-revocations", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin")), request_body = RevokeKey,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn revoke_key(
    State(state): State<AppState>,
    PathId(log): PathId<String>,
    ask: Ask<ByLogOperator, RevokeKey>,
) -> Result<Answer, Problem> {
    let revoked = KeyRevoked {
        role: ask.body.role,
        name: ask.body.name.clone(),
        spki: ask.body.spki,
        last_trusted: ask.body.last_trusted,
        reason: Personal::Clear(prose("/reason", &ask.body.reason, LONGEST_REASON)?),
    };
    execute(&state, &log, &ask, "revoke_key", LogCommand::RevokeKey(revoked)).await
}

/// Record that messages of the log are lost.
#[utoipa::path(post, path = "/v1/logs/{log}/gaps", tag = "ledger",
    params(("log" = String, Path, description = "The log's origin")), request_body = DeclareGap,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn declare_gap(
    State(state): State<AppState>,
    PathId(log): PathId<String>,
    ask: Ask<ByLogOperator, DeclareGap>,
) -> Result<Answer, Problem> {
    let gap = GapDeclared {
        sequences: ask.body.sequences.clone(),
        reason: Personal::Clear(prose("/reason", &ask.body.reason, LONGEST_REASON)?),
    };
    execute(&state, &log, &ask, "declare_gap", LogCommand::DeclareGap(gap)).await
}

async fn execute<B: DeserializeOwned + Send>(
    state: &AppState,
    log: &str,
    ask: &Ask<ByLogOperator, B>,
    operation: &str,
    command: LogCommand,
) -> Result<Answer, Problem> {
    if state.log.reader().identity().origin.as_str() != log {
        return Err(Problem::refusal(&LogError::NotOpen));
    }
    let request = ask.request(SYSTEM_TENANT, operation);
    let id = LogId::derived("log", &[log]).to_string();
    let target = Target { tenant: SYSTEM_TENANT.to_owned(), id };
    let answered = state.log.execute::<Log, _>(&target, command, &request).await;
    Ok(Answer::accepted_unread(&answered.map_err(not_executed)?))
}

/// What command-api knows of the old key by itself: who may write, and who signed the newest checkpoint. Of witnesses it
/// knows nothing.
async fn is_in_force(state: &AppState, rotation: &SignedRotation) -> Result<Option<bool>, Problem> {
    let reader = state.log.reader();
    match rotation.role {
        KeyRole::Writer => {
            let last = rotation.from.saturating_sub(1);
            Ok(Some(reader.identity().writer_at(&rotation.old.id(), last).is_some()))
        }
        KeyRole::Log => {
            let newest = Checkpoints::of(reader).newest().await.map_err(|error| unread(&error))?;
            let is_its = |note: CheckpointNote| {
                note.is_signed_by(&reader.identity().origin, &[LogKey::from(rotation.old)]).is_ok()
            };
            Ok(newest.and_then(|newest| CheckpointNote::parse(&newest.note).ok()).map(is_its))
        }
        KeyRole::Witness => Ok(None),
    }
}
