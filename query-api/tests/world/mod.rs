//! A real log with a real worker behind the router.

use anyhow::{Context as _, ensure};
use archive::{Archive, ArchiveConfig, ObjectName};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use chassis::Clock;
use chassis::clock::TestClock;
use chassis::listen::{DevelopmentTokens, Peer, PlainListener};
use chassis::serve::serve;
use chassis::token::Token;
use countersign_query_api::{AppState, merge_delay, router};
use cqrs_es::Aggregate;
use devkit::stack::SHARD;
use devkit::{Options, Stack, identities};
use domain::Issued;
use domain::changes::{Change, ChangeCommand, Draft};
use domain::identity::{
    Principal, PrincipalCommand, PrincipalCreated, PrincipalKind, Role, Token as IssuedToken,
};
use domain::ids::{ChangeId, CommandId, DataSourceId, PrincipalId};
use domain::issued::{Actor, ActorKind, Auth};
use domain::vocabulary::{Start, Step};
use event_log::{EventLog, Reader, Request, SYSTEM_TENANT, Target, open_log};
use http::{HeaderMap, StatusCode};
use ledger::{
    Checkpoint, CheckpointNote, CommitHash, LogIdentity, LogPolicy, Receipt, RequestDigest, Tree,
    Writer,
};
use projections::search::{self, Search};
use projections::{Database, Progress, every_slice, follow};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use trust::encoding::Sha256Digest;
use trust::keys::PrivateKey;

pub const ORIGIN: &str = "main.log.test";
const PATIENCE: Duration = Duration::from_secs(20);
pub const SQL: &str = "create table t (a int);\n";

pub struct World {
    stack: Stack,
    log: EventLog,
    database: Database,
    progress: Progress,
    search_dir: tempfile::TempDir,
    archive_dir: tempfile::TempDir,
    archive: Archive,
    /// What is in the archive.
    tree: Tree,
    pub router: Router,
    /// The same, as configured for production.
    pub production: Router,
    /// The same without an archive.
    pub unsealed: Router,
    worker: Option<(CancellationToken, JoinSet<anyhow::Result<()>>)>,
    listener: JoinSet<anyhow::Result<()>>,
}

/// An answer, taken apart.
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, String) {
        let code = self.json().ok().and_then(|body| Some(body.get("code")?.as_str()?.to_owned()));
        (self.status.as_u16(), code.unwrap_or_default())
    }
}

pub fn person(name: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[name])
}

pub fn change(name: &str) -> ChangeId {
    ChangeId::derived("change", &[name])
}

fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[9; 32])
}

impl World {
    /// Servers, an open log, tables and a worker that keeps them.
    pub async fn start() -> anyhow::Result<Self> {
        let stack = Stack::start(Options::default()).await?;
        let writer = PrivateKey::from_seed(&[7; 32]);
        let key = Writer { key: writer.public(), from_sequence: 1, to_sequence: None };
        let identity = LogIdentity {
            origin: ORIGIN.parse()?,
            shard: SHARD.parse()?,
            writers: vec![key],
            gaps: Vec::new(),
        };
        let appender = stack.connect_service(identities::COMMAND_API).await?;
        let request = request("open_log", ORIGIN);
        open_log(&appender, identity.clone(), &writer, "00".repeat(32), &request).await?;
        let log = EventLog::open(&appender, identity.clone(), writer).await?;
        let url = stack.postgres().create_database("reads").await?;
        let database = Database::from_url(&url)?;
        database.migrate().await?;
        let reader = Reader::new(&stack.connect_service(identities::QUERY_API).await?, identity);
        let (progress, listening) = Progress::of(&database, &ORIGIN.parse()?);
        let mut listener = JoinSet::new();
        listener.spawn(listening.listen(CancellationToken::new()));
        let search_dir = tempfile::tempdir()?;
        let (search, watcher) = Search::of(search_dir.path(), &ORIGIN.parse()?);
        listener.spawn(watcher.watch(CancellationToken::new()));
        let archive_dir = tempfile::tempdir()?;
        let config = ArchiveConfig::folder(archive_dir.path().to_owned());
        let no_secret = |_: &std::path::Path| Err::<String, _>("a folder has no secret");
        let archive = Archive::open(&config, &ORIGIN.parse()?, no_secret)?;
        let state = |tokens, archive| {
            let (progress, search) = (progress.clone(), search.clone());
            let (sources, clock) = ((reader.clone(), archive), Clock::system());
            router(AppState::new(database.clone(), progress, search, sources, clock, tokens))
        };
        let routes = state(DevelopmentTokens::Accepted, Some(archive.clone()))?;
        let production = state(DevelopmentTokens::Refused, Some(archive.clone()))?;
        let unsealed = state(DevelopmentTokens::Accepted, None)?;
        let mut world = Self {
            stack,
            log,
            database,
            progress,
            search_dir,
            archive_dir,
            archive,
            tree: Tree::empty(),
            router: routes,
            production,
            unsealed,
            worker: None,
            listener,
        };
        world.start_worker().await?;
        Ok(world)
    }

