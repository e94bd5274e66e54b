//! The command that every contender executes: take and give back the schema lock of a data source that exists.
//!
//! One event each time, for ever, of a real aggregate. Every caller has data sources of its own.

use crate::history::envelope;
use crate::seed::{self, Message};
use crate::servers::{TENANT, actor, identity};
use crate::story::{Entry, registered};
use anyhow::Context as _;
use chassis::Clock;
use domain::catalog::{DataSourceCommand, DataSourceEvent};
use domain::ids::{ChangeId, CommandId, DataSourceId};
use event_log::{Request, Target};
use ledger::{CommitHash, LogIdentity, RequestDigest};
use nats::Connection;
use trust::keys::{KeyId, PrivateKey};

/// Commands on each aggregate in one run.
pub const ROUNDS: usize = 8;

/// Data sources of several callers.
#[derive(Debug, Clone)]
pub struct DataSources {
    /// Part of every name: each run has its own.
    pub set: String,
    /// How many each caller has.
    pub per_caller: usize,
    /// Their ids.
    ids: Vec<String>,
}

impl DataSources {
    /// Enough for so many commands.
    pub fn of(set: &str, callers: usize, commands: usize) -> Self {
        let per_caller = (commands / callers / ROUNDS).max(1);
        let ids = (0..callers * per_caller).map(|index| id(&name(set, index)));
        Self { set: set.to_owned(), per_caller, ids: ids.collect() }
    }

    /// Every id.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The place among the ids of a caller's piece of work, and the round in which it is.
    pub fn place(&self, caller: usize, index: usize) -> (usize, usize) {
        (caller * self.per_caller + index % self.per_caller, index / self.per_caller)
    }

    /// The data source at a place.
    pub fn target(&self, place: usize) -> anyhow::Result<Target> {
        let id = self.ids.get(place).context("there is no such data source")?.clone();
        Ok(Target { tenant: TENANT.to_owned(), id })
    }

    /// Writes the commits that register them.
    pub async fn register(&self, connection: &Connection) -> anyhow::Result<()> {
        let (set, count) = (self.set.clone(), self.ids.len());
        let log = identity()?;
        let make = move |key: &PrivateKey, send: &dyn Fn(Message) -> anyhow::Result<()>| {
            (0..count).try_for_each(|index| send(created(&log, key, &name(&set, index))?))
        };
        seed::publish(connection, make).await?;
        Ok(())
    }
}

/// The name of a data source.
pub fn name(set: &str, index: usize) -> String {
    format!("{set}-{index}")
}

/// The id of a data source.
pub fn id(name: &str) -> String {
    DataSourceId::derived("data_source", &[TENANT, name]).to_string()
}

/// The commit that registers a data source.
pub fn created(log: &LogIdentity, key: &PrivateKey, name: &str) -> anyhow::Result<Message> {
    let event = DataSourceEvent::Created(registered(name.to_owned()));
    let entry = Entry::of((TENANT, "data_source", id(name)), &[event])?;
    let writer: KeyId = key.id();
    let envelope = envelope(log, writer, &entry, (1, CommitHash::ZERO), 1)?;
    let payload = serde_json::to_vec(&envelope)?;
    let hash = CommitHash::of(&payload);
    let subject = envelope.subject(&log.shard).to_string();
    Ok(Message::commit(subject, payload, &hash, key))
}

/// The command of a round: even ones take the lock, odd ones give it back.
pub fn command(round: usize) -> DataSourceCommand {
    let change = ChangeId::derived("change", &[&(round / 2).to_string()]);
    if round.is_multiple_of(2) {
        DataSourceCommand::RequestLock { change }
    } else {
        DataSourceCommand::ReleaseLock { change }
    }
}

/// What a commit says of the request behind a command.
pub fn request(set: &str, place: usize, round: usize) -> Request {
    let (place, round) = (place.to_string(), round.to_string());
    let command = CommandId::derived("command", &[set, &place, &round]);
    Request {
        command,
        kind: "request_lock".to_owned(),
        digest: RequestDigest::of(place.as_bytes()),
        actor: actor(),
        at: Clock::system().now(),
        correlation_id: command.to_string(),
        causation_id: None,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        expected_version: None,
    }
}
