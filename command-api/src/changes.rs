//! Changes, as people ask for them.

use crate::answer::Answer;
use crate::ask::{Ask, ByAuthor, ByAuthorOrOperator, ByOperator, Permission as _};
use crate::state::{AppState, base64, prose, text};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use chassis::problem::{BODY_TOO_LARGE, Entry};
use client::ReceiptBody;
use client::commands::{DraftChange, Nothing, ResolveChange};
use domain::catalog::{DataSource, DataSourceError};
use domain::changes::{Change, ChangeCommand, Draft};
use domain::ids::{ChangeId, DataSourceId};
use domain::personal::Personal;
use domain::vocabulary::Step;
use sql::CutError;

const SQL_TOO_LARGE: Entry = Entry {
    code: "changes.sql_too_large",
    status: 413,
    sentence: "the SQL file is larger than 4 MiB",
};
const LONGEST_TITLE: usize = 200;
const LONGEST_REASON: usize = 4_000;
/// Largest body: 4 MiB of SQL in base64, and the other members.
pub const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

/// Draft a change; with `submit`, submit it in the same commit.
#[utoipa::path(post, path = "/v1/changes", tag = "changes", request_body = DraftChange,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn draft_change(
    State(state): State<AppState>,
    ask: Result<Ask<ByAuthor, DraftChange>, Problem>,
) -> Result<Answer, Problem> {
    let ask = ask.map_err(too_large)?;
    let tenant = ask.tenant()?;
    let body = &ask.body;
    let title = Personal::Clear(text("/title", &body.title, LONGEST_TITLE)?);
    let reason = body.reason.as_deref();
    let reason = reason.map(|reason| prose("/reason", reason, LONGEST_REASON)).transpose()?;
    let (data_source, registered) = data_source(&state, tenant, &body.data_source).await?;
    let file = base64("/sql", &body.sql)?;
    let (file, steps) = cut(file).await?;
    let sql = state.blob(tenant, file, "application/sql").await?;
    let request = ask.request(tenant, "draft_change");
    let id = ChangeId::derived("change", &[&request.command.to_string()]).to_string();
    let command = ChangeCommand::Draft(Draft {
        data_source,
        environment: registered,
        title,
        reason: reason.map(Personal::Clear),
        sql,
        steps,
        start: body.start,
        submit: body.submit,
    });
    let answered = state.execute::<Change, _, _, _>(&ask, "draft_change", &id, command).await?;
    Ok(Answer::created("changes", &answered))
}

/// Only SQL makes the body of a draft this large.
fn too_large(problem: Problem) -> Problem {
    if problem.code() != BODY_TOO_LARGE.code {
        return problem;
    }
    let detail = format!("the request body is larger than {MAX_BODY_BYTES} bytes");
    Problem::of(&SQL_TOO_LARGE).detail(detail)
}

/// The data source of this name or id, and its environment.
async fn data_source(
    state: &AppState,
    tenant: &str,
    named: &str,
) -> Result<(DataSourceId, String), Problem> {
    let by_name = || DataSourceId::derived("data_source", &[tenant, named]);
    let id = named.parse().unwrap_or_else(|_| by_name());
    let missing = DataSourceError::NotFound;
    let found: DataSource =
        state.find(tenant, &id.to_string(), &missing).await.map_err(|problem| {
            problem.member("/data_source", "unknown", format!("{named:?} is not a data source"))
        })?;
    let registered = found.registered.ok_or_else(|| Problem::refusal(&missing))?;
    Ok((id, registered.environment))
}

/// Parsing is CPU-bound: not on the threads that answer requests.
async fn cut(file: Vec<u8>) -> Result<(Vec<u8>, Vec<Step>), Problem> {
    let cut = tokio::task::spawn_blocking(move || (sql::cut(&file), file)).await;
    let (steps, file) = cut.map_err(|error| Problem::internal(&error))?;
    let steps = steps.map_err(|error| refused(&error))?;
    let steps: Result<Vec<_>, _> = steps
        .into_iter()
        .map(|step| {
            let sha256 = step.sha256.parse()?;
            Ok(Step { ordinal: step.ordinal, sha256, transactional: step.transactional })
        })
        .collect();
    let steps = steps.map_err(|error: trust::encoding::EncodingError| Problem::internal(&error))?;
    Ok((file, steps))
}

fn refused(error: &CutError) -> Problem {
    let sentence = "the SQL file cannot be run as one transaction";
    let entry = match error {
        CutError::TooLarge { .. } => SQL_TOO_LARGE,
        error => Entry { code: error.code(), status: 422, sentence },
    };
    let detail = format!("{error} ({})", error.place());
    Problem::of(&entry).detail(detail.clone()).member("/sql", error.code(), detail)
}

/// Ask for checks and approval of a drafted change.
#[utoipa::path(post, path = "/v1/changes/{change_id}/submit", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = Nothing,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn submit_change(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByAuthor, Nothing>,
) -> Result<Answer, Problem> {
    let (names, id) = (("changes", "submit_change"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, ChangeCommand::Submit).await
}

/// Start an approved change that waits for its release.
#[utoipa::path(post, path = "/v1/changes/{change_id}/start", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = Nothing,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn start_change(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByOperator, Nothing>,
) -> Result<Answer, Problem> {
    let (names, id) = (("changes", "start_change"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, ChangeCommand::Start).await
}

/// Say how a change ended whose outcome nobody knew, after looking at its database.
#[utoipa::path(post, path = "/v1/changes/{change_id}/resolve", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = ResolveChange,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn resolve_change(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByOperator, ResolveChange>,
) -> Result<Answer, Problem> {
    let reason = Personal::Clear(prose("/reason", &ask.body.reason, LONGEST_REASON)?);
    let command = ChangeCommand::Resolve { found: ask.body.found, reason };
    let (names, id) = (("changes", "resolve_change"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// Take a change back: its author, or somebody who operates the tenant.
#[utoipa::path(post, path = "/v1/changes/{change_id}/cancel", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = Nothing,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn cancel_change(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByAuthorOrOperator, Nothing>,
) -> Result<Answer, Problem> {
    let as_operator = ByOperator::check(&ask.caller).is_ok();
    let (names, id) = (("changes", "cancel_change"), change.to_string());
    let command = ChangeCommand::Cancel { as_operator };
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}
