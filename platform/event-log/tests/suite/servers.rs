//! One nats-server or three, with an open log, and what followers make of it.

use crate::world::{TENANT, identity, request, writer};
use countersign_event_log as event_log;
use devkit::identities::{COMMAND_API, WORKFLOWS};
use devkit::nats_server::NatsServer;
use devkit::{Cluster, Options, Stack};
use domain::catalog::{DataSourceCommand, Registered};
use domain::ids::{AgentId, ChangeId, DataSourceId};
use event_log::{EventLog, Followed, Follower, LogError, Reader, Recorded, Target, open_log};
use nats::Connection;
use std::collections::BTreeMap;
use tokio::sync::{Mutex, MutexGuard};

pub enum Servers {
    One(Box<Stack>),
    Three(
        Cluster,
        #[expect(dead_code, reason = "held until it is dropped")] MutexGuard<'static, ()>,
    ),
}

/// Three servers under load need the machine's processors: two clusters at once starve each other.
static ONE_CLUSTER: Mutex<()> = Mutex::const_new(());

impl Servers {
    pub async fn one() -> anyhow::Result<Self> {
        chassis::process::install_crypto();
        Self::One(Box::new(Stack::start(Options::default()).await?)).opened().await
    }

    pub async fn three() -> anyhow::Result<Self> {
        chassis::process::install_crypto();
        let alone = ONE_CLUSTER.lock().await;
        Self::Three(Cluster::start().await?, alone).opened().await
    }

    async fn opened(self) -> anyhow::Result<Self> {
        let connection = self.connect(&self.node(0).url(), COMMAND_API).await?;
        let opening = request("open", "")?;
        open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
        Ok(self)
    }

    /// The node to which the n-th client connects.
    pub fn node(&self, client: usize) -> &NatsServer {
        match self {
            Self::One(stack) => stack.nats(),
            Self::Three(cluster, _) => cluster.node(client),
        }
    }

    pub async fn connect(&self, url: &str, service: &str) -> anyhow::Result<Connection> {
        Ok(match self {
            Self::One(stack) => stack.connect_service_at(url, service).await?,
            Self::Three(cluster, _) => cluster.connect_service_at(url, service).await?,
        })
    }

    pub async fn log(&self, client: usize) -> anyhow::Result<EventLog> {
        self.log_at(&self.node(client).url()).await
    }

    pub async fn log_at(&self, url: &str) -> anyhow::Result<EventLog> {
        self.log_over(&self.connect(url, COMMAND_API).await?).await
    }

    pub async fn log_over(&self, connection: &Connection) -> anyhow::Result<EventLog> {
        Ok(EventLog::open(connection, identity()?, writer()).await?)
    }

    /// Reads the mirror.
    pub async fn reader(&self, client: usize) -> anyhow::Result<Reader> {
        let connection = self.connect(&self.node(client).url(), WORKFLOWS).await?;
        Ok(Reader::new(&connection, identity()?))
    }

    pub async fn stop(self) {
        match self {
            Self::One(stack) => stack.stop().await,
            Self::Three(cluster, _) => cluster.stop().await,
        }
    }
}

/// Everything up to a sequence; a condemned message is an error, and so is what does not pass by itself.
pub async fn followed(follower: &mut Follower, until: u64) -> anyhow::Result<Vec<Recorded>> {
    let mut seen: Vec<Recorded> = Vec::new();
    while seen.last().is_none_or(|recorded| recorded.sequence < until) {
        match follower.next().await {
            Ok(Followed::Commit(recorded)) => seen.push(*recorded),
            Ok(Followed::Condemned(condemned)) => anyhow::bail!("condemned: {condemned:?}"),
            Err(error) if error.is_transient() => tokio::task::yield_now().await,
            Err(error) => return Err(LogError::into(error)),
        }
    }
    Ok(seen)
}

pub fn data_source(name: &str) -> Target {
    let id = DataSourceId::derived("data_source", &[TENANT, name]).to_string();
    Target { tenant: TENANT.to_owned(), id }
}

pub fn register(name: &str) -> DataSourceCommand {
    DataSourceCommand::Register(Registered {
        name: name.to_owned(),
        engine: "postgresql".to_owned(),
        environment: "dev".to_owned(),
        agent: AgentId::derived("agent", &["edge"]),
        agent_name: "edge".to_owned(),
        labels: BTreeMap::new(),
    })
}

pub fn lock(change: u8) -> DataSourceCommand {
    DataSourceCommand::RequestLock { change: change_id(change) }
}

pub fn release(change: u8) -> DataSourceCommand {
    DataSourceCommand::ReleaseLock { change: change_id(change) }
}

fn change_id(change: u8) -> ChangeId {
    ChangeId::derived("change", &[&change.to_string()])
}
