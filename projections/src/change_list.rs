//! Changes as a list: one row per change, newest first, filtered by state and data source.

use crate::column;
use crate::data_sources;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection};
use crate::rows::{AggregateKey, Columns, Kept, Rows, Told, found, made};
use chrono::{DateTime, Utc};
use client::reads::ChangeSummary;
use domain::changes::{ChangeEvent, Drafted, Phase};
use domain::ids::ChangeId;
use event_log::Recorded;

const TABLE: &str = "change_list";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ChangeList;

impl Projection for ChangeList {
    const NAME: &'static str = "change_list";

    fn rows(self) -> Rows {
        Rows::of::<Row>()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    title: String,
    data_source: String,
    environment: String,
    author: String,
    state: String,
    created_sequence: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Kept for Row {
    const TABLE: &'static str = TABLE;
    const LOAD: &'static str = "SELECT tenant, id, title, data_source, environment, author, state, \
        created_sequence, created_at, updated_at FROM change_list \
        JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, id) USING (tenant, id)";
    const WRITE: &'static str = "INSERT INTO change_list (tenant, id, title, data_source, \
        environment, author, state, created_sequence, created_at, updated_at) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], \
        $6::text[], $7::text[], $8::bigint[], $9::timestamptz[], $10::timestamptz[]) \
        ON CONFLICT (tenant, id) DO UPDATE \
        SET state = excluded.state, updated_at = excluded.updated_at";

    type Key = AggregateKey;
    type Event = ChangeEvent;

    fn key(told: &Told<'_, ChangeEvent>) -> Result<Option<AggregateKey>, ProjectError> {
        Ok(match phase_after(told.event) {
            Moved::Drafted(_) | Moved::To(_) => Some(told.aggregate()),
            Moved::Nowhere => None,
        })
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, ChangeEvent>) -> Result<(), ProjectError> {
        match phase_after(told.event) {
            Moved::Drafted(drafted) => made(row, Self::drafted(told.recorded, drafted)?),
            Moved::To(phase) => {
                let row = found(row)?;
                phase.name().clone_into(&mut row.state);
                row.updated_at = told.recorded.time.datetime();
                Ok(())
            }
            Moved::Nowhere => Ok(()),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.title.as_str())
            .column(|row| row.data_source.as_str())
            .column(|row| row.environment.as_str())
            .column(|row| row.author.as_str())
            .column(|row| row.state.as_str())
            .column(|row| row.created_sequence)
            .column(|row| row.created_at)
            .column(|row| row.updated_at)
    }
}

impl Row {
    fn drafted(recorded: &Recorded, drafted: &Drafted) -> Result<Self, ProjectError> {
        Ok(Self {
            id: recorded.aggregate_id.clone(),
            title: drafted.title.shown().to_owned(),
            data_source: drafted.data_source.to_string(),
            environment: drafted.environment.clone(),
            author: drafted.author.to_string(),
            state: Phase::Draft.name().to_owned(),
            created_sequence: column::bigint(recorded.sequence)?,
            created_at: recorded.time.datetime(),
            updated_at: recorded.time.datetime(),
        })
    }
}

/// What an event does to where a change stands.
pub(crate) enum Moved<'a> {
    /// The change exists now.
    Drafted(&'a Drafted),
    /// It stands there now.
    To(Phase),
    /// It stands where it stood.
    Nowhere,
}

pub(crate) fn phase_after(event: &ChangeEvent) -> Moved<'_> {
    match event {
        ChangeEvent::Drafted(drafted) => Moved::Drafted(drafted),
        ChangeEvent::Requested { .. } => Moved::To(Phase::Checking),
        ChangeEvent::PendingApproval(_) => Moved::To(Phase::PendingApproval),
        ChangeEvent::Approved { .. } => Moved::To(Phase::Approved),
        ChangeEvent::Rejected { .. } => Moved::To(Phase::Rejected),
        ChangeEvent::Scheduled { .. } => Moved::To(Phase::Scheduled),
        ChangeEvent::Dispatched { .. } => Moved::To(Phase::Applying),
        ChangeEvent::ResultTaken { .. } => Moved::Nowhere,
        ChangeEvent::Applied { .. } => Moved::To(Phase::Applied),
        ChangeEvent::Failed { .. } => Moved::To(Phase::Failed),
        ChangeEvent::OutcomeUnknown { .. } => Moved::To(Phase::Unknown),
        ChangeEvent::Resolved { found, .. } => Moved::To(Phase::found(*found)),
        ChangeEvent::Cancelled { .. } => Moved::To(Phase::Cancelled),
    }
}

/// Which changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub state: Option<String>,
    /// Only those for this data source, by id or name.
    pub data_source: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Named {
    #[sqlx(flatten)]
    row: Row,
    data_source_name: Option<String>,
}

/// A tenant's changes, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    filter: &Filter,
    page: PageRequest,
) -> Result<Listed<ChangeSummary>, DatabaseError> {
    let data_source = match &filter.data_source {
        None => None,
        Some(wanted) => match data_sources::id(database, tenant, wanted).await? {
            Some(found) => Some(found),
            None => return Ok(Listed { items: Vec::new(), next_before: None }),
        },
    };
    let rows: Vec<Named> = sqlx::query_as(
        "SELECT c.id, c.title, c.data_source, d.name AS data_source_name, c.environment, \
         c.author, c.state, c.created_sequence, c.created_at, c.updated_at \
         FROM change_list c \
         LEFT JOIN data_sources d ON d.tenant = c.tenant AND d.id = c.data_source \
         WHERE c.tenant = $1 AND c.created_sequence < $2 \
         AND ($3::text IS NULL OR c.state = $3) AND ($4::text IS NULL OR c.data_source = $4) \
         ORDER BY c.created_sequence DESC LIMIT $5",
    )
    .bind(tenant)
    .bind(page.bound())
    .bind(&filter.state)
    .bind(&data_source)
    .bind(page.limit())
    .fetch_all(database.pool())
    .await?;
    page.cut(rows, |named| named.row.created_sequence, |named| Ok(named.summary()))
}

/// Whether there is one of this id.
pub async fn exists(
    database: &Database,
    tenant: &str,
    id: ChangeId,
) -> Result<bool, DatabaseError> {
    database.has_row(TABLE, tenant, &id.to_string()).await
}

impl Named {
    fn summary(self) -> ChangeSummary {
        let Self { row, data_source_name } = self;
        ChangeSummary {
            id: row.id,
            title: row.title,
            // A parked data source has no row; its changes still have a name to show.
            data_source: data_source_name.unwrap_or_else(|| row.data_source.clone()),
            data_source_id: row.data_source,
            environment: row.environment,
            state: row.state,
            author: row.author,
            created_at: column::time(row.created_at),
            updated_at: column::time(row.updated_at),
        }
    }
}
