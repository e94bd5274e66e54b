//! Details of one aggregate as one document: a cqrs-es `View` in the table shape of postgres-es.
//!
//! The worker writes it in its own transaction with the aggregate's version; readers load it with
//! `PostgresViewRepository::load_with_context`, whose version is the `ETag` (DESIGN.md 5.3).

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::ProjectError;
use crate::rows::{Columns, Kept, Key, Told};
use client::reads::HistoryEntry;
use cqrs_es::persist::ViewRepository as _;
use cqrs_es::{Aggregate, EventEnvelope, View};
use postgres_es::PostgresViewRepository;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo};
use sqlx::types::Json;
use sqlx::{Encode, FromRow, Postgres, Row as _, Type};
use std::collections::HashMap;
use std::fmt::Debug;

const TIME: &str = "time";
const ACTOR: &str = "actor";
const SEQUENCE: &str = "sequence";
const HASH: &str = "hash";
const KIND: &str = "type";
const TRACE: &str = "traceparent";

/// What tells the story of one aggregate.
pub(crate) trait Documented:
    Debug + Default + Serialize + DeserializeOwned + Send + Sync + Unpin + 'static
{
    /// Its table.
    const TABLE: &'static str;
    /// See [`Kept::LOAD`].
    const LOAD: &'static str;
    /// See [`Kept::WRITE`].
    const WRITE: &'static str;

    /// Whose story.
    type Of: Aggregate<Event: 'static> + 'static;

    /// Tells one more event.
    fn tell(&mut self, event: &EventEnvelope<Self::Of>);
}

/// The table of a [`Documented`].
macro_rules! documents {
    ($table:literal) => {
        const TABLE: &'static str = $table;
        const LOAD: &'static str =
            concat!("SELECT view_id, version, payload FROM ", $table, " WHERE view_id = ANY($1)");
        const WRITE: &'static str = concat!(
            "INSERT INTO ",
            $table,
            " AS old (view_id, version, payload) SELECT view_id, version, payload::json \
             FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (view_id, version, payload) \
             ON CONFLICT (view_id) DO UPDATE SET version = excluded.version, \
             payload = excluded.payload WHERE old.version < excluded.version"
        );
    };
}
pub(crate) use documents;

/// As cqrs-es has it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent, bound = "D: Documented")]
pub(crate) struct Document<D>(D);

impl<D: Documented> View<D::Of> for Document<D> {
    fn update(&mut self, event: &EventEnvelope<D::Of>) {
        self.0.tell(event);
    }
}

/// A document and its version, the `ETag`.
pub(crate) async fn load<D: Documented>(
    database: &Database,
    tenant: &str,
    aggregate_id: &str,
) -> Result<Option<(D, u64)>, DatabaseError> {
    let views: PostgresViewRepository<Document<D>, D::Of> =
        PostgresViewRepository::new(D::TABLE, database.pool().clone());
    let loaded = views.load_with_context(&ViewKey::of(tenant, aggregate_id).view_id).await?;
    let Some((Document(document), context)) = loaded else { return Ok(None) };
    Ok(Some((document, column::count("version", context.version)?)))
}

/// The id of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub(crate) struct ViewKey {
    view_id: String,
}

impl ViewKey {
    /// The one constructor of view ids: `<tenant>/<id of the aggregate>`. A slug holds no `/`.
    fn of(tenant: &str, aggregate_id: &str) -> Self {
        Self { view_id: format!("{tenant}/{aggregate_id}") }
    }
}

impl Key for ViewKey {
    fn columns(keys: Columns<'_, Self>) -> Columns<'_, Self> {
        keys.column(|key| key.view_id.as_str())
    }
}

/// A document as it is stored: with the aggregate's version, which all events of a commit share.
pub(crate) struct Versioned<D> {
    version: i64,
    document: Document<D>,
}

impl<'r, D: Documented> FromRow<'r, PgRow> for Versioned<D> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let Json(document) = row.try_get("payload")?;
        Ok(Self { version: row.try_get("version")?, document })
    }
}

impl<D: Documented> Kept for Versioned<D> {
    const TABLE: &'static str = D::TABLE;
    const LOAD: &'static str = D::LOAD;
    const WRITE: &'static str = D::WRITE;

    type Key = ViewKey;
    type Event = <D::Of as Aggregate>::Event;

    fn key(told: &Told<'_, Self::Event>) -> Result<Option<ViewKey>, ProjectError> {
        Ok(Some(ViewKey::of(&told.recorded.tenant, &told.recorded.aggregate_id)))
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, Self::Event>) -> Result<(), ProjectError> {
        let version = column::bigint(told.recorded.version)?;
        let row = row.get_or_insert_with(|| Self { version: 0, document: Document::default() });
        // A commit begins with its first event: only that one is of a version that nobody has told.
        if told.entry.index == 0 && version <= row.version {
            return Err(ProjectError::Repeated { table: D::TABLE });
        }
        row.version = version;
        row.document.update(&envelope::<D::Of>(told)?);
        Ok(())
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.version).column(|row| JsonText(&row.document))
    }
}

/// JSON as text: `jsonb`, as sqlx sends it, would be parsed twice by the server.
struct JsonText<'a, D>(&'a D);

impl<D> Type<Postgres> for JsonText<'_, D> {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl<D> PgHasArrayType for JsonText<'_, D> {
    fn array_type_info() -> PgTypeInfo {
        <&str as PgHasArrayType>::array_type_info()
    }
}

impl<D: Serialize> Encode<'_, Postgres> for JsonText<'_, D> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        serde_json::to_writer(&mut **buffer, self.0)?;
        Ok(IsNull::No)
    }
}

fn envelope<A: Aggregate>(told: &Told<'_, A::Event>) -> Result<EventEnvelope<A>, ProjectError> {
    let Told { recorded, entry, event } = told;
    let metadata = HashMap::from([
        (TIME.to_owned(), recorded.time.to_string()),
        (ACTOR.to_owned(), recorded.actor.id.to_string()),
        (SEQUENCE.to_owned(), recorded.sequence.to_string()),
        (HASH.to_owned(), recorded.hash.to_string()),
        (KIND.to_owned(), entry.kind.clone()),
        (TRACE.to_owned(), recorded.traceparent.clone()),
    ]);
    Ok(EventEnvelope {
        aggregate_id: recorded.aggregate_id.clone(),
        sequence: usize::try_from(recorded.version).map_err(|_| ProjectError::OutOfRange)?,
        payload: A::Event::clone(event),
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
