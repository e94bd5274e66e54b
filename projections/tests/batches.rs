//! How commits are cut into batches changes nothing: rows, parked commits and positions are the same.

mod workbench;

use anyhow::Context as _;
use countersign_projections::{Database, every_slice};
use domain::agents::{AgentEvent, Enrolled};
use domain::approvals::{ApprovalEvent, Opened, Signed};
use domain::catalog::{DataSourceEvent, Registered};
use domain::changes::ChangeEvent;
use domain::identity::{
    PrincipalCreated, PrincipalEvent, PrincipalKind, Role, RootPublished, Token, TrustRootEvent,
};
use domain::ids::TrustRootId;
use domain::jobs::{Dispatched, Finished, JobEvent, Mode};
use domain::vocabulary::{Found, Outcome, Requirement, Stage, Start};
use event_log::Followed;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use trust::encoding::Sha256Digest;
use workbench::*;

/// Every table, with what says which row is which; what a clock wrote is left out.
const TABLES: [(&str, &str); 14] = [
    ("change_list", "*"),
    ("change_detail", "*"),
    ("approvals", "*"),
    ("approval_detail", "*"),
    ("data_sources", "*"),
    ("data_source_detail", "*"),
    ("jobs", "*"),
    ("agents", "*"),
    ("principals", "*"),
    ("principal_tokens", "*"),
    ("trust_roots", "*"),
    ("positions", "name, origin, sequence, hash"),
    ("parked", "tenant, aggregate_type, aggregate_id, sequence, reason"),
    ("condemned", "*"),
];
const TENANTS: [&str; 2] = ["acme", "globex"];
const KINDS: [&str; 7] =
    ["change", "approval", "data_source", "job", "principal", "trust_root", "agent"];

/// What one step of a log is made from: tenant, aggregate, what happens, how often.
type Step = (&'static str, &'static str, usize, u8, u8);

/// Most commits fit what came before, some do not, a few cannot be read.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (tenant, kind) = (prop::sample::select(&TENANTS[..]), prop::sample::select(&KINDS[..]));
    let step = (tenant, kind, 0..2_usize, 0..100_u8, 0..8_u8);
    prop::collection::vec(step, 60..160)
}

/// A log of these steps.
fn log(steps: &[Step]) -> anyhow::Result<Vec<Followed>> {
    let mut versions: BTreeMap<(&str, &str, usize), u64> = BTreeMap::new();
    let mut log = Vec::new();
    for (place, (tenant, kind, which, chance, what)) in steps.iter().copied().enumerate() {
        let sequence = u64::try_from(place)? + 1;
        if chance == 99 {
            log.push(condemned(sequence));
            continue;
        }
        let version = versions.entry((tenant, kind, which)).or_default();
        *version += 1;
        let aggregate = Aggregate { tenant, which, sequence, version: *version };
        // One in twenty does what does not come next.
        let what = if chance < 5 { what } else { next(*version, what) };
        log.push(match (kind, chance) {
            ("change", 98) => {
                let id = aggregate.id("change");
                unreadable_of(aggregate.tenant, sequence, ("change", &id), *version)?
            }
            ("change", _) => aggregate.change(what)?,
            ("approval", _) => aggregate.approval(what)?,
            ("data_source", _) => aggregate.data_source(what)?,
            ("job", _) => aggregate.job(what, chance)?,
            ("principal", _) => aggregate.principal(what)?,
            ("trust_root", _) => aggregate.trust_root(what)?,
            _ => aggregate.agent(what)?,
        });
    }
    Ok(log)
}

/// First what makes an aggregate, then something else.
fn next(version: u64, what: u8) -> u8 {
    if version == 1 { 0 } else { what.max(1) }
}

struct Aggregate {
    tenant: &'static str,
    which: usize,
    sequence: u64,
    version: u64,
}

impl Aggregate {
    fn id(&self, kind: &str) -> String {
        let parts = [self.tenant.to_owned(), self.which.to_string()];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match kind {
            "change" => domain::ids::ChangeId::derived(kind, &parts).to_string(),
            "approval" => domain::ids::ApprovalId::derived(kind, &parts).to_string(),
            "data_source" => domain::ids::DataSourceId::derived(kind, &parts).to_string(),
            "job" => domain::ids::JobId::derived(kind, &parts).to_string(),
            "principal" => domain::ids::PrincipalId::derived(kind, &parts).to_string(),
            "trust_root" => TrustRootId::derived(kind, &parts).to_string(),
            _ => domain::ids::AgentId::derived(kind, &parts).to_string(),
        }
    }

