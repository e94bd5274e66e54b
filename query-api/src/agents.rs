//! Agents that are known.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::unread;
use crate::reading::Reading;
use crate::state::AppState;
use axum::extract::State;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{AgentBody, Page};
use domain::agents::AgentError;
use projections::agents;
use serde::Deserialize;
use utoipa::IntoParams;

/// What may follow `GET /v1/agents?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AgentsQuery {
    /// At most so many; 50 if absent, never more than 200.
    page_size: Option<u64>,
    /// From the page before.
    page_token: Option<String>,
}

/// List the tenant's agents, newest first.
#[utoipa::path(get, path = "/v1/agents", tag = "agents", params(AgentsQuery),
    responses((status = 200, description = "A page of the agents, the newest first", body = Page<AgentBody>), Problem))]
#[tracing::instrument(skip_all)]
pub async fn list_agents(
    State(state): State<AppState>,
    reading: Reading,
    StrictQuery(query): StrictQuery<AgentsQuery>,
) -> Answered {
    let (size, token) = (query.page_size, query.page_token.as_deref());
    let paging = Paging::of(&reading, "agents", &[], size, token)?;
    let listed = agents::list(&state.database, &reading.tenant, paging.request()).await;
    Ok(Answer::page(&reading, paging.page(listed.map_err(unread)?)))
}

/// Read one agent, by id or name.
#[utoipa::path(get, path = "/v1/agents/{id_or_name}", tag = "agents",
    params(("id_or_name" = String, Path, description = "Its id or name")),
    responses((status = 200, description = "The agent", body = AgentBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_agent(
    State(state): State<AppState>,
    reading: Reading,
    PathId(id_or_name): PathId<String>,
) -> Answered {
    let found = agents::find(&state.database, &reading.tenant, &id_or_name).await;
    let body = found.map_err(unread)?.ok_or_else(|| Problem::refusal(&AgentError::NotFound))?;
    Ok(Answer::json(&reading, body))
}
