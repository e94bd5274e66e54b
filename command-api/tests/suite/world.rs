//! A real log behind the router, as configured for development and for production.

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use chassis::Clock;
use chassis::listen::Peer;
use chassis::token::Token;
use countersign_command_api::{ApiConfig, AppState, router};
use devkit::stack::SHARD;
use devkit::{Options, Stack, identities};
use domain::catalog::{DataSource, DataSourceCommand, Registered};
use domain::changes::{Change, ChangeCommand};
use domain::identity::{
    Principal, PrincipalCommand, PrincipalCreated, PrincipalKind, Role, Token as IssuedToken,
};
use domain::ids::{AgentId, CommandId, PrincipalId};
use domain::issued::{Actor, ActorKind, Auth};
use event_log::{EventLog, Request, SYSTEM_TENANT, Target, open_log};
use http::{HeaderMap, StatusCode};
use ledger::{LogIdentity, RequestDigest, Writer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tower::ServiceExt as _;
use trust::encoding::{Sha256Digest, to_base64};
use trust::keys::PrivateKey;

pub const ORIGIN: &str = "main.log.test";

pub struct World {
    pub stack: Stack,
    pub log: EventLog,
    pub router: Router,
    /// The same, as configured for production.
    pub production: Router,
    keys: AtomicU64,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    Nobody,
    Token(&'a str),
    /// A service whose SVID the listener has checked.
    Service(&'a str),
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Got {
    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, &str) {
        let code = self.body.get("code").and_then(Value::as_str);
        (self.status.as_u16(), code.unwrap_or_default())
    }
}

pub fn principal(name: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[name])
}

impl World {
    /// Servers, an open log, and a router for development and one for production.
    pub async fn start() -> anyhow::Result<Self> {
        chassis::process::install_crypto();
        let stack = Stack::start(Options::default()).await?;
        let writer = PrivateKey::from_seed(&[7; 32]);
        let spki = writer.public();
        let key = Writer { key: spki, from_sequence: 1, to_sequence: None };
        let identity = LogIdentity {
            origin: ORIGIN.parse()?,
            shard: SHARD.parse()?,
            writers: vec![key],
            gaps: Vec::new(),
        };
        let connection = stack.connect_service(identities::COMMAND_API).await?;
        let opening = request("open_log", ORIGIN);
        open_log(&connection, identity.clone(), &writer, "00".repeat(32), &opening).await?;
        let log = EventLog::open(&connection, identity, writer).await?;
        let app = |development: bool| -> anyhow::Result<Router> {
            let config: ApiConfig = serde_json::from_value(json!({
                "process": {"ops_listen": "127.0.0.1:0", "trust_domain": identities::TRUST_DOMAIN},
                "people_listen": "127.0.0.1:0", "services_listen": "127.0.0.1:0",
                "nats_url": stack.nats_url(), "nats_id": stack.nats_id()?,
                "log": {"origin": ORIGIN, "shard": SHARD,
                    "writers": [{"spki": serde_json::to_value(spki)?, "from_sequence": 1}]},
                "writer_key_file": "/nonexistent", "development": development,
            }))?;
            router(AppState::new(log.clone(), Clock::system(), &config))
        };
        let (router, production) = (app(true)?, app(false)?);
        Ok(Self { stack, log, router, production, keys: AtomicU64::new(0) })
    }

    pub async fn stop(self) {
        self.stack.stop().await;
    }

    /// A principal with a token.
    pub async fn admit(
        &self,
        tenant: &str,
        name: &str,
        kind: PrincipalKind,
        roles: &[Role],
    ) -> anyhow::Result<String> {
        let secret = Sha256Digest::of(name.as_bytes());
        let token = Token::generate(tenant, principal(name), secret.as_bytes());
        let created = PrincipalCreated { kind, name: name.into(), roles: roles.to_vec() };
        let issued = IssuedToken {
            token_sha256: token.sha256(),
            expires_at: Clock::system().now().plus_seconds(3600),
        };
        let target = Target { tenant: tenant.to_owned(), id: principal(name).to_string() };
        for command in [PrincipalCommand::Create(created), PrincipalCommand::IssueToken(issued)] {
            let request = request("admit", &format!("{tenant}/{name}/{command:?}"));
            self.log.execute::<Principal, _>(&target, command, &request).await?;
        }
        Ok(token.expose().to_owned())
    }

    /// Executes a command on a change without asking the router.
    pub async fn command(
        &self,
        tenant: &str,
        id: &str,
        command: ChangeCommand,
    ) -> anyhow::Result<()> {
        let target = Target { tenant: tenant.to_owned(), id: id.to_owned() };
        let request = request("change", &format!("{tenant}/{id}/{command:?}"));
        self.log.execute::<Change, _>(&target, command, &request).await?;
        Ok(())
    }

    /// Drafts a change of a data source, which is made known first.
    pub async fn draft(&self, data_source: &str, by: By<'_>) -> anyhow::Result<Got> {
        let target = Target { tenant: "acme".to_owned(), id: data_source.to_owned() };
        let register = DataSourceCommand::Register(Registered {
            name: "shop".to_owned(),
            engine: "postgresql".to_owned(),
            environment: "dev".to_owned(),
            agent: AgentId::derived("agent", &["edge"]),
            agent_name: "edge".to_owned(),
            labels: BTreeMap::new(),
        });
        let request = request("register", data_source);
        self.log.execute::<DataSource, _>(&target, register, &request).await?;
        let sql = to_base64(b"SELECT 1;");
        let body = json!({"data_source": data_source, "title": "t", "sql": sql}).to_string();
        self.post("/v1/changes", by, &[], body).await
    }

    /// Posts with a fresh Idempotency-Key unless the headers bring one.
    pub async fn post(
        &self,
        path: &str,
        by: By<'_>,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Got> {
        let mut request = http::Request::post(path).header("content-type", "application/json");
        match by {
            By::Nobody => {}
            By::Token(token) => {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            By::Service(name) => {
                let spiffe_id = identities::service(name)?.parse()?;
                let peer = Peer::Service { spiffe_id, address: ([127, 0, 0, 1], 1).into() };
                request = request.extension(ConnectInfo(peer));
            }
        }
        if !headers.iter().any(|(name, _)| *name == "idempotency-key") {
            let key = self.keys.fetch_add(1, Ordering::Relaxed);
            request = request.header("idempotency-key", format!("fresh-{key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body.into()))?).await?;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await?;
        let body = serde_json::from_slice(&body).context("an answer that is not JSON")?;
        Ok(Got { status: parts.status, headers: parts.headers, body })
    }
}

pub fn request(kind: &str, key: &str) -> Request {
    Request {
        command: CommandId::derived("command", &[SYSTEM_TENANT, kind, key]),
        kind: kind.to_owned(),
        digest: RequestDigest::of(key.as_bytes()),
        actor: Actor { kind: ActorKind::Person, id: principal("test"), auth: Auth::Token },
        at: Clock::system().now(),
        correlation_id: "test".to_owned(),
        causation_id: None,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        expected_version: None,
    }
}
