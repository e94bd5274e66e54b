//! The first commands of a new log: tenant, people, root, agent, data source. Each has a fixed key: again is a replay.

use super::layout::Layout;
use super::material::{
    AGENT, DATA_SOURCE, ENVIRONMENT, Material, OPERATOR, PEOPLE, TENANT, principal, principal_key,
};
use super::services::Services;
use anyhow::Context as _;
use chassis::Identity;
use client::commands::{
    CreatePrincipal, CreateTenant, EnrollAgent, IssueToken, PublishTrustRoot, RegisterDataSource,
};
use client::{Client, Credential, ReceiptBody};
use devkit::nats_server::Agent;
use devkit::{Stack, folder, identities};
use domain::identity::PrincipalKind;
use serde::Serialize;
use std::collections::BTreeMap;
use trust::encoding::to_base64;

/// The agent that may connect from the start.
pub fn agent() -> Agent {
    Agent { tenant: TENANT.to_owned(), name: AGENT.to_owned() }
}

/// Issues the first commands, once per data folder.
pub async fn bootstrap(
    stack: &Stack,
    layout: &Layout,
    material: &Material,
    _running: &Services,
) -> anyhow::Result<()> {
    let mark = layout.mark("bootstrapped");
    if mark.exists() {
        return Ok(());
    }
    let socket = stack.service_endpoint(OPERATOR)?;
    let identity = Identity::connect(&socket, identities::TRUST_DOMAIN).await?;
    let operator = client(&identity, material, "command-api")?;
    let tenant = CreateTenant { slug: TENANT.to_owned(), name: "Acme (development)".to_owned() };
    tell(&operator, "/v1/tenants", "dev/tenant", &tenant).await?;
    people(&operator, material).await?;
    let root = PublishTrustRoot { envelope: to_base64(&material.root_envelope) };
    tell(&operator, "/v1/trust-roots", "dev/trust-root", &root).await?;
    let agent = EnrollAgent { name: AGENT.to_owned() };
    tell(&operator, "/v1/agents", "dev/agent", &agent).await?;
    let source = RegisterDataSource {
        name: DATA_SOURCE.to_owned(),
        engine: "postgresql".to_owned(),
        environment: ENVIRONMENT.to_owned(),
        agent: AGENT.to_owned(),
        labels: BTreeMap::new(),
    };
    let last = tell(&operator, "/v1/data-sources", "dev/data-source", &source).await?;
    // Tokens are accepted by query-api once they are projected: the card shows none that is not.
    let reads = client(&identity, material, "query-api")?;
    let _me: serde_json::Value = reads.get_since("/v1/whoami", &last.position()).await?;
    folder::write_private(&mark, b"")?;
    Ok(())
}

/// A client of an API's listener for services.
fn client(identity: &Identity, material: &Material, api: &str) -> anyhow::Result<Client> {
    let tls = Box::new(identity.client_config(&[&identities::service(api)?])?);
    let base = format!("https://127.0.0.1:{}", material.port(&format!("{api}-services"))?);
    let credential = Credential::Svid { tls, tenant: TENANT.to_owned() };
    Ok(Client::new(&base, credential)?)
}

async fn people(operator: &Client, material: &Material) -> anyhow::Result<()> {
    for somebody in &PEOPLE {
        let client = operator.for_tenant(somebody.tenant);
        let created = CreatePrincipal {
            kind: PrincipalKind::Person,
            name: somebody.full_name.to_owned(),
            roles: somebody.roles.to_vec(),
        };
        tell(&client, "/v1/principals", &principal_key(somebody), &created).await?;
        let id = principal(material.operator, somebody);
        let token = IssueToken {
            token_sha256: material.token_sha256(somebody.name)?,
            expires_at: material.expires(),
        };
        let key = format!("dev/token/{}", somebody.name);
        tell(&client, &format!("/v1/principals/{id}/tokens"), &key, &token).await?;
    }
    Ok(())
}

async fn tell<B: Serialize + Sync>(
    client: &Client,
    path: &str,
    key: &str,
    body: &B,
) -> anyhow::Result<ReceiptBody> {
    let answered = client.command::<B, ReceiptBody>(path, key, body).await;
    answered.map(|done| done.answer).with_context(|| format!("bootstrap: POST {path}"))
}
