//! What the tests start from: a real `PostgreSQL`, a database per test, and commits made by hand.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::allow_attributes, reason = "an expectation would fail in the others")]

use anyhow::Context as _;
use countersign_projections::{Database, Writer, every_slice};
use devkit::folder::Temporary;
use devkit::postgres::Postgres;
use domain::changes::{ApprovalPending, ChangeEvent, Drafted};
use domain::ids::{AgentId, ApprovalId, ChangeId, DataSourceId, JobId, PrincipalId};
use domain::registry::{self, Event, UnreadableEvent};
use domain::vocabulary::{PolicyRef, RootRef, Start, Step};
use event_log::{Followed, Recorded, RecordedEvent};
use ledger::{
    Actor, ActorKind, Auth, BlobRef, CommandRef, CommitHash, Condemned, Origin, Reason,
    RequestDigest,
};
use serde::Serialize;
use tokio::sync::OnceCell;
use trust::encoding::{Sha256Digest, Timestamp};

pub const ORIGIN: &str = "main.log.test";
pub const FINGERPRINT: &str = "pgfp1:aa";

struct Server {
    postgres: Postgres,
    _folder: Temporary,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// One server for all tests of a binary; it ends with the process.
pub async fn postgres() -> anyhow::Result<&'static Postgres> {
    let start = || async {
        let servers = devkit::preflight::setup(|_| {}).await?;
        let folder = Temporary::make()?;
        let data = folder.path().join("postgres");
        let postgres = Postgres::start(&servers.postgres, &data, true).await?;
        anyhow::Ok(Server { postgres, _folder: folder })
    };
    Ok(&SERVER.get_or_try_init(start).await?.postgres)
}

/// A migrated database of this test.
pub async fn database(name: &str) -> anyhow::Result<Database> {
    let database = Database::from_url(&postgres().await?.create_database(name).await?)?;
    database.migrate().await?;
    Ok(database)
}

/// The writer of every slice.
pub async fn writer(database: &Database) -> anyhow::Result<Writer> {
    Ok(every_slice(database).writer(&origin()?).await?)
}

pub fn origin() -> anyhow::Result<Origin> {
    ORIGIN.parse().context("the origin")
}

pub fn at(second: u64) -> anyhow::Result<Timestamp> {
    let start: Timestamp = "2026-11-20T07:00:00.000000Z".parse()?;
    Ok(start.plus_seconds(i64::try_from(second)?))
}

pub fn hash(sequence: u64) -> CommitHash {
    CommitHash::of(&sequence.to_be_bytes())
}

pub fn change(name: &str) -> ChangeId {
    ChangeId::derived("change", &[name])
}

pub fn person(name: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[name])
}

pub fn data_source(name: &str) -> DataSourceId {
    DataSourceId::derived("data_source", &["acme", name])
}

pub fn agent(name: &str) -> AgentId {
    AgentId::derived("agent", &["acme", name])
}

pub fn approval(name: &str) -> ApprovalId {
    ApprovalId::derived("approval", &[name])
}

pub fn job(name: &str) -> JobId {
    JobId::derived("job", &[name])
}

pub fn blob(text: &str) -> BlobRef {
    BlobRef::of(text.as_bytes(), "application/octet-stream")
}

pub fn root() -> RootRef {
    RootRef { version: 1, sha256: Sha256Digest::of(b"root") }
}

pub fn policy() -> PolicyRef {
    PolicyRef { name: "builtin/quorum".to_owned(), version: 1, sha256: Sha256Digest::of(b"p") }
}

/// A commit of one aggregate of tenant `acme`; its hash and time follow from the sequence.
pub fn commit<E: Clone + Serialize + Into<Event>>(
    sequence: u64,
    aggregate: (&str, &str),
    version: u64,
    events: &[E],
) -> anyhow::Result<Followed> {
    commit_of("acme", sequence, aggregate, version, events)
}

pub fn commit_of<E: Clone + Serialize + Into<Event>>(
    tenant: &str,
    sequence: u64,
    aggregate: (&str, &str),
    version: u64,
    events: &[E],
) -> anyhow::Result<Followed> {
    let events = events.iter().enumerate().map(|(index, event)| RecordedEvent {
        id: format!("evt_{sequence}_{index}"),
        index,
        kind: registry::event_type(event),
        event: event.clone().into(),
    });
    recorded(tenant, sequence, aggregate, version, Ok(events.collect()))
}

/// A good commit whose events this version cannot read.
pub fn unreadable(
    sequence: u64,
    aggregate: (&str, &str),
    version: u64,
) -> anyhow::Result<Followed> {
    unreadable_of("acme", sequence, aggregate, version)
}

pub fn unreadable_of(
    tenant: &str,
    sequence: u64,
    aggregate: (&str, &str),
    version: u64,
) -> anyhow::Result<Followed> {
    let error = UnreadableEvent::Unknown {
        aggregate_type: aggregate.0.to_owned(),
        event_type: "schema.foreseen".to_owned(),
        schema: 7,
    };
    recorded(tenant, sequence, aggregate, version, Err(error))
}

fn recorded(
    tenant: &str,
    sequence: u64,
    (aggregate_type, aggregate_id): (&str, &str),
    version: u64,
    events: Result<Vec<RecordedEvent>, UnreadableEvent>,
) -> anyhow::Result<Followed> {
    let actor = Actor {
        kind: ActorKind::Person,
        id: person("ada").to_string().parse()?,
        auth: Auth::Token,
    };
    let command = CommandRef {
        id: domain::ids::CommandId::derived("c", &[&sequence.to_string()]).to_string().parse()?,
        kind: "test_command".parse()?,
        digest: RequestDigest::of(b""),
    };
    Ok(Followed::Commit(Box::new(Recorded {
        origin: origin()?,
        sequence,
        hash: hash(sequence),
        tenant: tenant.to_owned(),
        aggregate_type: aggregate_type.to_owned(),
        aggregate_id: aggregate_id.to_owned(),
        version,
        actor,
        command,
        correlation_id: "test".to_owned(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        time: at(sequence)?,
        events,
    })))
}

pub fn condemned(sequence: u64) -> Followed {
    Followed::Condemned(Condemned {
        sequence,
        subject: "cs.log.main.acme.change.x".to_owned(),
        hash: hash(sequence),
        reason: Reason::SignatureWrong,
    })
}

pub fn drafted(title: &str) -> ChangeEvent {
    ChangeEvent::Drafted(Drafted {
        data_source: data_source("orders"),
        environment: "production".to_owned(),
        title: title.into(),
        reason: Some("because".into()),
        sql: blob("create table t ();"),
        steps: vec![Step {
            ordinal: 1,
            sha256: Sha256Digest::of(b"create table t ();"),
            transactional: true,
        }],
        start: Start::OnRelease,
        author: person("ada"),
    })
}

pub fn requested() -> ChangeEvent {
    ChangeEvent::Requested { revision: 1 }
}

pub fn pending(approval_name: &str) -> ChangeEvent {
    ChangeEvent::PendingApproval(ApprovalPending {
        revision: 1,
        approval: approval(approval_name),
        manifest: blob("manifest"),
        change_sha256: Sha256Digest::of(b"manifest"),
        fingerprint: FINGERPRINT.to_owned(),
        root: root(),
        policy: policy(),
        job: job("introspect"),
    })
}

/// A change drafted and submitted in one commit.
pub fn submitted(sequence: u64, name: &str) -> anyhow::Result<Followed> {
    commit(sequence, ("change", &change(name).to_string()), 1, &[drafted(name), requested()])
}
