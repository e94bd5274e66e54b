//! A router with one of everything, and how the tests ask it.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use chassis::body::{PathId, StrictJson, StrictQuery};
use chassis::clock::TestClock;
use chassis::listen::{DevelopmentTokens, Peer};
use chassis::problem::{self, ProblemBody};
use chassis::token::Token;
use chassis::{Caller, Clock, HasPrincipals, Holder, IdempotencyKey, Principals, Problem};
use countersign_chassis as chassis;
use cqrs_es::AggregateError;
use domain::identity::{PrincipalError, PrincipalKind, Role};
use domain::ids::{ChangeId, PrincipalId};
use http::{HeaderMap, Method, Request, StatusCode};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt as _;
use trust::encoding::{Sha256Digest, Timestamp};

pub const START: &str = "2026-11-20T07:00:00.000000Z";

pub struct OneToken {
    pub tenant: &'static str,
    principal: PrincipalId,
    digest: Sha256Digest,
    expires_at: Timestamp,
}

#[async_trait]
impl Principals for OneToken {
    async fn token(
        &self,
        tenant: &str,
        principal: PrincipalId,
        digest: Sha256Digest,
        at: Timestamp,
    ) -> Result<Option<Holder>, Problem> {
        let known = (tenant, principal, digest) == (self.tenant, self.principal, self.digest);
        let holder = Holder { kind: PrincipalKind::Person, roles: vec![Role::Author] };
        Ok((known && at < self.expires_at).then_some(holder))
    }
}

#[derive(Clone)]
pub struct AppState {
    pub principals: Arc<OneToken>,
    pub tokens: DevelopmentTokens,
    pub clock: Clock,
}

impl HasPrincipals for AppState {
    fn principals(&self) -> &dyn Principals {
        &*self.principals
    }

    fn development_tokens(&self) -> DevelopmentTokens {
        self.tokens
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    sql: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    page_size: Option<u16>,
}

async fn whoami(caller: Caller) -> String {
    format!("{:?} {:?} {:?}", caller.actor.kind, caller.actor.auth, caller.tenant)
}

async fn author(caller: Caller) -> Result<&'static str, Problem> {
    caller.in_tenant("acme")?;
    caller.require(Role::Author)?;
    Ok("author")
}

async fn elsewhere(caller: Caller) -> Result<&'static str, Problem> {
    caller.in_tenant("globex")?;
    Ok("elsewhere")
}

async fn acting(caller: Caller, headers: HeaderMap) -> Result<String, Problem> {
    caller.acting_in(&headers)
}

async fn operator(caller: Caller) -> Result<&'static str, Problem> {
    caller.require_service("operator")?;
    Ok("operator")
}

async fn draft(key: IdempotencyKey, body: StrictJson<Draft>) -> String {
    format!("{} {} {}", key.as_str(), body.value.sql, body.bytes.len())
}

async fn change(PathId(id): PathId<ChangeId>) -> String {
    id.to_string()
}

async fn list(StrictQuery(page): StrictQuery<Page>) -> String {
    format!("{:?}", page.page_size)
}

pub struct World {
    pub state: AppState,
    pub token: Token,
    pub hand: TestClock,
}

pub fn world() -> Result<World> {
    let principal = PrincipalId::derived("principal", &["ada"]);
    let token = Token::generate("acme", principal, &[7; 32]);
    let start: Timestamp = START.parse()?;
    let hand = TestClock::at(start);
    let (digest, expires_at) = (token.sha256(), start.plus_seconds(60));
    let principals = Arc::new(OneToken { tenant: "acme", principal, digest, expires_at });
    Ok(World {
        state: AppState { principals, tokens: DevelopmentTokens::Accepted, clock: hand.clock() },
        token,
        hand,
    })
}

pub fn routes(state: AppState) -> Router {
    let conflict = || async { Problem::from(AggregateError::<PrincipalError>::AggregateConflict) };
    let broken = || async {
        let secret = std::io::Error::other("the password is hunter2");
        Problem::from(AggregateError::<PrincipalError>::DatabaseConnectionError(secret.into()))
    };
    Router::new()
        .route("/whoami", get(whoami))
        .route("/author", get(author))
        .route("/elsewhere", get(elsewhere))
        .route("/acting", get(acting))
        .route("/operator", get(operator))
        .route("/drafts", post(draft))
        .route("/changes/{change_id}", get(change))
        .route("/changes", get(list))
        .route("/conflict", get(conflict))
        .route("/broken", get(broken))
        .route("/never", get(std::future::pending::<&'static str>))
        .with_state(state)
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn problem(&self) -> Result<ProblemBody> {
        let media = self.headers.get("content-type").context("no content type")?;
        anyhow::ensure!(media == problem::MEDIA_TYPE, "{media:?}: {}", self.text);
        let body: ProblemBody = serde_json::from_str(&self.text)?;
        anyhow::ensure!(body.status == self.status.as_u16());
        anyhow::ensure!(body.type_uri == format!("https://countersign.dev/problems/{}", body.code));
        anyhow::ensure!(body.trace_id.as_ref().is_some_and(|id| id.len() == 32), "no trace id");
        Ok(body)
    }
}

pub async fn send(router: &Router, request: Request<Body>) -> Result<Answer> {
    let response = router.clone().oneshot(request).await?;
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await?.to_vec())?;
    Ok(Answer { status: parts.status, headers: parts.headers, text })
}

pub fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Request<Body>> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    Ok(builder.body(Body::from(body.to_owned()))?)
}

pub async fn fetch(router: &Router, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    send(router, request(Method::GET, path, headers, "")?).await
}

pub async fn fetch_as(router: &Router, path: &str, peer: &str) -> Result<Answer> {
    let mut request = request(Method::GET, path, &[], "")?;
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let peer = Peer::Service { spiffe_id: peer.parse()?, address };
    request.extensions_mut().insert(ConnectInfo(peer));
    send(router, request).await
}

pub async fn post_draft(router: &Router, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
    send(router, request(Method::POST, "/drafts", headers, body)?).await
}
