//! NATS as its operators see it: streams, the log's end, and how far everybody who reads it is.

use super::processes::identity;
use super::{AccountFacts, Configs, Seen, database};
use anyhow::Context as _;
use devkit::spiffe::socket_of;
use devkit::{identities, stack::SHARD};
use nats::inspect::{self, Inspected};
use nats::{Connection, ConnectionError, InspectError, subjects};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// What is written meanwhile is read within this time, unless a reader stands still.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// The stack has one of each server.
const REPLICAS: usize = 1;

/// What NATS shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFacts {
    /// The accounts with their streams.
    pub accounts: Vec<AccountFacts>,
    /// Sequences of the log that command-api's configuration names as lost.
    pub gaps: BTreeSet<u64>,
    /// The log's last sequence, before anybody else was asked.
    pub end: u64,
    /// Everybody who reads the log.
    pub readers: Vec<Reader>,
    /// How much each workflow has set aside.
    pub set_aside: Vec<(String, u64)>,
    /// Each agent's durable, and whether the agent pulls.
    pub agents: Vec<(String, bool)>,
}

/// Who reads the log, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// What kind.
    pub kind: ReaderKind,
    /// Its name.
    pub name: String,
    /// The last sequence that it has read.
    pub reached: u64,
}

/// What reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderKind {
    /// The mirror in CTL.
    Mirror,
    /// A slice of the read models.
    Projection,
    /// A workflow.
    Workflow,
}

/// A connection for each account's operator.
struct Operators {
    log: Connection,
    control: Connection,
    agents: Connection,
}

/// Asks: the server's version, then everything else.
pub async fn gather(data_dir: &Path, configs: &Configs) -> (Seen<String>, Seen<LogFacts>) {
    let operators = match Box::pin(Operators::connect(data_dir, configs)).await {
        Ok(operators) => operators,
        Err(error) => {
            let told = format!("{error:#}");
            let old = error.downcast_ref().and_then(|error: &ConnectionError| match error {
                ConnectionError::ServerTooOld { found, .. } => Some(found.clone()),
                _ => None,
            });
            return (old.ok_or_else(|| told.clone()), Err(told));
        }
    };
    let version = operators.log.client().server_info().version;
    let facts = facts(data_dir, &operators, configs.gaps()).await;
    operators.close().await;
    (Ok(version), facts.map_err(|error| format!("{error:#}")))
}

impl Operators {
    async fn connect(data_dir: &Path, configs: &Configs) -> anyhow::Result<Self> {
        let url = configs.text("command-api", "nats_url").context("no nats_url is configured")?;
        let connect = |name| connect(data_dir, url, name);
        let (log, control, agents) = tokio::try_join!(
            connect(identities::LOG_OPERATOR),
            connect(identities::CONTROL_OPERATOR),
            connect(identities::AGENTS_OPERATOR),
        )?;
        Ok(Self { log, control, agents })
    }

    async fn close(&self) {
        tokio::join!(self.log.close(), self.control.close(), self.agents.close());
    }
}

async fn connect(data_dir: &Path, url: &str, name: &str) -> anyhow::Result<Connection> {
    let id = identities::service(name)?;
    let socket = format!("unix:{}", socket_of(data_dir, &id).display());
    let own = identity(&socket, identities::TRUST_DOMAIN).await?;
    let server = identities::service(identities::NATS)?;
    let server = server.parse().map_err(|_| anyhow::anyhow!("{server} is no SPIFFE ID"))?;
    let inbox = subjects::service_inbox(name)?;
    Ok(Connection::connect(url, own.source(), &server, &inbox, "countersign doctor").await?)
}

async fn facts(
    data_dir: &Path,
    operators: &Operators,
    gaps: BTreeSet<u64>,
) -> anyhow::Result<LogFacts> {
    let Operators { log, control, agents } = operators;
    let accounts = vec![
        account(subjects::ACCOUNT_LOG, inspect::log(log, SHARD, REPLICAS).await?),
        account(subjects::ACCOUNT_CONTROL, inspect::control(control, SHARD, REPLICAS).await?),
        account(subjects::ACCOUNT_AGENTS, inspect::agents(agents, REPLICAS).await?),
    ];
    let name = subjects::log_stream(SHARD)?;
    let own = accounts.first().map(|account| account.streams.as_slice());
    let end = own.map_or(0, |streams| last_sequence(streams, &name));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (readers, set_aside) = readers(data_dir, control, &name).await?;
        let durables = pulls(agents).await?;
        let is_settled = readers.iter().all(|reader| reader.reached >= end)
            && durables.iter().all(|(_, is_pulling)| *is_pulling);
        if is_settled || Instant::now() >= deadline {
            return Ok(LogFacts { accounts, gaps, end, readers, set_aside, agents: durables });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn account(account: &'static str, streams: Vec<Inspected>) -> AccountFacts {
    AccountFacts { account, streams }
}

fn last_sequence(streams: &[Inspected], name: &str) -> u64 {
    let stream = streams.iter().find(|stream| stream.name == name);
    stream.and_then(|stream| stream.found.as_ref()).map_or(0, |found| found.last_sequence)
}

/// Everybody who reads the log, and what the workflows have set aside.
async fn readers(
    data_dir: &Path,
    control: &Connection,
    log: &str,
) -> anyhow::Result<(Vec<Reader>, Vec<(String, u64)>)> {
    let streams = inspect::control(control, SHARD, REPLICAS).await?;
    let reached = last_sequence(&streams, log);
    let mut readers = vec![Reader { kind: ReaderKind::Mirror, name: log.to_owned(), reached }];
    let mut set_aside = Vec::new();
    for saved in inspect::saved_positions(control).await? {
        let number = |pointer| saved.value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        if let Some(workflow) = saved.name.strip_suffix("_set_aside") {
            set_aside.push((workflow.to_owned(), number("/count")));
        } else {
            let reached = number("/position/sequence");
            readers.push(Reader { kind: ReaderKind::Workflow, name: saved.name, reached });
        }
    }
    let positions = database::positions(data_dir).await?;
    readers.extend(positions.into_iter().map(|(name, reached)| Reader {
        kind: ReaderKind::Projection,
        name,
        reached,
    }));
    Ok((readers, set_aside))
}

/// Each agent's durable, and whether somebody waits there for a job: an agent always does, even while one runs.
async fn pulls(agents: &Connection) -> Result<Vec<(String, bool)>, InspectError> {
    let durables = inspect::durables(agents, subjects::STREAM_JOBS).await;
    durables.map(|all| all.into_iter().map(|one| (one.name, one.waiting > 0)).collect())
}
