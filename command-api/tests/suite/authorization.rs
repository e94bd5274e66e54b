//! Who may call which route: every route of the document times every caller. A new route without a case fails.

use crate::world::{By, ORIGIN, World};
use anyhow::Context as _;
use countersign_command_api::open_api_json;
use domain::identity::{PrincipalKind, Role};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const OPERATORS: &[&str] = &["service operator", "operator"];
const INSTALLATION: &[&str] = &["service operator"];
const WORKFLOW: &[&str] = &["service workflows"];
const AUTHOR: &[&str] = &["author"];

/// The callers that each operation lets in; nobody else gets beyond 403.
const ALLOWED: &[(&str, &[&str])] = &[
    ("resolve_change", &["operator", "service operator"]),
    ("cancel_change", &["author", "operator", "service operator"]),
    ("close_approval", WORKFLOW),
    ("create_principal", INSTALLATION),
    ("create_tenant", INSTALLATION),
    ("decide_approval", &["approver"]),
    ("declare_gap", INSTALLATION),
    ("dispatch_job", WORKFLOW),
    ("draft_change", AUTHOR),
    ("enroll_agent", OPERATORS),
    ("fail_check", WORKFLOW),
    ("fail_dispatch", WORKFLOW),
    ("issue_token", INSTALLATION),
    ("open_approval", WORKFLOW),
    ("publish_trust_root", INSTALLATION),
    ("record_approval", WORKFLOW),
    ("record_dispatch", WORKFLOW),
    ("record_job_result", WORKFLOW),
    ("record_rejection", WORKFLOW),
    ("record_result", WORKFLOW),
    ("register_data_source", OPERATORS),
    ("release_lock", WORKFLOW),
    ("request_approval", WORKFLOW),
    ("request_lock", WORKFLOW),
    ("revoke_key", INSTALLATION),
    ("revoke_token", INSTALLATION),
    ("rotate_key", INSTALLATION),
    ("start_change", OPERATORS),
    ("submit_change", AUTHOR),
];

/// Path and operation id of every route, with well-formed ids in the path.
fn routes() -> anyhow::Result<BTreeMap<String, String>> {
    let document: Value = serde_json::from_str(&open_api_json()?)?;
    let paths = document.get("paths").and_then(Value::as_object).context("no paths")?.iter();
    let named = paths.map(|(path, operations)| {
        let mut path = path.clone();
        for (parameter, prefix) in [
            ("{change_id}", "chg"),
            ("{approval_id}", "apr"),
            ("{data_source_id}", "dsc"),
            ("{job_id}", "job"),
            ("{principal_id}", "prn"),
        ] {
            path = path.replace(parameter, &format!("{prefix}_351b5bhc2sgz3tz31hgkwr5qz4"));
        }
        path = path.replace("{log}", ORIGIN);
        assert!(!path.contains('{'), "{path}: which id?");
        let id = operations.pointer("/post/operationId").and_then(Value::as_str);
        Ok((path, id.context("no operation id")?.to_owned()))
    });
    named.collect()
}

#[tokio::test]
async fn every_route_lets_in_only_whom_it_is_for() {
    let world = World::start().await.unwrap();
    let routes = routes().unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let documented: BTreeSet<&str> = routes.values().map(String::as_str).collect();
    assert_eq!(documented, allowed.keys().copied().collect(), "a route has no case");
    let mut tokens = BTreeMap::new();
    for (name, role) in [
        ("author", Role::Author),
        ("approver", Role::Approver),
        ("operator", Role::Operator),
        ("auditor", Role::Auditor),
    ] {
        let token = world.admit("acme", name, PrincipalKind::Person, &[role]).await.unwrap();
        tokens.insert(name, token);
    }
    let people = tokens.iter().map(|(name, token)| ((*name).to_owned(), By::Token(token)));
    let services = ["operator", "workflows", "sealer", "projections", "query-api"];
    let services = services.map(|name| (format!("service {name}"), By::Service(name)));
    let callers: Vec<_> = people.chain(services).collect();
    for (path, operation) in &routes {
        let nobody = world.post(path, By::Nobody, &[], "{}").await.unwrap();
        assert_eq!(nobody.problem(), (401, "auth.missing"), "{operation}");
        for (name, by) in &callers {
            let got = world.post(path, *by, &[("cs-tenant", "acme")], "{}").await.unwrap();
            if allowed[operation.as_str()].contains(&name.as_str()) {
                let (status, code) = got.problem();
                assert!(![401, 403].contains(&status), "{operation} {name}: {status} {code}");
            } else {
                assert_eq!(got.problem(), (403, "auth.forbidden"), "{operation} {name}");
            }
        }
        for (name, token) in &tokens {
            let other = [("cs-tenant", "globex")];
            let got = world.post(path, By::Token(token), &other, "{}").await.unwrap();
            assert_eq!(got.status.as_u16(), 403, "{operation} {name} in another tenant");
        }
    }
    world.stop().await;
}
