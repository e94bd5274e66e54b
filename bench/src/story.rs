//! One change's commits, from its draft to applied, as the platform records them; and what a log begins with.

use crate::history::{SLOTS, TENANTS, tenant};
use domain::agents::{AgentEvent, Enrolled};
use domain::approvals::{ApprovalEvent, Opened, Signed};
use domain::catalog::{DataSourceEvent, Registered};
use domain::changes::{ApprovalPending, ChangeEvent, Drafted};
use domain::identity::{
    PrincipalCreated, PrincipalEvent, PrincipalKind, Role, RootPublished, TenantCreated,
    TenantEvent, Token, TrustRootEvent,
};
use domain::ids::{
    AgentId, ApprovalId, ChangeId, DataSourceId, JobId, LogId, PrincipalId, TenantId, TrustRootId,
};
use domain::jobs::{Dispatched, Finished, JobEvent, Mode};
use domain::ledger::LogEvent;
use domain::registry;
use domain::vocabulary::{Outcome, PolicyRef, Requirement, RootRef, Stage, Start, Step};
use ledger::BlobRef;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trust::encoding::{Sha256Digest, Timestamp, to_base64};

/// Different SQL files of a tenant.
const FILES: usize = 50;
const VERBS: [&str; 6] = ["add", "drop", "rename", "index", "partition", "backfill"];
const TABLES: [&str; 10] = [
    "orders",
    "customers",
    "invoices",
    "payments",
    "sessions",
    "shipments",
    "products",
    "ledgers",
    "tickets",
    "devices",
];
const COLUMNS: [&str; 8] =
    ["status", "currency", "owner", "region", "amount", "expires_at", "note", "checksum"];
const BEFORE: &str = "pgfp1:5f1a4f16bed1a7e329676875cfc35ba541e3ffb5cbe58cd480f495366ce0e71e";
const AFTER: &str = "pgfp1:79ae2d3ba65b307bf9c0ee2d4ac4cd570a9409ec47c655bc2e9a355398b1bebd";

/// The events of one commit, and whose they are.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose.
    pub tenant: String,
    /// The aggregate's type.
    pub kind: &'static str,
    /// The aggregate.
    pub id: String,
    /// Types and data.
    pub events: Vec<(String, Value)>,
    /// The slot that keeps the aggregate's head.
    pub slot: usize,
    /// Nothing follows for this aggregate.
    pub is_last: bool,
}

impl Entry {
    /// Events of one aggregate.
    pub fn of<E: Serialize>(
        (tenant, kind, id): (&str, &'static str, String),
        events: &[E],
    ) -> anyhow::Result<Self> {
        let events = events.iter().map(registry::recorded).collect::<Result<_, _>>()?;
        Ok(Self { tenant: tenant.to_owned(), kind, id, events, slot: 0, is_last: false })
    }

    fn last(self) -> Self {
        Self { is_last: true, ..self }
    }

    fn in_slot(self, slot: usize) -> Self {
        Self { slot, ..self }
    }
}

/// The SQL of the `n`-th draft of a tenant.
pub fn sql(tenant: &str, n: usize) -> String {
    let n = n % FILES;
    let (table, column) = (word(&TABLES, n), word(&COLUMNS, n / 3));
    format!(
        "-- {tenant}, file {n}\nALTER TABLE public.{table} ADD COLUMN {column}_{n} text;\n\
         CREATE INDEX {table}_{column}_{n} ON public.{table} ({column}_{n});\n"
    )
}

/// Every SQL file that a draft names, with its tenant.
pub fn files() -> impl Iterator<Item = (String, Vec<u8>)> {
    let tenants = (0..TENANTS).map(tenant);
    tenants
        .flat_map(|tenant| (0..FILES).map(move |n| (tenant.clone(), sql(&tenant, n).into_bytes())))
}

fn word(words: &'static [&'static str], n: usize) -> &'static str {
    words.get(n % words.len()).copied().unwrap_or_default()
}

fn person(name: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[name])
}

fn blob(text: &str) -> BlobRef {
    BlobRef::of(text.as_bytes(), "application/octet-stream")
}

fn time() -> anyhow::Result<Timestamp> {
    Ok("2026-12-31T00:00:00.000000Z".parse()?)
}

fn root() -> RootRef {
    RootRef { version: 1, sha256: Sha256Digest::of(b"root") }
}

fn policy() -> PolicyRef {
    PolicyRef { name: "builtin/quorum".to_owned(), version: 1, sha256: Sha256Digest::of(b"policy") }
}

fn data_source(slot: usize) -> DataSourceId {
    DataSourceId::derived("data_source", &[&tenant(slot), &format!("source-{slot}")])
}

/// A data source as registered.
pub fn registered(name: String) -> Registered {
    Registered {
        name,
        engine: "postgresql".to_owned(),
        environment: "production".to_owned(),
        agent: AgentId::derived("agent", &["edge"]),
        agent_name: "edge".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "platform".to_owned())]),
    }
}

