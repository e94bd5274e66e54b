//! The extractors, layers and problems of an API. Together the tests answer every code of the catalogue.

mod world;

use anyhow::Result;
use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use chassis::http::{CommandName, Limits, api};
use chassis::listen::{DevelopmentTokens, Peer};
use chassis::problem::{self};
use chassis::token::Token;
use chassis::{Caller, IdempotencyKey};
use countersign_chassis as chassis;
use domain::ids::{ChangeId, CommandId, service_principal};
use domain::issued::{ActorKind, Auth};
use http::{Method, Request, StatusCode};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use world::{AppState, START, World, fetch, fetch_as, post_draft, request, routes, send, world};

/// The code of every refused request below, in order.
async fn refused_codes(world: &World, router: &Router) -> Result<Vec<(String, u16)>> {
    let bearer = format!("Bearer {}", world.token.expose());
    let other = Token::generate("acme", world.token.principal(), &[8; 32]);
    let unknown = format!("Bearer {}", other.expose());
    let own = [("authorization", bearer.as_str())];
    let json = ("content-type", "application/json");
    let key = ("idempotency-key", "k1");
    let large = format!(r#"{{"sql":"{}"}}"#, "x".repeat(400));
    let answers = [
        fetch(router, "/author", &[]).await?,
        fetch(router, "/author", &[("authorization", &unknown)]).await?,
        fetch(router, "/author", &[("authorization", "Basic YTpi")]).await?,
        fetch(router, "/author", &[("authorization", "Bearer cst_x")]).await?,
        fetch(router, "/author", &[own[0], own[0]]).await?,
        fetch(router, "/operator", &own).await?,
        fetch(router, "/elsewhere", &own).await?,
        fetch(router, "/acting", &[own[0], ("cs-tenant", "globex")]).await?,
        fetch(router, "/acting", &[own[0], ("cs-tenant", "a.b")]).await?,
        fetch_as(router, "/acting", "spiffe://dev.countersign/countersign/operator").await?,
        fetch(router, "/conflict", &[]).await?,
        fetch(router, "/broken", &[]).await?,
        fetch(router, "/nowhere", &[]).await?,
        send(router, request(Method::DELETE, "/changes", &[], "")?).await?,
        post_draft(router, &[json, key], &large).await?,
        post_draft(router, &[("content-type", "text/plain"), key], "{}").await?,
        post_draft(router, &[json, key], "{").await?,
        post_draft(router, &[json, key], r#"{"sql":"a","sql":"b"}"#).await?,
        post_draft(router, &[json, key], r#"{"sql":1}"#).await?,
        fetch(router, "/changes/chg_nonsense", &[]).await?,
        fetch(router, "/changes?page=1", &[]).await?,
        fetch(router, "/changes?page_size=1&page_size=2", &[]).await?,
        post_draft(router, &[json], "{}").await?,
        post_draft(router, &[json, ("idempotency-key", "two words")], "{}").await?,
        post_draft(router, &[json, key, key], "{}").await?,
    ];
    answers.iter().map(|answer| Ok((answer.problem()?.code, answer.status.as_u16()))).collect()
}

fn small() -> Limits {
    Limits { body_bytes: 256, ..Limits::default() }
}

const EXPECTED: [(&str, u16); 25] = [
    ("auth.missing", 401),
    ("auth.invalid_token", 401),
    ("auth.invalid_token", 401),
    ("auth.invalid_token", 401),
    ("auth.invalid_token", 401),
    ("auth.forbidden", 403),
    ("auth.wrong_tenant", 403),
    ("auth.wrong_tenant", 403),
    ("http.tenant_malformed", 400),
    ("http.tenant_missing", 400),
    ("log.conflict", 409),
    ("internal", 500),
    ("http.not_found", 404),
    ("http.method_not_allowed", 405),
    ("http.body_too_large", 413),
    ("http.unsupported_media_type", 415),
    ("http.malformed_json", 400),
    ("http.malformed_json", 400),
    ("http.invalid_body", 422),
    ("http.malformed_id", 400),
    ("http.invalid_query", 400),
    ("http.invalid_query", 400),
    ("http.idempotency_key_missing", 400),
    ("http.idempotency_key_malformed", 400),
    ("http.idempotency_key_malformed", 400),
];

/// Codes that need a connection that misbehaves; their tests are below.
const OF_CONNECTIONS: [&str; 4] =
    ["http.body_incomplete", "http.body_timeout", "http.overloaded", "http.timeout"];

/// The log's own state: command-api and query-api answer it.
const OF_THE_LOG: [&str; 1] = ["log.unavailable"];

/// Nobody is known by a token there; its test is below.
const OF_PRODUCTION: [&str; 1] = ["auth.token_refused"];

#[tokio::test]
async fn without_development_no_token_is_accepted_and_services_still_are() {
    let world = world().unwrap();
    let bearer = format!("Bearer {}", world.token.expose());
    let production = AppState { tokens: DevelopmentTokens::Refused, ..world.state };
    let router = api(routes(production), small());
    let refused = fetch(&router, "/whoami", &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(refused.status.as_u16(), 401);
    assert_eq!(refused.problem().unwrap().code, "auth.token_refused");
    assert!(refused.headers.contains_key("www-authenticate"));
    let service = "spiffe://dev.countersign/countersign/operator";
    assert_eq!(fetch_as(&router, "/whoami", service).await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn every_refusal_has_its_code_and_every_code_of_the_catalogue_is_refused() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let refused = refused_codes(&world, &router).await.unwrap();
    let refused: Vec<(&str, u16)> = refused.iter().map(|(code, n)| (code.as_str(), *n)).collect();
    assert_eq!(refused, EXPECTED);
    let elsewhere = OF_CONNECTIONS.into_iter().chain(OF_THE_LOG).chain(OF_PRODUCTION);
    let seen: BTreeSet<&str> = EXPECTED.iter().map(|(code, _)| *code).chain(elsewhere).collect();
    let listed: BTreeSet<&str> = problem::CATALOGUE.iter().map(|entry| entry.code).collect();
    assert_eq!(seen, listed);
}

#[tokio::test]
async fn what_is_well_formed_is_let_through() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let bearer = format!("bearer {}", world.token.expose());
    let author = fetch(&router, "/author", &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(author.text, "author");
    let headers = [("content-type", "application/json; charset=utf-8"), ("idempotency-key", "k1")];
    let draft = post_draft(&router, &headers, r#"{ "sql": "a" }"#).await.unwrap();
    assert_eq!(draft.text, "k1 a 14");
    let id = ChangeId::derived("change", &["x"]).to_string();
    assert_eq!(fetch(&router, &format!("/changes/{id}"), &[]).await.unwrap().text, id);
    assert_eq!(fetch(&router, "/changes?page_size=7", &[]).await.unwrap().text, "Some(7)");
    assert_eq!(fetch(&router, "/changes", &[]).await.unwrap().text, "None");
}

#[tokio::test]
async fn a_401_says_how_to_authenticate_and_a_405_what_is_allowed() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let missing = fetch(&router, "/whoami", &[]).await.unwrap();
    assert_eq!(missing.headers["www-authenticate"], r#"Bearer realm="countersign""#);
    let invalid = fetch(&router, "/whoami", &[("authorization", "Bearer x")]).await.unwrap();
    let challenge = r#"Bearer realm="countersign", error="invalid_token""#;
    assert_eq!(invalid.headers["www-authenticate"], challenge);
    let method =
        send(&router, request(Method::DELETE, "/changes", &[], "").unwrap()).await.unwrap();
    assert_eq!(method.headers["allow"], "GET,HEAD");
}

#[tokio::test]
async fn a_token_is_accepted_until_it_expires() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let bearer = format!("Bearer {}", world.token.expose());
    let own = [("authorization", bearer.as_str())];
    let answer = fetch(&router, "/whoami", &own).await.unwrap();
    assert_eq!(answer.text, r#"Person Token Some("acme")"#);
    world.hand.advance_seconds(60);
    assert_eq!(fetch(&router, "/whoami", &own).await.unwrap().status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_service_is_known_by_its_svid_and_an_agent_may_not_call() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let workflows = "spiffe://dev.countersign/countersign/workflows";
    let operator = "spiffe://dev.countersign/countersign/operator";
    let agent = "spiffe://dev.countersign/tenant/acme/agent/lisbon";
    let answer = fetch_as(&router, "/whoami", workflows).await.unwrap();
    assert_eq!(answer.text, "Workflow Spiffe None");
    assert_eq!(fetch_as(&router, "/whoami", operator).await.unwrap().text, "Service Spiffe None");
    assert_eq!(fetch_as(&router, "/elsewhere", operator).await.unwrap().text, "elsewhere");
    assert_eq!(fetch_as(&router, "/operator", operator).await.unwrap().text, "operator");
    for (path, peer) in [("/whoami", agent), ("/operator", workflows), ("/author", workflows)] {
        let refused = fetch_as(&router, path, peer).await.unwrap().problem().unwrap();
        assert_eq!(refused.code, "auth.forbidden", "{path} {peer}");
    }
}

#[tokio::test]
async fn a_service_that_also_sends_a_token_is_refused() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let bearer = format!("Bearer {}", world.token.expose());
    let mut both = request(Method::GET, "/whoami", &[("authorization", &bearer)], "").unwrap();
    let spiffe_id = "spiffe://dev.countersign/countersign/workflows".parse().unwrap();
    let peer = Peer::Service { spiffe_id, address: SocketAddr::from(([127, 0, 0, 1], 1)) };
    both.extensions_mut().insert(ConnectInfo(peer));
    let refused = send(&router, both).await.unwrap().problem().unwrap();
    assert_eq!(refused.code, "auth.invalid_token");
}

#[tokio::test]
async fn the_same_key_of_the_same_caller_names_the_same_command() {
    let world = world().unwrap();
    let issue = |caller: Caller, key: IdempotencyKey, State(state): State<AppState>| async move {
        let id = caller.command_id("acme", "submit_change", &key);
        let issued = caller.issue(id, state.clock.now(), "submit");
        assert_eq!((issued.by.kind, issued.by.auth), (ActorKind::Service, Auth::Spiffe));
        assert_eq!(issued.at.to_string(), START);
        format!("{} {}", issued.id, issued.by.id)
    };
    let router = Router::new().route("/issue", post(issue)).with_state(world.state.clone());
    let spiffe_id = "spiffe://dev.countersign/countersign/operator";
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut answers = Vec::new();
    for key in ["a", "a", "b"] {
        let mut request = request(Method::POST, "/issue", &[("idempotency-key", key)], "").unwrap();
        let peer = Peer::Service { spiffe_id: spiffe_id.parse().unwrap(), address };
        request.extensions_mut().insert(ConnectInfo(peer));
        answers.push(send(&router, request).await.unwrap().text);
    }
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], answers[2]);
    assert!(answers[0].ends_with(&service_principal(spiffe_id).to_string()));
}

#[tokio::test]
async fn an_answer_continues_the_callers_trace() {
    let world = world().unwrap();
    let router = api(routes(world.state.clone()), small());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("traceparent", parent.as_str()), ("x-request-id", "mine")];
    let answer = fetch(&router, "/nowhere", &headers).await.unwrap();
    assert_eq!(answer.problem().unwrap().trace_id.as_deref(), Some(trace));
    assert_eq!(answer.headers["x-request-id"], "mine");
    let own = answer.headers["traceparent"].to_str().unwrap();
    assert!(own.contains(trace) && own != parent, "{own}");
    let strange = fetch(&router, "/nowhere", &[("x-request-id", "a b")]).await.unwrap();
    let trace_id = strange.problem().unwrap().trace_id.unwrap();
    assert_eq!(strange.headers["x-request-id"], trace_id);
}

#[tokio::test]
async fn a_failure_tells_nothing_and_a_panic_is_a_problem() {
    let world = world().unwrap();
    let careless = |State(state): State<AppState>| async move {
        assert!(state.principals.tenant.is_empty(), "the password is hunter2");
    };
    let router = routes(world.state.clone());
    let panics = Router::new().route("/panics", get(careless)).with_state(world.state.clone());
    let router = api(router.merge(panics), small());
    for path in ["/panics", "/broken"] {
        let answer = fetch(&router, path, &[]).await.unwrap();
        assert_eq!(answer.problem().unwrap().code, "internal");
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_a_problem() {
    let world = world().unwrap();
    let limits = Limits { request_timeout: Duration::from_millis(5), ..small() };
    let answer = fetch(&api(routes(world.state), limits), "/never", &[]).await.unwrap();
    assert_eq!(
        (answer.problem().unwrap().code.as_str(), answer.status.as_u16()),
        ("http.timeout", 503)
    );
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_named() {
    let world = world().unwrap();
    let command = CommandId::derived("command", &["k"]);
    let slow = move |Extension(name): Extension<CommandName>| async move {
        name.note(command);
        std::future::pending::<()>().await;
    };
    let limits = Limits { request_timeout: Duration::from_millis(5), ..small() };
    let router = Router::new().route("/slow", get(slow)).with_state(world.state);
    let answer = fetch(&api(router, limits), "/slow", &[]).await.unwrap().problem().unwrap();
    assert_eq!(answer.code, "http.timeout");
    assert!(answer.detail.contains(&command.to_string()), "{}", answer.detail);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_or_breaks_off_is_a_problem() {
    let world = world().unwrap();
    let limits = Limits { body_timeout: Duration::from_millis(5), ..small() };
    let router = api(routes(world.state), limits);
    let never =
        Body::from_stream(futures::stream::pending::<Result<&'static str, std::io::Error>>());
    let broken = futures::stream::iter([Ok("{"), Err(std::io::Error::other("reset"))]);
    let cases = [
        (never, "http.body_timeout", 408),
        (Body::from_stream(broken), "http.body_incomplete", 400),
    ];
    for (body, code, status) in cases {
        let builder = Request::post("/drafts").header("idempotency-key", "k");
        let request = builder.header("content-type", "application/json").body(body).unwrap();
        let answer = send(&router, request).await.unwrap();
        assert_eq!(
            (answer.problem().unwrap().code.as_str(), answer.status.as_u16()),
            (code, status)
        );
    }
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_at_once() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, release) = (Arc::clone(&entered), Arc::clone(&leave));
    let slow = move || {
        let (inside, release) = (Arc::clone(&inside), Arc::clone(&release));
        async move {
            inside.notify_one();
            release.notified().await;
            "done"
        }
    };
    let both = Router::new().route("/slow", get(slow)).route("/quick", get(|| async { "quick" }));
    let router = api(both, Limits { concurrent_requests: 1, ..small() });
    let first = async {
        let answer = fetch(&router, "/slow", &[]).await.unwrap();
        assert_eq!(answer.text, "done");
    };
    let second = async {
        entered.notified().await;
        let refused = fetch(&router, "/quick", &[]).await.unwrap();
        assert_eq!(refused.problem().unwrap().code, "http.overloaded");
        assert_eq!(refused.headers["retry-after"], "1");
        leave.notify_one();
    };
    tokio::join!(first, second);
    assert_eq!(fetch(&router, "/quick", &[]).await.unwrap().text, "quick");
}
