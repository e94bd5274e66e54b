//! Data sources, and the schema lock that workflows ask for.

use crate::answer::Answer;
use crate::ask::{Ask, ByOperator, ByWorkflow};
use crate::problem::{ENGINE_NOT_SUPPORTED, ENVIRONMENT_NOT_IN_ROOT, TOO_MANY_LABELS};
use crate::state::{AppState, slug};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use client::ReceiptBody;
use client::commands::{LockFor, RegisterDataSource};
use domain::agents::{Agent, AgentError};
use domain::catalog::{DataSource, DataSourceCommand, Registered};
use domain::ids::{AgentId, DataSourceId};
use std::collections::BTreeMap;

const MAX_LABELS: usize = 32;
const MAX_LABEL_BYTES: usize = 63;

/// Register a data source: exactly one database with its own environment.
#[utoipa::path(post, path = "/v1/data-sources", tag = "catalog", request_body = RegisterDataSource,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn register_data_source(
    State(state): State<AppState>,
    ask: Ask<ByOperator, RegisterDataSource>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    let body = &ask.body;
    let name = slug("/name", &body.name)?;
    let id = DataSourceId::derived("data_source", &[tenant, &name]).to_string();
    let operation = "register_data_source";
    if let Some(answered) = state.earlier::<DataSource, _, _>(&ask, operation, &id).await? {
        return Ok(Answer::created("data-sources", &answered));
    }
    let agent_name = slug("/agent", &body.agent)?;
    if body.engine != "postgresql" {
        let detail = format!("{:?} is not an engine", body.engine);
        return Err(Problem::of(&ENGINE_NOT_SUPPORTED).member("/engine", "unsupported", detail));
    }
    let labels = labels(&body.labels)?;
    let root = state.trust_root(tenant).await?;
    if !root.root().environments.contains_key(&body.environment) {
        let known: Vec<_> = root.root().environments.keys().cloned().collect();
        let detail = format!("the root has {}", known.join(", "));
        let problem = Problem::of(&ENVIRONMENT_NOT_IN_ROOT);
        return Err(problem.member("/environment", "unknown", detail));
    }
    let agent = AgentId::derived("agent", &[tenant, &agent_name]);
    let _known: Agent = state.find(tenant, &agent.to_string(), &AgentError::NotFound).await?;
    let command = DataSourceCommand::Register(Registered {
        name,
        engine: body.engine.clone(),
        environment: body.environment.clone(),
        agent,
        agent_name,
        labels,
    });
    let answered = state.execute::<DataSource, _, _, _>(&ask, operation, &id, command).await?;
    Ok(Answer::created("data-sources", &answered))
}

fn labels(labels: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Problem> {
    let fits = |text: &String| {
        (1..=MAX_LABEL_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
    };
    let all_fit = labels.iter().all(|(name, value)| fits(name) && fits(value));
    if labels.len() > MAX_LABELS || !all_fit {
        return Err(Problem::of(&TOO_MANY_LABELS));
    }
    Ok(labels.clone())
}

/// Take the schema lock for a change, or wait in line for it.
#[utoipa::path(post, path = "/v1/data-sources/{data_source_id}/request-lock", tag = "catalog",
    params(("data_source_id" = String, Path, description = "The data source")), request_body = LockFor,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn request_lock(
    State(state): State<AppState>,
    PathId(data_source): PathId<DataSourceId>,
    ask: Ask<ByWorkflow, LockFor>,
) -> Result<Answer, Problem> {
    let command = DataSourceCommand::RequestLock { change: ask.body.change };
    let (names, id) = (("data-sources", "request_lock"), data_source.to_string());
    state.accept::<DataSource, _, _, _>(&ask, names, &id, command).await
}

/// Give the schema lock back; the next change in line gets it.
#[utoipa::path(post, path = "/v1/data-sources/{data_source_id}/release-lock", tag = "catalog",
    params(("data_source_id" = String, Path, description = "The data source")), request_body = LockFor,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn release_lock(
    State(state): State<AppState>,
    PathId(data_source): PathId<DataSourceId>,
    ask: Ask<ByWorkflow, LockFor>,
) -> Result<Answer, Problem> {
    let command = DataSourceCommand::ReleaseLock { change: ask.body.change };
    let (names, id) = (("data-sources", "release_lock"), data_source.to_string());
    state.accept::<DataSource, _, _, _>(&ask, names, &id, command).await
}
