//! Who a command is from.

use crate::world::{By, World};
use domain::identity::{PrincipalKind, Role};

const NOWHERE: &str = "/v1/changes/chg_351b5bhc2sgz3tz31hgkwr5qz4/submit";

#[tokio::test]
async fn tokens_are_accepted_in_development_only() {
    let mut world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", PrincipalKind::Person, &[Role::Author]).await.unwrap();
    let known = world.post(NOWHERE, By::Token(&ada), &[], "{}").await.unwrap();
    assert_eq!(known.problem(), (404, "changes.not_found"));
    world.router = world.production.clone();
    let refused = world.post(NOWHERE, By::Token(&ada), &[], "{}").await.unwrap();
    assert_eq!(refused.problem(), (401, "auth.token_refused"));
    let tenant = [("cs-tenant", "acme")];
    let service = world.post(NOWHERE, By::Service("operator"), &tenant, "{}").await.unwrap();
    assert_eq!(service.problem(), (403, "auth.forbidden"), "services are known by their SVID");
    world.stop().await;
}

#[tokio::test]
async fn a_service_account_is_not_recorded_as_a_person() {
    let world = World::start().await.unwrap();
    let id = domain::ids::DataSourceId::derived("data_source", &["acme", "shop"]).to_string();
    for (name, kind) in [("bot", PrincipalKind::Service), ("ada", PrincipalKind::Person)] {
        let token = world.admit("acme", name, kind, &[Role::Author]).await.unwrap();
        let draft = world.draft(&id, By::Token(&token)).await.unwrap();
        assert_eq!(draft.status.as_u16(), 201, "{}", draft.body);
        let sequence = draft.body["sequence"].as_u64().unwrap();
        let stored = world.log.reader().stored_after(sequence - 1, 1).await.unwrap();
        let commit: serde_json::Value = serde_json::from_slice(&stored[0].payload).unwrap();
        assert_eq!(commit["actor"]["kind"], serde_json::to_value(kind).unwrap());
    }
    world.stop().await;
}

#[tokio::test]
async fn a_cause_that_is_no_event_is_refused() {
    let world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", PrincipalKind::Person, &[Role::Author]).await.unwrap();
    for (cause, expected) in [
        ("chg_351b5bhc2sgz3tz31hgkwr5qz4", (400, "http.cause_malformed")),
        ("evt_1", (400, "http.cause_malformed")),
        ("evt_351b5bhc2sgz3tz31hgkwr5qz4", (404, "changes.not_found")),
    ] {
        let headers = [("cs-causation-id", cause)];
        let got = world.post(NOWHERE, By::Token(&ada), &headers, "{}").await.unwrap();
        assert_eq!(got.problem(), expected, "{cause}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_location_is_given_only_where_something_is_read() {
    let world = World::start().await.unwrap();
    let tenant = r#"{"slug": "acme", "name": "Acme"}"#;
    let made = world.post("/v1/tenants", By::Service("operator"), &[], tenant).await.unwrap();
    assert_eq!((made.status.as_u16(), made.headers.get("location")), (201, None));
    let agent = [("cs-tenant", "acme")];
    let made = world.post("/v1/agents", By::Service("operator"), &agent, r#"{"name": "edge"}"#);
    let made = made.await.unwrap();
    let read = format!("/v1/agents/{}", made.body["aggregate"]["id"].as_str().unwrap());
    assert_eq!(made.headers["location"].to_str().unwrap(), read);
    world.stop().await;
}

/// ADR 0010: the scope of a key is the operation and the aggregate.
#[tokio::test]
async fn one_key_names_one_command_per_aggregate() {
    let world = World::start().await.unwrap();
    let headers = [("cs-tenant", "acme"), ("idempotency-key", "the-same")];
    let tenant = r#"{"slug": "acme", "name": "Acme"}"#;
    world.post("/v1/tenants", By::Service("operator"), &[], tenant).await.unwrap();
    let enroll = async |name: &str| {
        let body = format!(r#"{{"name": "{name}"}}"#);
        world.post("/v1/agents", By::Service("operator"), &headers, body).await.unwrap()
    };
    let (first, second) = (enroll("edge-1").await, enroll("edge-2").await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_ne!(first.body["aggregate"], second.body["aggregate"]);
    let again = enroll("edge-1").await;
    assert_eq!(
        (&again.body, again.headers["idempotent-replayed"].as_bytes()),
        (&first.body, &b"true"[..])
    );
    world.stop().await;
}
