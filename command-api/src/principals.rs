//! Principals: people and services of a tenant, and their tokens.

use crate::answer::Answer;
use crate::ask::{Ask, ByInstallation};
use crate::problem::TOKEN_EXPIRED;
use crate::state::{AppState, text};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use client::ReceiptBody;
use client::commands::{CreatePrincipal, IssueToken, RevokeToken};
use domain::identity::{Principal, PrincipalCommand, PrincipalCreated, Token};
use domain::ids::PrincipalId;
use domain::personal::Personal;

const ISSUE_TOKEN: &str = "issue_token";

/// Make a person or a service known.
#[utoipa::path(post, path = "/v1/principals", tag = "identity", request_body = CreatePrincipal,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn create_principal(
    State(state): State<AppState>,
    ask: Ask<ByInstallation, CreatePrincipal>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    state.expect_tenant(tenant).await?;
    let created = PrincipalCreated {
        kind: ask.body.kind,
        name: Personal::Clear(text("/name", &ask.body.name, 200)?),
        roles: ask.body.roles.clone(),
    };
    let command = ask.request(tenant, "create_principal").command;
    let id = PrincipalId::derived("principal", &[&command.to_string()]).to_string();
    let created = PrincipalCommand::Create(created);
    let answered = state.execute::<Principal, _, _, _>(&ask, "create_principal", &id, created);
    Ok(Answer::created_unread(&answered.await?))
}

/// Accept a bearer token; the caller made it and sends only its digest.
#[utoipa::path(post, path = "/v1/principals/{principal_id}/tokens", tag = "identity",
    params(("principal_id" = String, Path, description = "The principal")), request_body = IssueToken,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn issue_token(
    State(state): State<AppState>,
    PathId(principal): PathId<PrincipalId>,
    ask: Ask<ByInstallation, IssueToken>,
) -> Result<Answer, Problem> {
    let id = principal.to_string();
    if let Some(answered) = state.earlier::<Principal, _, _>(&ask, ISSUE_TOKEN, &id).await? {
        return Ok(Answer::accepted_unread(&answered));
    }
    if ask.body.expires_at <= ask.at {
        return Err(Problem::of(&TOKEN_EXPIRED));
    }
    let token = Token { token_sha256: ask.body.token_sha256, expires_at: ask.body.expires_at };
    let command = PrincipalCommand::IssueToken(token);
    let answered = state.execute::<Principal, _, _, _>(&ask, ISSUE_TOKEN, &id, command).await?;
    Ok(Answer::accepted_unread(&answered))
}

/// Accept a bearer token no longer.
#[utoipa::path(post, path = "/v1/principals/{principal_id}/revoke-token", tag = "identity",
    params(("principal_id" = String, Path, description = "The principal")), request_body = RevokeToken,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn revoke_token(
    State(state): State<AppState>,
    PathId(principal): PathId<PrincipalId>,
    ask: Ask<ByInstallation, RevokeToken>,
) -> Result<Answer, Problem> {
    let command = PrincipalCommand::RevokeToken { token_sha256: ask.body.token_sha256 };
    let id = principal.to_string();
    let answered = state.execute::<Principal, _, _, _>(&ask, "revoke_token", &id, command).await?;
    Ok(Answer::accepted_unread(&answered))
}
