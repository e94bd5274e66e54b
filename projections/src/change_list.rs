//! Changes as a list: one row per change, newest first, filtered by state and data source.

use crate::column;
use crate::data_sources;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection, found};
use chrono::{DateTime, Utc};
use client::reads::ChangeSummary;
use domain::changes::{ChangeEvent, Drafted, Phase};
use domain::ids::ChangeId;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use sqlx::PgConnection;

const TABLE: &str = "change_list";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ChangeList;

impl Projection for ChangeList {
    const NAME: &'static str = "change_list";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::Change(change) => project(rows, recorded, change).await?,
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::TrustRoot(_)
                | Event::DataSource(_)
                | Event::Approval(_)
                | Event::Job(_)
                | Event::Agent(_)
                | Event::Log(_) => {}
            }
        }
        Ok(())
    }
}

async fn project(
    rows: &mut PgConnection,
    recorded: &Recorded,
    event: &ChangeEvent,
) -> Result<(), ProjectError> {
    match phase_after(event) {
        Moved::Drafted(drafted) => insert(rows, recorded, drafted).await,
        Moved::To(phase) => {
            let result = sqlx::query(
                "UPDATE change_list SET state = $3, updated_at = $4 WHERE tenant = $1 AND id = $2",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(phase.name())
            .bind(recorded.time.datetime())
            .execute(rows)
            .await?;
            found(TABLE, &result)
        }
        Moved::Nowhere => Ok(()),
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

async fn insert(
    rows: &mut PgConnection,
    recorded: &Recorded,
    drafted: &Drafted,
) -> Result<(), ProjectError> {
    sqlx::query(
        "INSERT INTO change_list (tenant, id, title, data_source, environment, author, state, \
         created_sequence, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(drafted.title.shown())
    .bind(drafted.data_source.to_string())
    .bind(&drafted.environment)
    .bind(drafted.author.to_string())
    .bind(Phase::Draft.name())
    .bind(column::bigint(recorded.sequence)?)
    .bind(recorded.time.datetime())
    .execute(rows)
    .await?;
    Ok(())
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
struct Row {
    id: String,
    title: String,
    data_source: String,
    data_source_name: Option<String>,
    environment: String,
    author: String,
    state: String,
    created_sequence: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
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
    let rows: Vec<Row> = sqlx::query_as(
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
    page.cut(rows, |row| row.created_sequence, |row| Ok(row.summary()))
}

/// Whether there is one of this id.
pub async fn exists(
    database: &Database,
    tenant: &str,
    id: ChangeId,
) -> Result<bool, DatabaseError> {
    let found = "SELECT EXISTS (SELECT FROM change_list WHERE tenant = $1 AND id = $2)";
    let found = sqlx::query_scalar(found).bind(tenant).bind(id.to_string());
    Ok(found.fetch_one(database.pool()).await?)
}

impl Row {
    fn summary(self) -> ChangeSummary {
        ChangeSummary {
            id: self.id,
            title: self.title,
            // A parked data source has no row; its changes still have a name to show.
            data_source: self.data_source_name.unwrap_or_else(|| self.data_source.clone()),
            data_source_id: self.data_source,
            environment: self.environment,
            state: self.state,
            author: self.author,
            created_at: column::time(self.created_at),
            updated_at: column::time(self.updated_at),
        }
    }
}
