//! Reads over a real log, real tables and the real worker between them.

#[path = "world/sealed.rs"]
mod sealed;
#[path = "world/search.rs"]
mod search;
#[path = "world/tile_client.rs"]
mod tile_client;
mod world;

use anyhow::Context as _;
use countersign_query_api::open_api_json;
use domain::identity::Role;
use ledger::{Line, judge};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trust::encoding::Sha256Digest;
use world::{ORIGIN, SQL, World, change, person};

#[tokio::test]
async fn what_was_appended_is_read_in_its_tenant_at_its_position() {
    let mut world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", &[Role::Author]).await.unwrap();
    let eve = world.admit("globex", "eve", &[Role::Author]).await.unwrap();
    let drafted = world.draft("a").await.unwrap();
    let path = format!("/v1/changes/{}", change("a"));

    let got = world.read(&path, &ada, &drafted).await.unwrap();
    let body = got.json().unwrap();
    assert_eq!((body["title"].as_str(), body["state"].as_str()), (Some("a"), Some("draft")));
    assert_eq!((got.header("etag"), body["waiting_for"].as_str()), ("\"1\"", None));
    assert_eq!(got.header("cs-position"), format!("{ORIGIN}:{}", drafted.sequence));
    let same = world.get(&path, Some(&ada), &[("if-none-match", "\"1\"")]).await.unwrap();
    assert_eq!((same.status.as_u16(), same.header("etag"), same.body.len()), (304, "\"1\"", 0));

    let sql = world.get(&format!("{path}/sql"), Some(&ada), &[]).await.unwrap();
    assert_eq!((&sql.body[..], sql.header("content-type")), (SQL.as_bytes(), "application/sql"));
    let manifest = world.get(&format!("{path}/manifest"), Some(&ada), &[]).await.unwrap();
    assert_eq!(manifest.problem(), (404, "changes.no_manifest".to_owned()));

    let foreign = world.get(&path, Some(&eve), &[]).await.unwrap();
    assert_eq!(foreign.problem(), (404, "changes.not_found".to_owned()));
    let foreign = world.get(&path, Some(&eve), &[("cs-tenant", "acme")]).await.unwrap();
    assert_eq!(foreign.problem(), (403, "auth.wrong_tenant".to_owned()));
    let nothing = world.get("/v1/changes", Some(&eve), &[]).await.unwrap().json().unwrap();
    assert_eq!(nothing["items"].as_array().unwrap().len(), 0);

    // The worker stops, the log goes on: readers who ask for more wait, and are told.
    world.stop_worker().await.unwrap();
    let submitted = world.submit("a").await.unwrap();
    let mark = submitted.position().mark().to_string();
    let early = world.get(&path, Some(&ada), &[("cs-min-position", &mark)]).await.unwrap();
    assert_eq!(early.problem(), (503, "query.position_not_reached".to_owned()));
    assert_eq!(early.header("retry-after"), "1");
    assert!(world.served() < submitted.sequence);
    world.start_worker().await.unwrap();
    let got = world.read(&path, &ada, &submitted).await.unwrap();
    let body = got.json().unwrap();
    let tag = got.header("etag").to_owned();
    assert_eq!(
        (body["state"].as_str(), tag.starts_with("\"2-")),
        (Some("checking"), true),
        "{tag}"
    );
    assert!(body["waiting_for"].as_str().unwrap().starts_with("waiting for the introspection"));
    let events: Vec<_> = body["history"].as_array().unwrap().iter().map(|e| &e["event"]).collect();
    assert_eq!(events, ["schema.drafted", "schema.requested"]);
    for (seen, status) in [("\"2\"", 200), (tag.as_str(), 304)] {
        let again = world.get(&path, Some(&ada), &[("if-none-match", seen)]).await.unwrap();
        assert_eq!(again.status.as_u16(), status, "{seen}: others may have more to say");
    }

    let service = world.get_as_service("workflows", &path, &[("cs-tenant", "acme")]).await.unwrap();
    assert_eq!(service.json().unwrap()["title"], "a");
    let nowhere = world.get_as_service("workflows", &path, &[]).await.unwrap();
    assert_eq!(nowhere.problem(), (400, "http.tenant_missing".to_owned()));
    let log = format!("/v1/logs/{ORIGIN}/commits");
    let log = world.get_as_service("workflows", &log, &[]).await.unwrap();
    assert_eq!(log.problem(), (403, "auth.forbidden".to_owned()));

    let me = world.get("/v1/whoami", Some(&ada), &[]).await.unwrap().json().unwrap();
    assert_eq!(me["principal"], person("ada").to_string());
    assert_eq!((&me["tenant"], &me["roles"][0]), (&"acme".into(), &"author".into()));
    world.stop().await.unwrap();
}

