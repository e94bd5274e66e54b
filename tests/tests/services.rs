//! The listener for services: who is let in by its SVID, and what each may do.

use client::commands::{CreatePrincipal, CreateTenant, EnrollAgent, Nothing, RecordJobResult};
use client::{Client, ClientError, ReceiptBody};
use domain::identity::{PrincipalKind, Role};
use scenario::running::platform;
use scenario::service::command_api;
use serde::Serialize;

async fn code<B: Serialize + Sync>(client: &Client, path: &str, body: &B) -> String {
    let key = uuid::Uuid::now_v7().to_string();
    match client.command::<B, ReceiptBody>(path, &key, body).await {
        Ok(_) => "recorded".to_owned(),
        Err(ClientError::Transport { .. }) => "not let in".to_owned(),
        Err(error) => error.code().unwrap_or("no code").to_owned(),
    }
}

fn tenant(slug: &str) -> CreateTenant {
    CreateTenant { slug: slug.to_owned(), name: "Another".to_owned() }
}

#[tokio::test]
async fn the_operator_sets_up_tenants_and_nobody_elses() -> anyhow::Result<()> {
    let platform = platform("services").await?;
    let operator = command_api(platform, "operator", "acme").await?;
    assert_eq!(code(&operator, "/v1/tenants", &tenant("globex")).await, "recorded");
    assert_eq!(code(&operator, "/v1/tenants", &tenant("globex")).await, "identity.tenant_exists");
    assert_eq!(code(&operator, "/v1/tenants", &tenant("system")).await, "identity.tenant_reserved");
    assert_eq!(code(&operator, "/v1/tenants", &tenant("No Slug")).await, "http.malformed_name");
    let person = CreatePrincipal {
        kind: PrincipalKind::Person,
        name: "Eve".to_owned(),
        roles: vec![Role::Author],
    };
    let nowhere = operator.for_tenant("nowhere");
    assert_eq!(code(&nowhere, "/v1/principals", &person).await, "identity.tenant_not_found");
    let nobody = operator.for_tenant("not.a.slug");
    assert_eq!(code(&nobody, "/v1/principals", &person).await, "http.tenant_malformed");
    Ok(())
}

#[tokio::test]
async fn a_service_does_only_what_it_is_for() -> anyhow::Result<()> {
    let platform = platform("services").await?;
    let workflows = command_api(platform, "workflows", "acme").await?;
    assert_eq!(code(&workflows, "/v1/tenants", &tenant("hooli")).await, "auth.forbidden");
    let operator = command_api(platform, "operator", "acme").await?;
    let path = "/v1/approvals/apr_351b5bhc2sgz3tz31hgkwr5qz4/close";
    assert_eq!(code(&operator, path, &Nothing {}).await, "auth.forbidden");
    assert_eq!(code(&workflows, path, &Nothing {}).await, "approvals.not_found");
    let result = RecordJobResult {
        message: "e30=".to_owned(),
        received_at: "2026-11-20T07:00:00.000000Z".parse()?,
    };
    let path = "/v1/jobs/job_351b5bhc2sgz3tz31hgkwr5qz4/record-result";
    assert_eq!(code(&workflows, path, &result).await, "jobs.result_invalid");
    Ok(())
}

#[tokio::test]
async fn an_agent_is_not_let_in() -> anyhow::Result<()> {
    let platform = platform("services").await?;
    let agent = command_api(platform, "edge", "acme").await?;
    let enroll = EnrollAgent { name: "mole".to_owned() };
    assert_eq!(code(&agent, "/v1/agents", &enroll).await, "not let in");
    Ok(())
}
