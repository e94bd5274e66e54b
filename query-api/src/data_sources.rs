//! Data sources, and which change holds the schema lock of each.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::unread;
use crate::reading::Reading;
use crate::state::AppState;
use axum::extract::State;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{DataSourceBody, Page};
use domain::catalog::DataSourceError;
use projections::data_sources;
use serde::Deserialize;
use utoipa::IntoParams;

/// What may follow `GET /v1/data-sources?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DataSourcesQuery {
    /// At most so many; 50 if absent, never more than 200.
    page_size: Option<u64>,
    /// From the page before.
    page_token: Option<String>,
}

/// List the tenant's data sources, newest first.
#[utoipa::path(get, path = "/v1/data-sources", tag = "catalog", params(DataSourcesQuery),
    responses((status = 200, body = Page<DataSourceBody>), Problem))]
#[tracing::instrument(skip_all)]
pub async fn list_data_sources(
    State(state): State<AppState>,
    reading: Reading,
    StrictQuery(query): StrictQuery<DataSourcesQuery>,
) -> Answered {
    let (size, token) = (query.page_size, query.page_token.as_deref());
    let paging = Paging::of(&reading, "data-sources", &[], size, token)?;
    let listed = data_sources::list(&state.database, &reading.tenant, paging.request()).await;
    Ok(Answer::page(&reading, paging.page(listed.map_err(unread)?)))
}

/// Read one data source, by id or name.
#[utoipa::path(get, path = "/v1/data-sources/{id_or_name}", tag = "catalog",
    params(("id_or_name" = String, Path, description = "Its id or name")),
    responses((status = 200, body = DataSourceBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_data_source(
    State(state): State<AppState>,
    reading: Reading,
    PathId(id_or_name): PathId<String>,
) -> Answered {
    let found = data_sources::find(&state.database, &reading.tenant, &id_or_name).await;
    let body =
        found.map_err(unread)?.ok_or_else(|| Problem::refusal(&DataSourceError::NotFound))?;
    Ok(Answer::json(&reading, body))
}