#[tokio::test]
async fn bad_input_has_its_own_code() {
    let world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", &[Role::Author, Role::Auditor]).await.unwrap();
    let mut last = world.draft("c0").await.unwrap();
    for name in ["c1", "c2"] {
        last = world.draft(name).await.unwrap();
    }
    let first = world.read("/v1/changes?page_size=2", &ada, &last).await.unwrap().json().unwrap();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let token = first["next_page_token"].as_str().unwrap();
    let rest = format!("/v1/changes?page_size=2&page_token={token}");
    let rest = world.get(&rest, Some(&ada), &[]).await.unwrap().json().unwrap();
    assert_eq!(
        (rest["items"][0]["title"].as_str(), &rest["next_page_token"]),
        (Some("c0"), &Value::Null)
    );

    let other = format!("/v1/changes?state=draft&page_token={token}");
    let (unknown, log) = (change("unknown"), format!("/v1/logs/{ORIGIN}"));
    for (path, headers, status, code) in [
        (other.as_str(), &[][..], 400, "query.page_token_invalid"),
        ("/v1/changes?page_size=-1", &[], 400, "http.invalid_query"),
        ("/v1/changes?stat=draft", &[], 400, "http.invalid_query"),
        ("/v1/changes?state=drafted", &[], 400, "http.invalid_query"),
        ("/v1/changes/chg_1", &[], 400, "http.malformed_id"),
        (&format!("/v1/changes/{unknown}"), &[], 404, "changes.not_found"),
        ("/v1/approvals/apr_01h455vb4pex5vsknk084sn02q", &[], 404, "approvals.not_found"),
        ("/v1/jobs/job_01h455vb4pex5vsknk084sn02q", &[], 404, "jobs.not_found"),
        ("/v1/agents/edge-9", &[], 404, "agents.not_found"),
        ("/v1/data-sources/a%00b", &[], 404, "catalog.data_source_not_found"),
        ("/v1/trust-root", &[], 404, "identity.trust_root_not_found"),
        ("/v1/whoami", &[("cs-min-position", "1")], 400, "query.position_malformed"),
        ("/v1/whoami", &[("cs-min-position", "x:1")], 400, "query.position_of_another_log"),
        ("/v1/whoami", &[("cs-tenant", "A")], 400, "http.tenant_malformed"),
        (&log, &[], 403, "auth.wrong_tenant"),
        ("/v1/nowhere", &[], 404, "http.not_found"),
    ] {
        let got = world.get(path, Some(&ada), headers).await.unwrap();
        assert_eq!(got.problem(), (status, code.to_owned()), "{path}");
    }
    world.stop().await.unwrap();
}

/// What only auditors of tenant `system` read; everything else is read by every role and by two services.
const OF_AUDITORS: [&str; 7] = [
    "get_log",
    "list_commits",
    "get_blob",
    "get_checkpoint",
    "get_tile",
    "prove_inclusion",
    "prove_consistency",
];
/// A route that no document can describe, and one path of it.
const UNDOCUMENTED: (&str, &str) = ("get_tile", "/tile/0/000");
const OF_TENANTS: [&str; 15] = [
    "list_changes",
    "get_change",
    "get_change_sql",
    "get_change_manifest",
    "list_approvals",
    "get_approval",
    "list_data_sources",
    "get_data_source",
    "list_jobs",
    "get_job",
    "list_agents",
    "get_agent",
    "get_trust_root",
    "search_events",
    "whoami",
];

/// Path and operation id of every route, with well-formed ids in the path.
fn routes(document: &Value) -> anyhow::Result<BTreeMap<String, String>> {
    let paths = document.get("paths").and_then(Value::as_object).context("no paths")?.iter();
    let named = paths.map(|(path, operations)| {
        let mut path = path.clone();
        for (parameter, example) in [
            ("{change_id}", "chg_01h455vb4pex5vsknk084sn02q".to_owned()),
            ("{approval_id}", "apr_01h455vb4pex5vsknk084sn02q".to_owned()),
            ("{job_id}", "job_01h455vb4pex5vsknk084sn02q".to_owned()),
            ("{id_or_name}", "x".to_owned()),
            ("{log}", ORIGIN.to_owned()),
            ("{tenant}", "acme".to_owned()),
            ("{sha256}", Sha256Digest::of(b"x").to_string()),
            ("{sequence}", "1".to_owned()),
        ] {
            path = path.replace(parameter, &example);
        }
        assert!(!path.contains('{'), "{path}: which parameter?");
        let id = operations.pointer("/get/operationId").and_then(Value::as_str);
        Ok((path, id.context("no operation id")?.to_owned()))
    });
    named.collect()
}

