//! The one seam to cqrs-es: its `EventStore` over the log.
//!
//! An aggregate id is `<tenant>/<typeid>`, the same text as the `view_id` of its detail document. The context carries
//! what an append needs: stream sequence, version, chain head, seen command ids.

use crate::append::{Appended, EventLog};
use crate::error::{AppendError, LogError};
use crate::execute::Request;
use crate::loaded::Loaded;
use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore};
use domain::ids::event_id;
use domain::registry;
use ledger::{
    AggregateRef, CommandRef, CommitHash, Envelope, EventEntry, LogIdentity, Receipt, SPEC,
    commit_time,
};
use std::collections::HashMap;
use std::marker::PhantomData;
use trust::keys::PrivateKey;

/// Metadata key of the [`Request`] that a commit answers, as JSON.
pub const REQUEST: &str = "request";
/// Metadata key of the signed receipt in what `commit` returns, as JSON.
pub(crate) const RECEIPT: &str = "receipt";

/// Loads and commits aggregates of one type.
#[derive(Debug, Clone)]
pub struct AggregateStore<A> {
    log: EventLog,
    aggregate: PhantomData<fn() -> A>,
}

/// An aggregate between load and commit.
#[derive(Debug)]
pub struct LogContext<A> {
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) loaded: Loaded<A>,
}

impl<A: Aggregate> AggregateContext<A> for LogContext<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.loaded.aggregate
    }
}

impl<A: Aggregate> AggregateStore<A> {
    /// Over a log.
    pub fn new(log: &EventLog) -> Self {
        Self { log: log.clone(), aggregate: PhantomData }
    }

    /// Appends the next commit of an aggregate, if it is still the next.
    pub(crate) async fn append(
        &self,
        events: &[A::Event],
        context: &LogContext<A>,
        request: &Request,
    ) -> Result<Appended, AppendError> {
        let LogContext { tenant, id, loaded } = context;
        let (log, writer) = (self.log.reader.identity(), &self.log.writer);
        let envelope = envelope(log, writer, events, (tenant, id), loaded, request)?;
        self.log.append(envelope, loaded.last_sequence).await
    }
}

/// The next commit of an aggregate.
pub(crate) fn envelope<A: Aggregate>(
    log: &LogIdentity,
    writer: &PrivateKey,
    events: &[A::Event],
    (tenant, id): (&str, &str),
    loaded: &Loaded<A>,
    request: &Request,
) -> Result<Envelope, AppendError> {
    let name = |_| AppendError::Log(LogError::Name);
    let command = request.command.to_string();
    let version = loaded.version + 1;
    let entries = events.iter().enumerate().map(|(index, event)| {
        let (kind, data) = registry::recorded(event).map_err(AppendError::Event)?;
        let id = event_id(tenant, A::TYPE, id, version, index);
        Ok(EventEntry {
            id: id.to_string().parse().map_err(name)?,
            kind: kind.parse().map_err(name)?,
            schema: 1,
            data,
        })
    });
    Ok(Envelope {
        spec: SPEC,
        log: log.origin.clone(),
        writer: writer.id(),
        tenant: tenant.parse().map_err(name)?,
        aggregate: AggregateRef {
            kind: A::TYPE.parse().map_err(name)?,
            id: id.parse().map_err(name)?,
        },
        version,
        prev: loaded.head.map_or(CommitHash::ZERO, |head| head.hash),
        command: CommandRef {
            id: command.parse().map_err(name)?,
            kind: request.kind.parse().map_err(name)?,
            digest: request.digest,
        },
        actor: ledger::Actor {
            kind: request.actor.kind,
            id: request.actor.id.to_string().parse().map_err(name)?,
            auth: request.actor.auth,
        },
        correlation_id: request.correlation_id.clone(),
        causation_id: request.causation_id.clone(),
        traceparent: request.traceparent.clone(),
        time: commit_time(request.at, loaded.last_time),
        events: entries.collect::<Result<_, AppendError>>()?,
    })
}

/// An append's failure as cqrs-es carries it.
fn carried<E: std::error::Error>(error: AppendError) -> AggregateError<E> {
    match error {
        AppendError::Conflict => AggregateError::AggregateConflict,
        other => AggregateError::UnexpectedError(Box::new(other)),
    }
}

fn split<E: std::error::Error>(aggregate_id: &str) -> Result<(&str, &str), AggregateError<E>> {
    aggregate_id.split_once('/').ok_or_else(|| carried(AppendError::Log(LogError::Name)))
}

impl<A: Aggregate> EventStore<A> for AggregateStore<A> {
    type AC = LogContext<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let (tenant, id) = split(aggregate_id)?;
        self.log
            .reader
            .events::<A>(tenant, id)
            .await
            .map_err(|error| carried(AppendError::Log(error)))
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<Self::AC, AggregateError<A::Error>> {
        let (tenant, id) = split(aggregate_id)?;
        let loaded = self.log.reader.history(tenant, id).await;
        let loaded = loaded.map_err(|error| carried(AppendError::Log(error)))?;
        Ok(LogContext { tenant: tenant.to_owned(), id: id.to_owned(), loaded })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Self::AC,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let request = metadata.get(REQUEST).map(String::as_str).unwrap_or_default();
        let request: Request =
            serde_json::from_str(request).map_err(|error| carried(AppendError::Event(error)))?;
        let first = usize::try_from(context.loaded.version + 1).unwrap_or(usize::MAX);
        let appended = self.append(&events, &context, &request).await.map_err(carried)?;
        let receipt = Receipt::sign(&appended.commit, &self.log.writer);
        let receipt =
            serde_json::to_string(&receipt).map_err(|error| carried(AppendError::Event(error)))?;
        let metadata = HashMap::from([(RECEIPT.to_owned(), receipt)]);
        Ok(events
            .into_iter()
            .map(|payload| EventEnvelope {
                aggregate_id: format!("{}/{}", context.tenant, context.id),
                sequence: first,
                payload,
                metadata: metadata.clone(),
            })
            .collect())
    }
}
