//! Data sources, and which change holds the schema lock of each.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::{being_rebuilt, unread};
use crate::reading::Reading;
use crate::state::AppState;
use axum::extract::State;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{DataSourceBody, Page};
use client::stories::DataSourceDetail;
use domain::catalog::DataSourceError;
use http::HeaderMap;
use projections::{data_source_detail, data_sources};
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
    responses((status = 200, description = "A page of the data sources, the newest first", body = Page<DataSourceBody>), Problem))]
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

/// Read a data source, by id or name, with who waits for it and what happened last. The `ETag` is its version.
#[utoipa::path(get, path = "/v1/data-sources/{id_or_name}", tag = "catalog",
    params(("id_or_name" = String, Path, description = "Its id or name"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the caller has: the same version is 304")),
    responses((status = 200, description = "The data source", body = DataSourceDetail,
            headers(("ETag" = String, description = "The version that this is"))),
        (status = 304, description = "The caller has this version (If-None-Match)"), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_data_source(
    State(state): State<AppState>,
    reading: Reading,
    PathId(id_or_name): PathId<String>,
    headers: HeaderMap,
) -> Answered {
    let (database, tenant) = (&state.database, reading.tenant.as_str());
    let missing = || Problem::refusal(&DataSourceError::NotFound);
    let id = data_sources::id(database, tenant, &id_or_name).await.map_err(unread)?;
    let id = id.ok_or_else(missing)?;
    let found = data_source_detail::load(database, tenant, &id).await.map_err(unread)?;
    let (detail, version) = found.ok_or_else(being_rebuilt)?;
    Ok(Answer::document(&reading, &headers, version, detail))
}
