//! Details of one aggregate as one document: a cqrs-es `View` in the table shape of postgres-es.
//!
//! The worker writes it in its own transaction with the aggregate's version; readers load it with
//! `PostgresViewRepository::load_with_context`, whose version is the `ETag` (DESIGN.md 5.3).

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::{ProjectError, found};
use client::reads::HistoryEntry;
use cqrs_es::persist::ViewRepository as _;
use cqrs_es::{Aggregate, EventEnvelope, View};
use event_log::{Recorded, RecordedEvent};
use postgres_es::PostgresViewRepository;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::HashMap;

const TIME: &str = "time";
const ACTOR: &str = "actor";
const SEQUENCE: &str = "sequence";
const HASH: &str = "hash";
const KIND: &str = "type";
const TRACE: &str = "traceparent";

/// The one constructor of view ids: `<tenant>/<id of the aggregate>`. A slug holds no `/`.
fn view_id(tenant: &str, aggregate_id: &str) -> String {
    format!("{tenant}/{aggregate_id}")
}

/// A document and its version, the `ETag`.
pub(crate) async fn load<V: View<A>, A: Aggregate>(
    database: &Database,
    table: &str,
    tenant: &str,
    aggregate_id: &str,
) -> Result<Option<(V, u64)>, DatabaseError> {
    let views: PostgresViewRepository<V, A> =
        PostgresViewRepository::new(table, database.pool().clone());
    let loaded = views.load_with_context(&view_id(tenant, aggregate_id)).await?;
    let Some((document, context)) = loaded else { return Ok(None) };
    Ok(Some((document, column::count("version", context.version)?)))
}

/// Takes the events of one commit into the document of its aggregate.
pub(crate) async fn take_in<V: View<A>, A: Aggregate>(
    rows: &mut PgConnection,
    table: &'static str,
    recorded: &Recorded,
    events: Vec<(&RecordedEvent, &A::Event)>,
) -> Result<(), ProjectError> {
    if events.is_empty() {
        return Ok(());
    }
    let id = view_id(&recorded.tenant, &recorded.aggregate_id);
    let stored: Option<Json<serde_json::Value>> =
        sqlx::query_scalar(&format!("SELECT payload FROM {table} WHERE view_id = $1"))
            .bind(&id)
            .fetch_optional(&mut *rows)
            .await?;
    let mut document: V = match stored {
        Some(Json(stored)) => serde_json::from_value(stored)?,
        None => V::default(),
    };
    for (event, payload) in events {
        document.update(&envelope::<A>(recorded, event, payload)?);
    }
    let result = sqlx::query(&format!(
        "INSERT INTO {table} (view_id, version, payload) VALUES ($1, $2, $3) \
         ON CONFLICT (view_id) DO UPDATE SET version = excluded.version, \
         payload = excluded.payload WHERE {table}.version < excluded.version"
    ))
    .bind(&id)
    .bind(column::bigint(recorded.version)?)
    .bind(Json(document))
    .execute(rows)
    .await?;
    found(table, &result)
}

fn envelope<A: Aggregate>(
    recorded: &Recorded,
    event: &RecordedEvent,
    payload: &A::Event,
) -> Result<EventEnvelope<A>, ProjectError> {
    let metadata = HashMap::from([
        (TIME.to_owned(), recorded.time.to_string()),
        (ACTOR.to_owned(), recorded.actor.id.to_string()),
        (SEQUENCE.to_owned(), recorded.sequence.to_string()),
        (HASH.to_owned(), recorded.hash.to_string()),
        (KIND.to_owned(), event.kind.clone()),
        (TRACE.to_owned(), recorded.traceparent.clone()),
    ]);
    Ok(EventEnvelope {
        aggregate_id: recorded.aggregate_id.clone(),
        sequence: usize::try_from(recorded.version).map_err(|_| ProjectError::OutOfRange)?,
        payload: payload.clone(),
        metadata,
    })
}

/// When it was decided.
pub(crate) fn time<A: Aggregate>(event: &EventEnvelope<A>) -> String {
    event.metadata.get(TIME).cloned().unwrap_or_default()
}

/// Where it is in a trace.
pub(crate) fn traceparent<A: Aggregate>(event: &EventEnvelope<A>) -> String {
    event.metadata.get(TRACE).cloned().unwrap_or_default()
}

/// The event as a line of the aggregate's history.
pub(crate) fn entry<A: Aggregate>(event: &EventEnvelope<A>) -> HistoryEntry {
    let meta = |name: &str| event.metadata.get(name).cloned().unwrap_or_default();
    HistoryEntry {
        event: meta(KIND),
        at: meta(TIME),
        actor: meta(ACTOR),
        version: u64::try_from(event.sequence).unwrap_or(u64::MAX),
        sequence: meta(SEQUENCE).parse().unwrap_or(0),
        hash: meta(HASH),
    }
}