    fn commit<E>(&self, kind: &str, events: &[E]) -> anyhow::Result<Followed>
    where
        E: Clone + serde::Serialize + Into<domain::registry::Event>,
    {
        commit_of(self.tenant, self.sequence, (kind, &self.id(kind)), self.version, events)
    }

    fn change(&self, what: u8) -> anyhow::Result<Followed> {
        let events = match what {
            0 if self.sequence.is_multiple_of(7) => vec![drafted("a\0b")],
            0 => vec![drafted("a title"), requested()],
            1 => vec![requested(), pending("apr")],
            2 => vec![ChangeEvent::Scheduled { start: Start::OnApproval }],
            3 => vec![ChangeEvent::Dispatched { job: job("m"), fence: self.sequence }],
            4 => vec![ChangeEvent::OutcomeUnknown { job: job("m") }],
            5 => vec![ChangeEvent::Resolved {
                found: Found::Failed,
                reason: "nothing there".into(),
                by: person("ops"),
            }],
            6 => vec![ChangeEvent::Cancelled { by: person("ada") }],
            _ => vec![ChangeEvent::Approved { approval: approval("apr") }, requested()],
        };
        self.commit("change", &events)
    }

    fn approval(&self, what: u8) -> anyhow::Result<Followed> {
        let signed = |name: &str| {
            let roles = vec!["dba".to_owned(), name.to_owned()];
            let signature = serde_json::json!({});
            ApprovalEvent::Signed(Signed { person: person(name), roles, signature })
        };
        let rejected =
            ApprovalEvent::Rejected { person: person("eve"), statement: blob("no"), reason: None };
        let events = match what {
            0 => vec![opened()?],
            // A role that no column holds stays in the row.
            1 if self.sequence.is_multiple_of(11) => vec![signed("b\0b")],
            1 | 2 => vec![signed("bob")],
            3 | 4 => vec![signed("cyd"), ApprovalEvent::Granted {}],
            5 => vec![rejected],
            _ => vec![ApprovalEvent::Closed {}],
        };
        self.commit("approval", &events)
    }

    fn data_source(&self, what: u8) -> anyhow::Result<Followed> {
        let change = change(if what.is_multiple_of(2) { "a" } else { "b" });
        // No column holds such a number, and a later one may replace it.
        let fence = if what == 7 { u64::MAX } else { self.sequence };
        let events = match what {
            0 => vec![DataSourceEvent::Created(Registered {
                name: format!("source-{}", self.which),
                engine: "postgresql".to_owned(),
                environment: "production".to_owned(),
                agent: agent("edge-1"),
                agent_name: "edge-1".to_owned(),
                labels: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
            })],
            1 => vec![DataSourceEvent::LockQueued { change }],
            2 | 3 => vec![DataSourceEvent::LockReleased { change, fence: None }],
            _ => vec![DataSourceEvent::LockGranted { change, fence }],
        };
        self.commit("data_source", &events)
    }

    fn job(&self, what: u8, chance: u8) -> anyhow::Result<Followed> {
        let dispatched = JobEvent::Dispatched(Dispatched {
            change: change("a"),
            data_source: data_source("orders"),
            agent: agent("edge-1"),
            agent_name: "edge-1".to_owned(),
            mode: Mode::Migrate,
            attempt: 1,
            fence: self.sequence,
            message: blob("message"),
            job_sha256: Sha256Digest::of(b"job"),
            change_sha256: None,
            not_after: at(100)?,
        });
        // A text that no column holds, and that a later event may replace.
        let refusal = if chance > 90 { "x\0y" } else { "busy" };
        let finished = JobEvent::ended(Finished {
            change: change("a"),
            mode: Mode::Migrate,
            attempt: 1,
            outcome: if what > 3 { Outcome::FailedClean } else { Outcome::Succeeded },
            refusal: Some(refusal.to_owned()),
            sqlstate: (what > 3).then(|| "42P07".to_owned()),
            fingerprint_before: None,
            fingerprint_after: None,
            root: Some(root()),
            counted: (0..what % 4).map(|n| person(&n.to_string()).to_string()).collect(),
            started_at: at(self.sequence)?,
            finished_at: at(self.sequence + 1)?,
            received_at: at(2)?,
            result: blob("result"),
            document: None,
        });
        self.commit("job", &[if what == 0 { dispatched } else { finished }])
    }