/// What a log begins with: tenants with their people, roots, agents and data sources.
pub fn opening(origin: &str, shard: &str) -> anyhow::Result<Vec<Entry>> {
    let id = LogId::derived("log", &[origin]).to_string();
    let (nonce, shard) = ("0".repeat(64), shard.to_owned());
    let opened = domain::ledger::Opened { nonce, spec: 1, shard: shard.clone(), predecessor: None };
    let mut entries = vec![Entry::of(("system", "log", id), &[LogEvent::Opened(opened)])?.last()];
    for slug in (0..TENANTS).map(tenant) {
        let id = TenantId::derived("tenant", &[&slug]).to_string();
        let (name, shard) = (slug.clone(), shard.clone());
        let created = TenantEvent::Created(TenantCreated { slug: slug.clone(), name, shard });
        entries.push(Entry::of((&slug, "tenant", id), &[created])?.last());
        for name in ["ada", "bob", "cyd"] {
            entries.extend(principal(&slug, name)?);
        }
        let id = TrustRootId::derived("trust_root", &[&slug]).to_string();
        let RootRef { version, sha256 } = root();
        let published = RootPublished { version, sha256, envelope: blob("root") };
        let published = TrustRootEvent::Published(published);
        entries.push(Entry::of((&slug, "trust_root", id), &[published])?.last());
        let id = AgentId::derived("agent", &[&slug, "edge"]).to_string();
        let spiffe_id = format!("spiffe://bench.test/tenant/{slug}/agent/edge");
        let enrolled = AgentEvent::Enrolled(Enrolled { name: "edge".to_owned(), spiffe_id });
        entries.push(Entry::of((&slug, "agent", id), &[enrolled])?.last());
    }
    for slot in 0..SLOTS {
        let created = DataSourceEvent::Created(registered(format!("source-{slot}")));
        let whose = (tenant(slot), "data_source", data_source(slot).to_string());
        let entry = Entry::of((&whose.0, whose.1, whose.2), &[created])?;
        entries.push(entry.in_slot(slot));
    }
    Ok(entries)
}

fn principal(tenant: &str, name: &str) -> anyhow::Result<[Entry; 2]> {
    let id = person(name).to_string();
    let roles = vec![Role::Author, Role::Approver];
    let created = PrincipalCreated { kind: PrincipalKind::Person, name: name.into(), roles };
    let token_sha256 = Sha256Digest::of(format!("{tenant} {name}").as_bytes());
    let token = Token { token_sha256, expires_at: time()? };
    let whose = |id| (tenant, "principal", id);
    Ok([
        Entry::of(whose(id.clone()), &[PrincipalEvent::Created(created)])?,
        Entry::of(whose(id), &[PrincipalEvent::TokenIssued(token)])?.last(),
    ])
}

/// What a story is about.
struct Names {
    tenant: String,
    change: ChangeId,
    approval: ApprovalId,
    introspection: JobId,
    migration: JobId,
    data_source: DataSourceId,
    n: usize,
    fence: u64,
}

/// The commits of the `n`-th change of a slot.
pub fn story(slot: usize, n: usize) -> anyhow::Result<Vec<Entry>> {
    let parts = [slot.to_string(), n.to_string()];
    let [one, two] = &parts;
    let names = Names {
        tenant: tenant(slot),
        change: ChangeId::derived("change", &[one, two]),
        approval: ApprovalId::derived("approval", &[one, two]),
        introspection: JobId::derived("job", &["introspect", one, two]),
        migration: JobId::derived("job", &["migrate", one, two]),
        data_source: data_source(slot),
        n: slot / TENANTS + n * (SLOTS / TENANTS),
        fence: u64::try_from(n)? + 1,
    };
    let tenant = names.tenant.as_str();
    let change = || (tenant, "change", names.change.to_string());
    let approval = || (tenant, "approval", names.approval.to_string());
    let source = || (tenant, "data_source", names.data_source.to_string());
    let job = |job: JobId| (tenant, "job", job.to_string());
    let (approved, start) = (names.approval, Start::OnApproval);
    let granted = DataSourceEvent::LockGranted { change: names.change, fence: names.fence };
    let fence = Some(names.fence);
    let released = DataSourceEvent::LockReleased { change: names.change, fence };
    let dispatched = ChangeEvent::Dispatched { job: names.migration, fence: names.fence };
    let (introspection, migration) = (names.introspection, names.migration);
    Ok(vec![
        Entry::of(change(), &[names.drafted(), ChangeEvent::Requested { revision: 1 }])?,
        Entry::of(job(introspection), &[names.dispatched(Mode::Introspect)?])?,
        Entry::of(job(introspection), &[names.finished(Mode::Introspect)?])?.last(),
        Entry::of(change(), &[names.pending()])?,
        Entry::of(approval(), &[names.opened()?])?,
        Entry::of(approval(), &[names.signed("bob")])?,
        Entry::of(approval(), &[names.signed("cyd"), ApprovalEvent::Granted {}])?.last(),
        Entry::of(
            change(),
            &[ChangeEvent::Approved { approval: approved }, ChangeEvent::Scheduled { start }],
        )?,
        Entry::of(source(), &[granted])?,
        Entry::of(change(), &[dispatched])?,
        Entry::of(job(migration), &[names.dispatched(Mode::Migrate)?])?,
        Entry::of(job(migration), &[names.finished(Mode::Migrate)?])?.last(),
        Entry::of(change(), &names.ended())?.last(),
        Entry::of(source(), &[released])?,
    ])
}

