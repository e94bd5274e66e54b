//! Watches how the log's streams are configured: every change is recorded in the log itself, and whatever lets messages
//! be lost, erased or come from elsewhere is an alarm. What is put back between two looks is not seen: messages that it cost
//! are missed by the seal.

use chassis::{Clock, TraceContext};
use domain::ids::{CommandId, LogId, service_principal};
use domain::issued::{Actor, ActorKind, Auth};
use domain::ledger::{ConfigurationChanged, Log, LogCommand, LogError as Refused};
use event_log::{EventLog, ExecuteError, LogError, Request, SYSTEM_TENANT, Target};
use ledger::RequestDigest;
use nats::InspectError;
use nats::inspect::Configured;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use trust::encoding::Sha256Digest;

/// How long a change of configuration stays unseen at most, while the server answers.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const OPERATION: &str = "record_configuration";

/// Why a look failed. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The server does not say how a stream is configured.
    #[error("the configuration of the streams cannot be read")]
    Inspect(#[from] InspectError),
    /// What was recorded cannot be read.
    #[error("the recorded configuration cannot be read")]
    Log(#[from] LogError),
    /// It was seen, and could not be recorded.
    #[error("the configuration of the streams cannot be recorded")]
    Record(#[source] ExecuteError<Refused>),
}

/// Looks, alarms, records.
#[derive(Debug)]
pub struct ConfigurationWatch {
    log: EventLog,
    clock: Clock,
    actor: Actor,
    /// What this process has raised an alarm about, by stream.
    alarmed: BTreeMap<String, Sha256Digest>,
}

impl ConfigurationWatch {
    /// Over an open log, as the service with this SPIFFE ID.
    pub fn new(log: EventLog, clock: Clock, spiffe_id: &str) -> Self {
        let id = service_principal(spiffe_id);
        let actor = Actor { kind: ActorKind::Service, id, auth: Auth::Spiffe };
        Self { log, clock, actor, alarmed: BTreeMap::new() }
    }

    /// Looks after each reconnect and every five seconds. What cannot be seen or recorded is tried again.
    pub async fn run(mut self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut connects = self.log.watch_connects();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                _ = connects.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look_or_say().await;
        }
    }

    /// Looks once; that it failed is only logged.
    pub async fn look_or_say(&mut self) {
        if let Err(error) = self.look().await {
            let cause: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error = cause, "the streams' configuration is looked at again later");
        }
    }

    /// Looks once. The alarm is raised before anything is recorded: a stream can be too weak to take a commit.
    pub async fn look(&mut self) -> Result<(), LookError> {
        let seen = self.log.stream_settings().await?;
        let mut changes = Vec::new();
        for configured in seen {
            self.alarm(&configured);
            let Configured { name, settings, weaknesses } = configured;
            let weaknesses = weaknesses.into_iter().map(|weakness| weakness.field).collect();
            let change = ConfigurationChanged::of(name, settings, weaknesses);
            self.alarmed.insert(change.stream.clone(), change.digest);
            changes.push(change);
        }
        self.record(changes).await
    }

    fn alarm(&self, configured: &Configured) {
        let Configured { name, settings, weaknesses } = configured;
        let number = u32::try_from(weaknesses.len()).unwrap_or(u32::MAX);
        metrics::gauge!("countersign_log_weaknesses", "stream" => name.clone()).set(number);
        let digest = ConfigurationChanged::of(String::new(), settings.clone(), Vec::new()).digest;
        if weaknesses.is_empty() || self.alarmed.get(name) == Some(&digest) {
            return;
        }
        let said = |one: &nats::Difference| {
            format!("{} = {} (wanted: {})", one.field, one.existing, one.wanted)
        };
        let said: Vec<String> = weaknesses.iter().map(said).collect();
        let origin = &self.log.reader().identity().origin;
        tracing::error!(
            log.origin = %origin, stream = name, weaknesses = said.join(", "),
            "a stream of the log is configured so that messages can be lost, erased or come from elsewhere"
        );
    }

    async fn record(&self, changes: Vec<ConfigurationChanged>) -> Result<(), LookError> {
        let origin = self.log.reader().identity().origin.to_string();
        let id = LogId::derived("log", &[&origin]).to_string();
        let Some(log) = self.log.load::<Log>(SYSTEM_TENANT, &id).await? else { return Ok(()) };
        let recorded = &log.aggregate.configurations;
        let is_new =
            |change: &ConfigurationChanged| recorded.get(&change.stream) != Some(&change.digest);
        let changes: Vec<_> = changes.into_iter().filter(is_new).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let streams: Vec<&str> = changes.iter().map(|change| change.stream.as_str()).collect();
        tracing::info!(log.origin = origin, streams = streams.join(", "), "configured anew");
        let request = self.request(log.version, &changes);
        let target = Target { tenant: SYSTEM_TENANT.to_owned(), id };
        let command = LogCommand::RecordConfiguration(changes);
        match self.log.execute::<Log, _>(&target, command, &request).await {
            // Another instance was faster.
            Ok(_) | Err(ExecuteError::Refused(Refused::ConfigurationKnown)) => Ok(()),
            Err(error) => Err(LookError::Record(error)),
        }
    }

    /// A configuration can come back: its place in the log's story is part of the command's name.
    fn request(&self, version: u64, changes: &[ConfigurationChanged]) -> Request {
        let digests: Vec<String> = changes.iter().map(|change| change.digest.to_string()).collect();
        let (version, digests) = (version.to_string(), digests.join(","));
        let actor = self.actor.id.to_string();
        let named = [SYSTEM_TENANT, &actor, OPERATION, &version, &digests];
        let command = CommandId::derived("command", &named);
        Request {
            command,
            kind: OPERATION.to_owned(),
            digest: RequestDigest::of(digests.as_bytes()),
            actor: self.actor,
            at: self.clock.now(),
            correlation_id: command.to_string(),
            causation_id: None,
            traceparent: TraceContext::random().to_string(),
            expected_version: None,
        }
    }
}