#[tokio::test]
async fn every_route_is_read_only_by_whom_it_is_for() {
    let mut world = World::start().await.unwrap();
    let document: Value = serde_json::from_str(&open_api_json().unwrap()).unwrap();
    let mut routes = routes(&document).unwrap();
    let (name, tile) = UNDOCUMENTED;
    routes.insert(format!("/log/{ORIGIN}{tile}"), name.to_owned());
    let cases: BTreeSet<&str> = OF_AUDITORS.into_iter().chain(OF_TENANTS).collect();
    let known: BTreeSet<&str> = routes.values().map(String::as_str).collect();
    assert_eq!(known, cases, "a route has no case");
    let mut people = Vec::new();
    for (tenant, name, role) in [
        ("acme", "ada", Role::Author),
        ("acme", "bob", Role::Approver),
        ("acme", "cyd", Role::Operator),
        ("acme", "dan", Role::Auditor),
        ("system", "olga", Role::Operator),
        ("system", "otto", Role::Auditor),
    ] {
        people.push((tenant, name, world.admit(tenant, name, &[role]).await.unwrap()));
    }
    for (path, operation) in &routes {
        let audits = OF_AUDITORS.contains(&operation.as_str());
        let nobody = world.get(path, None, &[]).await.unwrap();
        assert_eq!(nobody.problem(), (401, "auth.missing".to_owned()), "{operation}");
        for (tenant, name, token) in &people {
            let got = world.get(path, Some(token), &[]).await.unwrap().status.as_u16();
            let may = !audits || *name == "otto";
            assert_eq!(got == 403, !may, "{operation} {tenant} {name}: {got}");
            let other = [("cs-tenant", "globex")];
            let foreign = world.get(path, Some(token), &other).await.unwrap().status.as_u16();
            assert!(audits || foreign == 403, "{operation} {name} in another tenant: {foreign}");
        }
        for service in ["operator", "workflows", "sealer", "projections", "command-api"] {
            let got = world.get_as_service(service, path, &[("cs-tenant", "acme")]).await.unwrap();
            let may = !audits && ["operator", "workflows"].contains(&service);
            assert_eq!(got.status.as_u16() == 403, !may, "{operation} {service}");
        }
    }
    let public = world.get("/openapi.json", None, &[]).await.unwrap();
    assert_eq!(public.json().unwrap(), document);
    let ada = &people[0].2;
    assert_eq!(world.get("/v1/whoami", Some(ada), &[]).await.unwrap().status.as_u16(), 200);
    world.router = world.production.clone();
    let refused = world.get("/v1/whoami", Some(ada), &[]).await.unwrap();
    assert_eq!(refused.problem(), (401, "auth.token_refused".to_owned()));
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_auditor_reads_exactly_the_lines_of_a_bundle() {
    let world = World::start().await.unwrap();
    let auditor = world.admit("system", "otto", &[Role::Auditor]).await.unwrap();
    let other = world.admit("system", "olga", &[Role::Operator]).await.unwrap();
    let mut last = world.draft("c0").await.unwrap();
    for number in 1..70 {
        last = world.draft(&format!("c{number}")).await.unwrap();
    }
    let log = format!("/v1/logs/{ORIGIN}");
    let known = world.read(&log, &auditor, &last).await.unwrap().json().unwrap();
    assert_eq!((&known["first_sequence"], &known["last_sequence"]), (&1.into(), &75.into()));

    let got = world.get(&format!("{log}/commits"), Some(&auditor), &[]).await.unwrap();
    assert_eq!(got.header("content-type"), "application/x-ndjson");
    assert_eq!(got.header("cs-position"), format!("{ORIGIN}:75"));
    let lines: Vec<Line> =
        got.body.split_inclusive(|byte| *byte == b'\n').map(|l| Line::parse(l).unwrap()).collect();
    let sequences: Vec<u64> = lines.iter().map(|line| line.sequence).collect();
    assert_eq!(sequences, (1..=75).collect::<Vec<_>>());
    assert!(judge(&world.identity(), None, &lines[0].stored()).is_ok());
    let tail = world.get(&format!("{log}/commits?after=74"), Some(&auditor), &[]).await.unwrap();
    assert_eq!(Line::parse(&tail.body).unwrap(), lines[74]);
    let none = world.get(&format!("{log}/commits?after=75"), Some(&auditor), &[]).await.unwrap();
    assert_eq!((none.status.as_u16(), none.body.len()), (200, 0));

    let blob =
        |tenant: &str, bytes: &[u8]| format!("{log}/blobs/{tenant}/{}", Sha256Digest::of(bytes));
    let sql = world.get(&blob("acme", SQL.as_bytes()), Some(&auditor), &[]).await.unwrap();
    assert_eq!(&sql.body[..], SQL.as_bytes());
    for (path, token, status, code) in [
        (blob("acme", b"x"), &auditor, 404, "ledger.blob_not_found"),
        (blob("globex", SQL.as_bytes()), &auditor, 404, "ledger.blob_not_found"),
        (blob("a.b", SQL.as_bytes()), &auditor, 400, "http.malformed_id"),
        ("/v1/logs/other.log/commits".to_owned(), &auditor, 404, "ledger.log_not_found"),
        (format!("{log}/commits"), &other, 403, "auth.forbidden"),
    ] {
        let got = world.get(&path, Some(token), &[]).await.unwrap();
        assert_eq!(got.problem(), (status, code.to_owned()), "{path}");
    }
    world.stop().await.unwrap();
}
