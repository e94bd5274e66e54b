//! Somebody who holds every role in another tenant, and knows the ids of this one.

use crate::operations::Operation;
use crate::{ALONE, Caller, Hostile, World, callers, valid};
use anyhow::Context as _;
use chassis::Clock;
use chassis::token::Token;
use domain::ids::PrincipalId;
use scenario::Platform;
use scenario::change::get;
use scenario::http::settled_length;
use scenario::running::platform;
use scenario::tunnel::Tunnel;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TENANT: &str = "globex";
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a command as the operator of the other tenant; the id of what it made.
async fn set_up(
    world: &World,
    operator: &Caller,
    path: &str,
    body: Value,
) -> anyhow::Result<String> {
    let case = Hostile {
        body: Some(body.to_string().into_bytes()),
        headers: vec![("cs-tenant", TENANT.to_owned())],
        ..Hostile::default()
    };
    let (status, answer) = world.ask(operator, &Operation::command(path), &case).await?;
    let id = answer.pointer("/aggregate/id").and_then(Value::as_str);
    Ok(id.with_context(|| format!("{path}: {status} {answer}"))?.to_owned())
}

/// A person of the other tenant with every role; their token.
async fn mallory(world: &World, operator: &Caller) -> anyhow::Result<String> {
    set_up(world, operator, "/v1/tenants", json!({"slug": TENANT, "name": "Globex"})).await?;
    let roles = ["author", "approver", "operator", "auditor"];
    let person = json!({"kind": "person", "name": "Mallory", "roles": roles});
    let id = set_up(world, operator, "/v1/principals", person).await?;
    let token = Token::generate(TENANT, id.parse::<PrincipalId>()?, &[5; 32]);
    let issued = json!({
        "token_sha256": token.sha256(), "expires_at": Clock::system().now().plus_seconds(3_600),
    });
    set_up(world, operator, &format!("/v1/principals/{id}/tokens"), issued).await?;
    Ok(token.expose().to_owned())
}

/// What is wrong with an answer to the foreigner.
fn verdict(world: &World, operation: &Operation, status: u16, body: &Value) -> Option<String> {
    let text = body.to_string();
    // Of what is public or everybody's: the tenant's own name, and the words of the log.
    let ids = [
        "change_id",
        "approval_id",
        "data_source_id",
        "sha256",
        "job_id",
        "agent_id",
        "principal_id",
    ];
    let shown = ids.iter().find(|name| world.known.get(**name).is_some_and(|id| text.contains(id)));
    let aimed =
        operation.in_path.iter().any(|name| ids.contains(&name.as_str()) || name == "id_or_name");
    match (status, shown) {
        (500.., _) => Some("a server error".to_owned()),
        (200..=299, Some(id)) => Some(format!("{id} of another tenant is shown")),
        (200..=299, None) if aimed => Some("accepted".to_owned()),
        _ => None,
    }
}

async fn reached(platform: &Platform) -> anyhow::Result<Vec<String>> {
    let world = World::of(platform).await?;
    let operators = callers(platform, "command-api").await?;
    let operator = operators.iter().find(|caller| caller.name == "operator").context("nobody")?;
    let token = mallory(&world, operator).await?;
    let change = world.known.get("change_id").context("no change")?;
    let before = (get(platform, change).await?, settled_length(platform).await?);
    let mut accepted = 0;
    let mut findings = Vec::new();
    let header = ("authorization", format!("Bearer {token}"));
    let person = |base: &String| Caller {
        name: "mallory",
        base: base.clone(),
        header: header.clone(),
        _tunnel: None,
    };
    let tunnel = Tunnel::of(platform, "workflows").await?;
    let base = tunnel.base().to_owned();
    let tenant = ("cs-tenant", TENANT.to_owned());
    let workflows = Caller { name: "workflows", base, header: tenant, _tunnel: Some(tunnel) };
    let (commands, reads) = (&platform.card.command_api, &platform.card.query_api);
    for (caller, document) in
        [(person(commands), commands), (workflows, commands), (person(reads), reads)]
    {
        let document: Value =
            world.client.get(format!("{document}/openapi.json")).send().await?.json().await?;
        for operation in Operation::all(&document)? {
            let sample = operation.sample().unwrap_or_else(|| json!({})).to_string();
            let mut cases =
                vec![Hostile::body("", sample), Hostile::body("", valid(&operation.path))];
            if operation.in_path.iter().any(|name| name == "id_or_name") {
                for id in ["data_source_id", "agent_id"].map(|name| world.known.get(name).cloned())
                {
                    let path = operation.filled(|_| id.clone().unwrap_or_default());
                    cases.push(Hostile { path: Some(path), ..Hostile::default() });
                }
            }
            for case in cases {
                let until = Instant::now() + PATIENCE;
                let (status, answer) = loop {
                    let answer = world.ask(&caller, &operation, &case).await?;
                    // The read models hear of her a moment later.
                    if answer.0 != 401 || Instant::now() > until {
                        break answer;
                    }
                    tokio::task::yield_now().await;
                };
                accepted += u64::from(operation.method == "post" && status < 300);
                let name = format!("{} {} by {}", operation.method, operation.path, caller.name);
                if status == 401 {
                    findings.push(format!("{name}: not let in at all"));
                }
                if let Some(wrong) = verdict(&world, &operation, status, &answer) {
                    findings.push(format!("{name}: {wrong}: {status} {answer}"));
                }
            }
        }
    }
    let after = (get(platform, change).await?, settled_length(platform).await?);
    if after.0 != before.0 {
        findings.push("the change of the other tenant is another".to_owned());
    }
    if after.1 != before.1 + accepted {
        findings.push(format!("{} commits, {accepted} commands accepted", after.1 - before.1));
    }
    Ok(findings)
}

#[tokio::test]
async fn whoever_is_of_another_tenant_reaches_nothing_by_its_id() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    let findings = reached(platform("input-matrix").await?).await?;
    assert_eq!(findings, Vec::<String>::new());
    Ok(())
}
