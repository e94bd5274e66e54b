//! Tenants.

use crate::answer::Answer;
use crate::ask::{Ask, ByInstallation};
use crate::problem::not_executed;
use crate::state::{AppState, slug, text};
use axum::extract::State;
use chassis::Problem;
use client::ReceiptBody;
use client::commands::CreateTenant;
use domain::identity::{Tenant, TenantCommand, TenantCreated};
use domain::ids::TenantId;
use event_log::Target;

/// Create a tenant. It lives in this shard for ever.
#[utoipa::path(post, path = "/v1/tenants", tag = "identity", request_body = CreateTenant,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn create_tenant(
    State(state): State<AppState>,
    ask: Ask<ByInstallation, CreateTenant>,
) -> Result<Answer, Problem> {
    let tenant = slug("/slug", &ask.body.slug)?;
    let created = TenantCreated {
        name: text("/name", &ask.body.name, 200)?,
        shard: state.log.reader().identity().shard.to_string(),
        slug: tenant.clone(),
    };
    let id = TenantId::derived("tenant", &[&tenant]).to_string();
    let request = ask.request(&tenant, "create_tenant");
    let target = Target { tenant, id };
    let command = TenantCommand::Create(created);
    let answered = state.log.execute::<Tenant, _>(&target, command, &request).await;
    Ok(Answer::created_unread(&answered.map_err(not_executed)?))
}
