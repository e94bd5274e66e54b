//! Agents.

use crate::answer::Answer;
use crate::ask::{Ask, ByOperator};
use crate::problem::SLUG_MALFORMED;
use crate::state::{AppState, slug};
use axum::extract::State;
use chassis::Problem;
use client::ReceiptBody;
use client::commands::EnrollAgent;
use domain::agents::{Agent, AgentCommand, Enrolled};
use domain::ids::AgentId;
use trust::spiffe::SpiffeId;

/// Make an agent known; its SPIFFE ID follows from tenant and name.
#[utoipa::path(post, path = "/v1/agents", tag = "agents", request_body = EnrollAgent,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn enroll_agent(
    State(state): State<AppState>,
    ask: Ask<ByOperator, EnrollAgent>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    state.expect_tenant(tenant).await?;
    let name = slug("/name", &ask.body.name)?;
    let spiffe_id = SpiffeId::of_agent(&state.trust_domain, tenant, &name)
        .map_err(|error| Problem::of(&SLUG_MALFORMED).detail(error.to_string()))?;
    let id = AgentId::derived("agent", &[tenant, &name]).to_string();
    let enrolled = Enrolled { name, spiffe_id: spiffe_id.as_str().to_owned() };
    let command = AgentCommand::Enroll(enrolled);
    let answered = state.execute::<Agent, _, _, _>(&ask, "enroll_agent", &id, command).await?;
    Ok(Answer::created("agents", &answered))
}
