//! The peer: cqrs-es' own framework over postgres-es, with the same aggregate, the same commands and as much in a row as
//! we have in a message.

use crate::callers::{Run, Work, call};
use crate::locks::{self, DataSources, ROUNDS};
use crate::servers::{actor, writer};
use crate::story::registered;
use cqrs_es::CqrsFramework;
use cqrs_es::persist::PersistedEventStore;
use domain::Issued;
use domain::catalog::{DataSource, DataSourceCommand};
use domain::ids::event_id;
use event_log::Request;
use ledger::CommitHash;
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;

/// As many as the most callers; its own default is 10 (`default_postgress_pool`), which was not measured.
pub const CONNECTIONS: u32 = 64;

/// As its own `db/init.sql` makes it.
const EVENTS: &str = "CREATE TABLE IF NOT EXISTS events (aggregate_type text NOT NULL, \
    aggregate_id text NOT NULL, sequence bigint CHECK (sequence >= 0) NOT NULL, \
    event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, \
    metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))";

/// `CqrsFramework` over one pool.
pub struct PostgresEs {
    pool: PgPool,
}

impl PostgresEs {
    /// With this `synchronous_commit`.
    pub async fn connect(url: &str, synchronous_commit: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let options = options.options([("synchronous_commit", synchronous_commit)]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        sqlx::query(EVENTS).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// One run.
    pub async fn run(&self, set: &str, callers: usize, commands: usize) -> anyhow::Result<Run> {
        let sources = DataSources::of(&format!("pg-{set}"), callers, commands);
        let repository = PostgresEventRepository::new(self.pool.clone());
        let store = PersistedEventStore::new_event_store(repository);
        let each = sources.per_caller;
        let work = Arc::new(Commands { cqrs: CqrsFramework::new(store, Vec::new(), ()), sources });
        call(&Arc::new(Registers(Arc::clone(&work))), callers, each).await?;
        call(&Arc::new(WarmUp(Arc::clone(&work))), callers, each).await?;
        call(&work, callers, ROUNDS * each).await
    }

    /// Bytes of payload and metadata of an event, as text, on average.
    pub async fn event_bytes(&self) -> anyhow::Result<u64> {
        let size = "SELECT coalesce(avg(length(payload::text) + length(metadata::text)), 0)::bigint \
                    FROM (SELECT * FROM events WHERE sequence > 1 LIMIT 1000) AS sample";
        let bytes: i64 = sqlx::query_scalar(size).fetch_one(&self.pool).await?;
        Ok(u64::try_from(bytes)?)
    }

    /// What the server says of a setting in these sessions.
    pub async fn setting(&self, name: &str) -> anyhow::Result<String> {
        let show = "SELECT current_setting($1)";
        Ok(sqlx::query_scalar(show).bind(name).fetch_one(&self.pool).await?)
    }
}

struct Commands {
    cqrs: CqrsFramework<DataSource, PersistedEventStore<PostgresEventRepository, DataSource>>,
    sources: DataSources,
}

impl Commands {
    async fn execute(
        &self,
        place: usize,
        request: Request,
        command: DataSourceCommand,
    ) -> anyhow::Result<()> {
        let target = self.sources.target(place)?;
        let id = format!("{}/{}", target.tenant, target.id);
        let metadata = metadata(&id, &request)?;
        let issued = Issued { id: request.command, by: actor(), at: request.at, command };
        Ok(self.cqrs.execute_with_metadata(&id, issued, metadata).await?)
    }
}

/// What our commit says beside the event: who, when, why, after what.
fn metadata(id: &str, request: &Request) -> anyhow::Result<HashMap<String, String>> {
    let event = event_id("acme", "data_source", id, 1, 0).to_string();
    Ok(HashMap::from([
        ("request".to_owned(), serde_json::to_string(request)?),
        ("event".to_owned(), event),
        ("prev".to_owned(), CommitHash::ZERO.to_string()),
        ("writer".to_owned(), writer_id()),
    ]))
}

fn writer_id() -> String {
    use std::sync::OnceLock;
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| writer().id().to_string()).clone()
}

impl Work for Commands {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let (place, round) = self.sources.place(caller, index);
        // The first round was the one before the time was taken.
        let request = locks::request(&self.sources.set, place, round + 1);
        self.execute(place, request, locks::command(round + 1)).await
    }
}

/// Every data source is registered.
struct Registers(Arc<Commands>);

impl Work for Registers {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let Commands { sources, .. } = &*self.0;
        let (place, _) = sources.place(caller, index);
        let created = registered(locks::name(&sources.set, place));
        let request = locks::request(&sources.set, place, usize::MAX);
        self.0.execute(place, request, DataSourceCommand::Register(created)).await
    }
}

/// Every data source has had a command.
struct WarmUp(Arc<Commands>);

impl Work for WarmUp {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let (place, _) = self.0.sources.place(caller, index);
        let request = locks::request(&self.0.sources.set, place, 0);
        self.0.execute(place, request, locks::command(0)).await
    }
}