impl Names {
    fn drafted(&self) -> ChangeEvent {
        let n = self.n;
        let (verb, table, column) = (word(&VERBS, n), word(&TABLES, n / 7), word(&COLUMNS, n / 11));
        let sql = sql(&self.tenant, n);
        let sha256 = Sha256Digest::of(sql.as_bytes());
        ChangeEvent::Drafted(Drafted {
            data_source: self.data_source,
            environment: "production".to_owned(),
            title: format!("{verb} {column} on {table}").as_str().into(),
            reason: Some(
                format!("ticket ops-{n} asks for {column} before the release").as_str().into(),
            ),
            sql: BlobRef::of(sql.as_bytes(), "application/sql"),
            steps: vec![Step { ordinal: 1, sha256, transactional: true }],
            start: Start::OnApproval,
            author: person("ada"),
        })
    }

    fn pending(&self) -> ChangeEvent {
        ChangeEvent::PendingApproval(ApprovalPending {
            revision: 1,
            approval: self.approval,
            manifest: blob("manifest"),
            change_sha256: Sha256Digest::of(self.change.to_string().as_bytes()),
            fingerprint: BEFORE.to_owned(),
            root: root(),
            policy: policy(),
            job: self.introspection,
        })
    }

    fn opened(&self) -> anyhow::Result<ApprovalEvent> {
        let role = "approver".to_owned();
        let requirements = vec![Requirement { role, count: 2 }];
        Ok(ApprovalEvent::Opened(Opened {
            change: self.change,
            revision: 1,
            data_source: self.data_source,
            environment: "production".to_owned(),
            author: person("ada"),
            manifest: blob("manifest"),
            change_sha256: Sha256Digest::of(self.change.to_string().as_bytes()),
            root: root(),
            policy: policy(),
            stages: vec![Stage { name: "people".to_owned(), quorum: 2, requirements }],
            start: Start::OnApproval,
            deadline: time()?,
        }))
    }

    fn signed(&self, who: &str) -> ApprovalEvent {
        let keyid = Sha256Digest::of(who.as_bytes()).to_string();
        let sig = to_base64(self.change.to_string().repeat(3).as_bytes());
        let signature = json!({"keyid": keyid, "sig": sig, "x5c": null, "webauthn": null});
        let roles = vec!["approver".to_owned()];
        ApprovalEvent::Signed(Signed { person: person(who), roles, signature })
    }

    fn dispatched(&self, mode: Mode) -> anyhow::Result<JobEvent> {
        let is_migration = mode == Mode::Migrate;
        let manifest = Sha256Digest::of(self.change.to_string().as_bytes());
        Ok(JobEvent::Dispatched(Dispatched {
            change: self.change,
            data_source: self.data_source,
            agent: AgentId::derived("agent", &["edge"]),
            agent_name: "edge".to_owned(),
            mode,
            attempt: 1,
            fence: if is_migration { self.fence } else { 0 },
            message: blob("message"),
            job_sha256: Sha256Digest::of(self.migration.to_string().as_bytes()),
            change_sha256: is_migration.then_some(manifest),
            not_after: time()?,
        }))
    }

    fn finished(&self, mode: Mode) -> anyhow::Result<JobEvent> {
        let at = time()?;
        let counted = vec![person("bob").to_string(), person("cyd").to_string()];
        Ok(JobEvent::ended(Finished {
            change: self.change,
            mode,
            attempt: 1,
            outcome: Outcome::Succeeded,
            refusal: None,
            sqlstate: None,
            fingerprint_before: Some(BEFORE.to_owned()),
            fingerprint_after: Some(AFTER.to_owned()),
            root: Some(root()),
            counted: if mode == Mode::Migrate { counted } else { Vec::new() },
            started_at: at,
            finished_at: at,
            received_at: at,
            result: blob("result"),
            document: None,
        }))
    }

    fn ended(&self) -> [ChangeEvent; 2] {
        let (job, outcome, result) = (self.migration, Outcome::Succeeded, blob("result"));
        let taken =
            ChangeEvent::ResultTaken { job, outcome, refusal: None, sqlstate: None, result };
        [taken, ChangeEvent::Applied { job, fingerprint: Some(AFTER.to_owned()) }]
    }
}
