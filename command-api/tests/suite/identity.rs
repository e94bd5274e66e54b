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
