//! Load, find the command, decide, commit: the way of every command.

use crate::append::EventLog;
use crate::error::{AppendError, ExecuteError, LogError};
use crate::guard::covered;
use crate::patience::Patience;
use crate::store::{AggregateStore, LogContext};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateContext as _, AggregateError, EventStore as _};
use domain::Issued;
use domain::ids::CommandId;
use domain::issued::Actor;
use ledger::{Commit, IdText, Receipt, RequestDigest, commit_time};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use trust::encoding::Timestamp;
use trust::keys::PrivateKey;

/// Which aggregate a command is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose.
    pub tenant: String,
    /// `TypeID` text.
    pub id: String,
}

/// What a commit says about the request behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The command's id: a retry has the same.
    pub command: CommandId,
    /// The command's name, such as `submit_change`.
    pub kind: String,
    /// Of the exact body.
    pub digest: RequestDigest,
    /// Who.
    pub actor: Actor,
    /// Now.
    pub at: Timestamp,
    /// What larger piece of work it belongs to.
    pub correlation_id: String,
    /// The event that led to it.
    pub causation_id: Option<IdText>,
    /// W3C trace context.
    pub traceparent: String,
    /// The version that the caller has seen (`If-Match`); another one is refused as stale.
    #[serde(default)]
    pub expected_version: Option<u64>,
}

/// A command's answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The commit, without its events.
    pub commit: Arc<Commit>,
    /// It answers an earlier try.
    pub replayed: bool,
    /// None if the key may not speak for this sequence: it was rotated since.
    writer: Option<Arc<PrivateKey>>,
}

impl Answered {
    /// What the caller keeps; signed when somebody asks for it, by the key that may write there. One that may not would
    /// give a receipt that accuses an honest log.
    pub fn receipt(&self) -> Receipt {
        match &self.writer {
            Some(writer) => Receipt::sign(&self.commit, writer),
            None => Receipt::unsigned(&self.commit),
        }
    }
}

/// The command is being executed until this is dropped.
struct InFlight {
    set: Arc<Mutex<HashSet<String>>>,
    command: String,
}

impl InFlight {
    fn enter(set: &Arc<Mutex<HashSet<String>>>, command: String) -> Option<Self> {
        let mut commands = set.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = commands.insert(command.clone());
        drop(commands);
        entered.then(|| Self { set: Arc::clone(set), command })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.command);
    }
}

impl EventLog {
    /// Executes a command: finds it in the log, or decides and appends.
    ///
    /// A refusal is decided on what was loaded for it, never on what was kept, and answered only if the leader confirms
    /// the state that it saw.
    pub async fn execute<A, C>(
        &self,
        target: &Target,
        command: C,
        request: &Request,
    ) -> Result<Answered, ExecuteError<A::Error>>
    where
        A: Aggregate<Command = Issued<C>, Services = ()> + 'static,
        C: Clone + Send,
    {
        let Some(_in_flight) = InFlight::enter(&self.in_flight, request.command.to_string()) else {
            return Err(ExecuteError::InFlight);
        };
        let store = AggregateStore::<A>::new(self);
        let aggregate_id = format!("{}/{}", target.tenant, target.id);
        let subject = self.reader.subject(&target.tenant, A::TYPE, &target.id)?;
        let mut patience = Patience::new();
        let connects = self.reader.connection.connects();
        let cached = self.cache.take::<A>(&subject, connects);
        let mut is_cached = cached.is_some();
        let mut context = match cached {
            Some(loaded) => {
                LogContext { tenant: target.tenant.clone(), id: target.id.clone(), loaded }
            }
            None => store.load_aggregate(&aggregate_id).await.map_err(understood)?,
        };
        loop {
            if let Some(answer) = self.found(&context, request)? {
                self.cache.put(subject, context.loaded, connects);
                return Ok(answer);
            }
            let seen = context.loaded.last_sequence;
            let events = match decided(&mut context, command.clone(), request).await {
                Ok(events) => events,
                Err(_) if std::mem::take(&mut is_cached) => {
                    context = store.load_aggregate(&aggregate_id).await.map_err(understood)?;
                    continue;
                }
                Err(refusal) => {
                    self.catch_up(&subject, &mut context.loaded, &mut patience).await?;
                    if context.loaded.last_sequence == seen {
                        self.cache.put(subject, context.loaded, connects);
                        return Err(refusal);
                    }
                    continue;
                }
            };
            match store.append(&events, &context, request).await {
                Ok(appended) => {
                    let commit = context.loaded.appended(appended);
                    self.cache.put(subject, context.loaded, connects);
                    return Ok(self.answered(commit, false));
                }
                Err(AppendError::Conflict) => {}
                Err(other) => return Err(ExecuteError::Append(other)),
            }
            is_cached = false;
            context = store.load_aggregate(&aggregate_id).await.map_err(understood)?;
            self.catch_up(&subject, &mut context.loaded, &mut patience).await?;
            // Nothing new there: another append is still in flight.
            let moved = context.loaded.last_sequence > seen;
            if !(patience.lasts() && (moved || patience.pause().await)) {
                return Err(ExecuteError::Conflict);
            }
        }
    }

