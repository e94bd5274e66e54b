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
use ledger::{CheckpointNote, KeyRole, LogKey, SignedRotation, Writer};
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
    let Known { is_in_force, is_contradicted } = known(&state, &rotation).await?;
    let origin = state.log.reader().identity().origin.clone();
    let command = LogCommand::RotateKey { origin, rotation, is_in_force, is_contradicted };
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

/// What command-api knows by itself: who may write, and who signed the newest checkpoint. Of witnesses it knows nothing.
#[derive(Debug, Default)]
struct Known {
    is_in_force: Option<bool>,
    /// What is recorded cannot be taken back, and a verifier whose policy is right would never agree.
    is_contradicted: bool,
}

async fn known(state: &AppState, rotation: &SignedRotation) -> Result<Known, Problem> {
    let reader = state.log.reader();
    let (identity, last) = (reader.identity(), rotation.from.saturating_sub(1));
    match rotation.role {
        KeyRole::Writer => Ok(Known {
            is_in_force: Some(identity.writer_at(&rotation.old.id(), last).is_some()),
            is_contradicted: contradict(&identity.writers, rotation),
        }),
        KeyRole::Log => {
            let newest = Checkpoints::of(reader).newest().await.map_err(|error| unread(&error))?;
            let note = newest.and_then(|newest| CheckpointNote::parse(&newest.note).ok());
            let Some(note) = note else { return Ok(Known::default()) };
            let old = [LogKey::from(rotation.old)];
            let is_contradicted = note.claim().size > last;
            let is_in_force = Some(note.is_signed_by(&identity.origin, &old).is_ok());
            Ok(Known { is_in_force, is_contradicted })
        }
        KeyRole::Witness => Ok(Known::default()),
    }
}

/// Whether the configured intervals end the old key, or begin the new one, elsewhere.
fn contradict(writers: &[Writer], rotation: &SignedRotation) -> bool {
    let last = rotation.from.saturating_sub(1);
    writers.iter().any(|one| {
        let ends = one.key == rotation.old
            && one.covers(last)
            && one.to_sequence.is_some_and(|to| to != last);
        let begins = one.key == rotation.new && one.from_sequence != rotation.from;
        ends || begins
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::KeyRotation;
    use trust::keys::PrivateKey;

    #[test]
    fn a_rotation_begins_where_the_configured_intervals_do() {
        let key = |seed: u8| PrivateKey::from_seed(&[seed; 32]);
        let rotation = |from| {
            let (log, role, name) = ("main.log.test".parse().unwrap(), KeyRole::Writer, None);
            let (old, new) = (key(1).public(), key(2).public());
            KeyRotation { log, role, name, old, new, from }.sign(&key(1), &key(2)).unwrap()
        };
        let writer = |seed, from_sequence, to_sequence| {
            let key = key(seed).public();
            Writer { key, from_sequence, to_sequence }
        };
        let both = [writer(1, 1, Some(800)), writer(2, 801, None)];
        for (from, is_contradicted) in [(801, false), (81, true), (802, true)] {
            assert_eq!(contradict(&both, &rotation(from)), is_contradicted, "{from}");
        }
        // Not configured yet: it is announced.
        assert!(!contradict(&[writer(1, 1, None)], &rotation(50)));
    }
}