    fn principal(&self, what: u8) -> anyhow::Result<Followed> {
        let digest = |n: u8| Sha256Digest::of(&[n]);
        let issued = |n| {
            let expires_at = at(self.sequence + 50)?;
            anyhow::Ok(PrincipalEvent::TokenIssued(Token { token_sha256: digest(n), expires_at }))
        };
        let revoked = |n| PrincipalEvent::TokenRevoked { token_sha256: digest(n) };
        let events = match what {
            0 => vec![PrincipalEvent::Created(PrincipalCreated {
                kind: PrincipalKind::Person,
                name: "Ada".into(),
                roles: if self.which == 0 { vec![] } else { vec![Role::Author, Role::Auditor] },
            })],
            1 | 2 => vec![issued(u8::try_from(self.version % 200)?)?],
            3 => vec![issued(201)?, revoked(201)],
            4 => vec![issued(202)?, revoked(202), issued(202)?, revoked(202)],
            5 => vec![revoked(u8::try_from((self.version - 1) % 200)?)],
            _ => vec![issued(203)?, revoked(203), issued(204)?, revoked(204)],
        };
        self.commit("principal", &events)
    }

    fn trust_root(&self, what: u8) -> anyhow::Result<Followed> {
        let version = if what == 7 { 1 } else { 10 * self.version + self.which as u64 };
        let published = TrustRootEvent::Published(RootPublished {
            version,
            sha256: Sha256Digest::of(&version.to_be_bytes()),
            envelope: blob("signed"),
        });
        self.commit("trust_root", &[published])
    }

    fn agent(&self, what: u8) -> anyhow::Result<Followed> {
        let name = if what == 7 { "edge\0" } else { "edge" };
        let spiffe_id = format!("spiffe://dev.countersign.test/{}", self.which);
        self.commit("agent", &[AgentEvent::Enrolled(Enrolled { name: name.to_owned(), spiffe_id })])
    }
}

fn opened() -> anyhow::Result<ApprovalEvent> {
    let requirements = vec![Requirement { role: "dba".to_owned(), count: 1 }];
    Ok(ApprovalEvent::Opened(Opened {
        change: change("a"),
        revision: 1,
        data_source: data_source("orders"),
        environment: "production".to_owned(),
        author: person("ada"),
        manifest: blob("manifest"),
        change_sha256: Sha256Digest::of(b"manifest"),
        root: root(),
        policy: policy(),
        stages: vec![Stage { name: "countersign".to_owned(), quorum: 2, requirements }],
        start: Start::OnApproval,
        deadline: at(900)?,
    }))
}

async fn write(database: &Database, log: &[Followed], batch: usize) -> anyhow::Result<u64> {
    let mut writer = every_slice(database).writer(&origin()?).await?;
    let mut parked = 0;
    for batch in log.chunks(batch) {
        parked += writer.write(batch).await?.parked;
    }
    writer.release().await?;
    Ok(parked)
}

/// Everything in the tables.
async fn dump(pool: &PgPool) -> anyhow::Result<BTreeMap<&'static str, Vec<String>>> {
    let mut dumped = BTreeMap::new();
    for (table, columns) in TABLES {
        let all = format!("SELECT t::text FROM (SELECT {columns} FROM {table}) t ORDER BY 1");
        dumped.insert(table, sqlx::query_scalar(&all).fetch_all(pool).await.context(table)?);
    }
    Ok(dumped)
}

async fn same_in_every_batch(log: &[Followed], case: usize) -> anyhow::Result<u64> {
    let mut expected = None;
    let mut parked = 0;
    for batch in [1, 7, 500] {
        let name = format!("batches_{case}_{batch}");
        let url = postgres().await?.create_database(&name).await?;
        let (database, pool) = (Database::from_url(&url)?, PgPool::connect(&url).await?);
        database.migrate().await?;
        parked = write(&database, log, batch).await?;
        let seen = dump(&pool).await?;
        for (table, rows) in expected.get_or_insert_with(|| seen.clone()) {
            let seen = seen.get(table).context("a table")?;
            anyhow::ensure!(seen == rows, "{table}, {batch} at a time: {seen:#?}\nnot {rows:#?}");
        }
        // A slice that starts over beside others that do not.
        let over = [
            "DELETE FROM positions WHERE name IN ('change_detail', 'jobs', 'principals')",
            "TRUNCATE change_detail, jobs, principals, principal_tokens",
        ];
        for statement in over {
            sqlx::query(statement).execute(&pool).await?;
        }
        write(&database, log, batch).await?;
        anyhow::ensure!(dump(&pool).await? == seen, "a slice that starts over, {batch} at a time");
        pool.close().await;
    }
    Ok(parked)
}

#[test]
fn the_same_log_in_other_batches_gives_the_same_tables() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (cases, parked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let config =
        Config { cases: 6, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let case = cases.fetch_add(1, Ordering::Relaxed);
            let log = log(&steps).unwrap();
            let same = runtime.block_on(same_in_every_batch(&log, case));
            let count = same.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
            parked.fetch_add(usize::try_from(count).unwrap(), Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    assert!(parked.into_inner() > 0, "nothing was set aside: the log is too good");
}