    pub async fn start_worker(&mut self) -> anyhow::Result<()> {
        let identity = self.log.reader().identity().clone();
        let connection = self.stack.connect_service(identities::PROJECTIONS).await?;
        let (stopping, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let (tables, log) = (every_slice(&self.database), Reader::new(&connection, identity));
        tasks.spawn(follow(tables, log.clone(), || (), stopping.clone()));
        let (folder, stop) = (self.search_dir.path().to_owned(), stopping.clone());
        tasks.spawn(async move { search::keep(&folder, log, || (), stop).await });
        self.worker = Some((stopping, tasks));
        Ok(())
    }

    pub async fn stop_worker(&mut self) -> anyhow::Result<()> {
        let (stopping, mut tasks) = self.worker.take().context("no worker runs")?;
        stopping.cancel();
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop_worker().await?;
        self.listener.shutdown().await;
        self.stack.stop().await;
        Ok(())
    }

    pub fn identity(&self) -> LogIdentity {
        self.log.reader().identity().clone()
    }

    /// Takes what the log holds into the archive and signs it, as a sealer does.
    pub async fn seal(&mut self) -> anyhow::Result<CheckpointNote> {
        let (since, mut tiles) = (self.tree.size(), Vec::new());
        let last = self.log.reader().last_sequence().await?;
        while self.tree.size() < last {
            for message in self.log.reader().stored_after(self.tree.size(), 256).await? {
                let hash = CommitHash::of(&message.payload);
                tiles.extend(self.tree.push(message.sequence, &hash)?);
            }
        }
        tiles.extend(self.tree.edge_tiles(since));
        for tile in tiles {
            self.archive.put_once(&ObjectName::of_tile(&tile.path)?, tile.bytes.into()).await?;
        }
        let checkpoint = Checkpoint::new(ORIGIN.parse()?, &self.tree.head());
        let note = checkpoint.seal(&log_key(), 1_800_000_000)?;
        let bytes = Bytes::from(note.to_string());
        self.archive.put_once(&ObjectName::Note { size: last }, bytes.clone()).await?;
        self.archive.replace_checkpoint(bytes).await?;
        Ok(note)
    }

    /// How long the oldest message has waited for its seal, an hour from now.
    pub async fn waiting_in_an_hour(&self) -> anyhow::Result<Duration> {
        let clock = TestClock::at(Clock::system().now().plus_seconds(3_600)).clock();
        merge_delay::waiting(self.log.reader(), &self.archive, &clock).await
    }

    /// A file of the archive, for whoever damages it.
    pub fn archived(&self, name: &str) -> PathBuf {
        self.archive_dir.path().join(ORIGIN).join(name)
    }

    /// What a verifier trusts.
    pub fn policy(&self) -> LogPolicy {
        LogPolicy {
            origin: self.identity().origin,
            keys: vec![log_key().public().into()],
            writers: self.identity().writers,
            witnesses: Vec::new(),
            witness_quorum: 0,
            max_merge_delay_seconds: 60,
            gaps: Vec::new(),
        }
    }

    pub fn served(&self) -> u64 {
        self.progress.served().sequence
    }

    async fn append<A, C>(
        &self,
        tenant: &str,
        id: &str,
        by: &str,
        command: C,
    ) -> anyhow::Result<Receipt>
    where
        A: Aggregate<Command = Issued<C>, Services = ()> + 'static,
        A::Error: Send + Sync + 'static,
        C: Clone + Send + std::fmt::Debug,
    {
        let key = format!("{tenant}/{id}/{command:?}");
        let target = Target { tenant: tenant.to_owned(), id: id.to_owned() };
        let mut request = request("test", &key);
        request.actor.id = person(by);
        Ok(self.log.execute::<A, C>(&target, command, &request).await?.receipt())
    }

    /// A person with a token.
    pub async fn admit(&self, tenant: &str, name: &str, roles: &[Role]) -> anyhow::Result<String> {
        let secret = Sha256Digest::of(name.as_bytes());
        let token = Token::generate(tenant, person(name), secret.as_bytes());
        let created = PrincipalCommand::Create(PrincipalCreated {
            kind: PrincipalKind::Person,
            name: name.into(),
            roles: roles.to_vec(),
        });
        let issued = PrincipalCommand::IssueToken(IssuedToken {
            token_sha256: token.sha256(),
            expires_at: Clock::system().now().plus_seconds(3600),
        });
        let id = person(name).to_string();
        self.append::<Principal, _>(tenant, &id, "operator", created).await?;
        let receipt = self.append::<Principal, _>(tenant, &id, "operator", issued).await?;
        // Who asks is checked before how new the answer must be, so that strangers cannot wait.
        self.progress.reached(receipt.sequence, PATIENCE).await?;
        Ok(token.expose().to_owned())
    }

    /// A drafted change of tenant `acme`; its receipt.
    pub async fn draft(&self, name: &str) -> anyhow::Result<Receipt> {
        let sql = self.log.put_blob("acme", SQL.into(), "application/sql").await?;
        let draft = ChangeCommand::Draft(Draft {
            data_source: DataSourceId::derived("data_source", &["acme", "orders"]),
            environment: "production".to_owned(),
            title: name.into(),
            reason: None,
            sql,
            steps: vec![Step {
                ordinal: 1,
                sha256: Sha256Digest::of(SQL.as_bytes()),
                transactional: true,
            }],
            start: Start::OnRelease,
            submit: false,
        });
        self.append::<Change, _>("acme", &change(name).to_string(), "ada", draft).await
    }

    pub async fn submit(&self, name: &str) -> anyhow::Result<Receipt> {
        let id = change(name).to_string();
        self.append::<Change, _>("acme", &id, "ada", ChangeCommand::Submit).await
    }

    /// Serves over TCP; what every URL begins with.
    pub async fn serve(&mut self) -> anyhow::Result<String> {
        let anywhere = ([127, 0, 0, 1], 0).into();
        let people = PlainListener::bind(anywhere, DevelopmentTokens::Accepted).await?;
        let base = format!("http://{}", people.address());
        self.listener.spawn(serve(self.router.clone(), people, CancellationToken::new()));
        Ok(base)
    }

    pub async fn get(
        &self,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Got> {
        let mut request = http::Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request, headers).await
    }

    /// As a service whose SVID the listener has checked.
    pub async fn get_as_service(
        &self,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Got> {
        let spiffe_id = identities::service(service)?.parse()?;
        let peer = Peer::Service { spiffe_id, address: ([127, 0, 0, 1], 1).into() };
        self.send(http::Request::get(path).extension(ConnectInfo(peer)), headers).await
    }

    async fn send(
        &self,
        mut request: http::request::Builder,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Got> {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty())?).await?;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await?;
        Ok(Got { status: parts.status, headers: parts.headers, body })
    }

    /// A read that must hold what a receipt says, however long the worker takes.
    pub async fn read(&self, path: &str, token: &str, since: &Receipt) -> anyhow::Result<Got> {
        let position = since.position().mark().to_string();
        let wait = [("cs-min-position", position.as_str()), ("prefer", "wait=20")];
        let got = self.get(path, Some(token), &wait).await?;
        ensure!(got.status == StatusCode::OK, "{path}: {:?}", got.problem());
        Ok(got)
    }
}

fn request(kind: &str, key: &str) -> Request {
    Request {
        command: CommandId::derived("command", &[SYSTEM_TENANT, kind, key]),
        kind: kind.to_owned(),
        digest: RequestDigest::of(key.as_bytes()),
        actor: Actor { kind: ActorKind::Person, id: person("operator"), auth: Auth::Token },
        at: Clock::system().now(),
        correlation_id: "test".to_owned(),
        causation_id: None,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        expected_version: None,
    }
}
