//! Changes: the list, the whole story of one, its exact SQL and manifest.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::{NO_MANIFEST, being_rebuilt, unread};
use crate::reading::Reading;
use crate::state::AppState;
use crate::waiting::{Facts, sentence};
use crate::{countersigning, executions};
use axum::extract::State;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{ChangeDetail, ChangeSummary, Page};
use client::stories::ChangeAnswer;
use domain::changes::{ChangeError, Phase};
use domain::ids::ChangeId;
use http::HeaderMap;
use projections::{approval_detail, change_detail, change_list, data_source_detail, jobs};
use serde::Deserialize;
use trust::encoding::Sha256Digest;
use utoipa::IntoParams;

/// What may follow `GET /v1/changes?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangesQuery {
    /// Only changes that stand here, such as `pending_approval`.
    #[param(value_type = Option<String>)]
    state: Option<Phase>,
    /// Only changes for this data source, by id or name.
    data_source: Option<String>,
    /// At most so many; 50 if absent, never more than 200.
    page_size: Option<u64>,
    /// From the page before.
    page_token: Option<String>,
}

/// List the tenant's changes, newest first.
#[utoipa::path(get, path = "/v1/changes", tag = "changes", params(ChangesQuery),
    responses((status = 200, description = "A page of the changes, the newest first", body = Page<ChangeSummary>), Problem))]
#[tracing::instrument(skip_all)]
pub async fn list_changes(
    State(state): State<AppState>,
    reading: Reading,
    StrictQuery(query): StrictQuery<ChangesQuery>,
) -> Answered {
    let ChangesQuery { state: phase, data_source, page_size, page_token } = query;
    let bound = [phase.map(Phase::name), data_source.as_deref()];
    let paging = Paging::of(&reading, "changes", &bound, page_size, page_token.as_deref())?;
    let filter =
        change_list::Filter { state: phase.map(|phase| phase.name().to_owned()), data_source };
    let listed =
        change_list::list(&state.database, &reading.tenant, &filter, paging.request()).await;
    Ok(Answer::page(&reading, paging.page(listed.map_err(unread)?)))
}

/// Read the whole story of a change. The `ETag` is its version; while others have more to say of it, the version with a
/// digest of what they say. `If-Match` takes both.
#[utoipa::path(get, path = "/v1/changes/{change_id}", tag = "changes",
    params(("change_id" = String, Path, description = "The change"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the caller has: the same version is 304")),
    responses((status = 200, description = "The change, and what it waits for", body = ChangeAnswer,
            headers(("ETag" = String, description = "The version that this is"))),
        (status = 304, description = "The caller has this version (If-None-Match)"), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn get_change(
    State(state): State<AppState>,
    reading: Reading,
    PathId(change): PathId<ChangeId>,
    headers: HeaderMap,
) -> Answered {
    let (detail, version) = find(&state, &reading, change).await?;
    let answer = with_context(&state, &reading, change, detail).await?;
    let tag = tag(version, &answer)?;
    Ok(Answer::tagged(&reading, &headers, &tag, answer))
}

/// Read the exact bytes of a change's SQL.
#[utoipa::path(get, path = "/v1/changes/{change_id}/sql", tag = "changes",
    params(("change_id" = String, Path, description = "The change")),
    responses((status = 200, description = "The exact bytes that were submitted", content_type = "application/sql", body = String), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn get_change_sql(
    State(state): State<AppState>,
    reading: Reading,
    PathId(change): PathId<ChangeId>,
) -> Answered {
    let (detail, _) = find(&state, &reading, change).await?;
    let bytes = state.named_blob(&reading.tenant, &detail.sql_sha256).await?;
    Ok(Answer::bytes(&reading, "application/sql", bytes))
}

/// Read the exact bytes of a change's manifest: what people sign.
#[utoipa::path(get, path = "/v1/changes/{change_id}/manifest", tag = "changes",
    params(("change_id" = String, Path, description = "The change")),
    responses((status = 200, description = "The exact bytes that people sign", content_type = "application/vnd.countersign.change.v1+json", body = Object), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn get_change_manifest(
    State(state): State<AppState>,
    reading: Reading,
    PathId(change): PathId<ChangeId>,
) -> Answered {
    let (detail, _) = find(&state, &reading, change).await?;
    let sha256 = detail.change_sha256.ok_or_else(|| Problem::of(&NO_MANIFEST))?;
    let bytes = state.named_blob(&reading.tenant, &sha256).await?;
    Ok(Answer::bytes(&reading, "application/vnd.countersign.change.v1+json", bytes))
}

async fn find(
    state: &AppState,
    reading: &Reading,
    change: ChangeId,
) -> Result<(ChangeDetail, u64), Problem> {
    let (database, tenant) = (&state.database, reading.tenant.as_str());
    let load = async || change_detail::load(database, tenant, change).await.map_err(unread);
    let found = load().await?;
    if found.is_none() && change_list::exists(database, tenant, change).await.map_err(unread)? {
        // It may have come between the two questions: document and list row come together.
        return load().await?.ok_or_else(being_rebuilt);
    }
    found.ok_or_else(|| Problem::refusal(&ChangeError::NotFound))
}

/// The change's version, which covers everything once others have nothing more to say.
fn tag(version: u64, answer: &ChangeAnswer) -> Result<String, Problem> {
    if is_settled(answer) {
        return Ok(version.to_string());
    }
    let body = serde_json::to_vec(answer).map_err(|error| Problem::internal(&error))?;
    let digest = Sha256Digest::of(&body).to_string();
    Ok(format!("{version}-{}", digest.get(..16).unwrap_or_default()))
}

/// What other contexts say, which the version does not cover, is all said.
fn is_settled(answer: &ChangeAnswer) -> bool {
    let is_open = |state: &str| state == "open" || state == "dispatched";
    answer.waiting_for.is_none()
        && !answer.countersigning.as_ref().is_some_and(|it| is_open(&it.state))
        && answer.jobs.iter().all(|it| it.steps.is_some() && !is_open(&it.job.state))
}

async fn with_context(
    state: &AppState,
    reading: &Reading,
    id: ChangeId,
    change: ChangeDetail,
) -> Result<ChangeAnswer, Problem> {
    let (database, tenant) = (&state.database, reading.tenant.as_str());
    let approval = async {
        match change.approval.as_deref().and_then(|id| id.parse().ok()) {
            Some(id) => approval_detail::load(database, tenant, id).await,
            None => Ok(None),
        }
    };
    let source = data_source_detail::load(database, tenant, &change.data_source_id);
    let jobs = jobs::of_change(database, tenant, id);
    let (approval, source, (jobs, more_jobs)) =
        tokio::try_join!(approval, source, jobs).map_err(unread)?;
    let (approval, source) = (approval.map(|it| it.0), source.map(|it| it.0.data_source));
    let phase = serde_json::from_value(change.state.clone().into())
        .map_err(|error| Problem::internal(&error))?;
    let facts = Facts {
        approval: approval.as_ref().map(|detail| &detail.approval),
        job: jobs.iter().rev().find(|job| job.state == "dispatched"),
        data_source: source.as_ref(),
    };
    let waiting_for = sentence(&change.id, phase, facts);
    let data_source = source.map_or_else(|| change.data_source_id.clone(), |source| source.name);
    let countersigning = match approval {
        Some(detail) => Some(countersigning::told(state, tenant, detail).await?),
        None => None,
    };
    let checks = executions::checks(&jobs);
    let jobs = executions::told(state, tenant, jobs).await?;
    Ok(ChangeAnswer { change, data_source, waiting_for, countersigning, checks, jobs, more_jobs })
}