    /// The answer of an earlier try of this command, if there was one: looked up before anything else can refuse it.
    pub async fn earlier<A: Aggregate>(
        &self,
        target: &Target,
        request: &Request,
    ) -> Result<Option<Answered>, ExecuteError<A::Error>> {
        let (tenant, id) = (target.tenant.clone(), target.id.clone());
        let subject = self.reader.subject(&tenant, A::TYPE, &id)?;
        let loaded = self.reader.history::<A>(&tenant, &id).await?;
        let mut context = LogContext { tenant, id, loaded };
        if let Some(answered) = self.found(&context, request)? {
            return Ok(Some(answered));
        }
        self.catch_up(&subject, &mut context.loaded, &mut Patience::new()).await?;
        self.found(&context, request)
    }

    /// The answer of an earlier try of the same command.
    fn found<A: Aggregate>(
        &self,
        context: &LogContext<A>,
        request: &Request,
    ) -> Result<Option<Answered>, ExecuteError<A::Error>> {
        match context.loaded.commands.get(&request.command.to_string()) {
            None => Ok(None),
            Some(commit) if commit.envelope.command.digest != request.digest => {
                Err(ExecuteError::OtherBody)
            }
            Some(commit) => Ok(Some(self.answered(Arc::clone(commit), true))),
        }
    }

    fn answered(&self, commit: Arc<Commit>, replayed: bool) -> Answered {
        let writer = covered(&self.reader, &self.writer.id(), commit.sequence);
        let writer = writer.is_ok().then(|| Arc::clone(&self.writer));
        Answered { commit, replayed, writer }
    }
}

/// What the aggregate decides, or why it refuses.
async fn decided<A, C>(
    context: &mut LogContext<A>,
    command: C,
    request: &Request,
) -> Result<Vec<A::Event>, ExecuteError<A::Error>>
where
    A: Aggregate<Command = Issued<C>, Services = ()>,
{
    let version = context.loaded.version;
    if request.expected_version.is_some_and(|seen| seen != version) {
        return Err(ExecuteError::Stale { version });
    }
    let at = commit_time(request.at, context.loaded.last_time);
    let issued = Issued { id: request.command, by: request.actor, at, command };
    let sink = EventSink::default();
    context.aggregate().handle(issued, &(), &sink).await.map_err(ExecuteError::Refused)?;
    Ok(sink.collect().await)
}

/// What cqrs-es carried for us.
fn understood<E: std::error::Error>(error: AggregateError<E>) -> ExecuteError<E> {
    let unexpected = |source: Box<dyn std::error::Error + Send + Sync>| match source.downcast() {
        Ok(error) => ExecuteError::Append(*error),
        Err(other) => ExecuteError::Append(AppendError::Log(LogError::Follow(other))),
    };
    match error {
        AggregateError::UserError(refusal) => ExecuteError::Refused(refusal),
        AggregateError::AggregateConflict => ExecuteError::Conflict,
        AggregateError::DatabaseConnectionError(source)
        | AggregateError::DeserializationError(source)
        | AggregateError::UnexpectedError(source) => unexpected(source),
    }
}
