//! Jobs: what was sent to which agent, and what it reported.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection, found};
use chrono::{DateTime, Utc};
use client::reads::JobBody;
use domain::ids::{ChangeId, JobId};
use domain::jobs::{Dispatched, Finished, JobEvent};
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use sqlx::PgConnection;

const TABLE: &str = "jobs";

/// Signed and on its way, or running; the result has not been taken in.
const DISPATCHED: &str = "dispatched";

/// As many jobs of one change as its story tells, the newest.
const OF_A_CHANGE: u32 = 20;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Jobs;

impl Projection for Jobs {
    const NAME: &'static str = "jobs";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::Job(job) => project(rows, recorded, job).await?,
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::TrustRoot(_)
                | Event::DataSource(_)
                | Event::Change(_)
                | Event::Approval(_)
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
    event: &JobEvent,
) -> Result<(), ProjectError> {
    match event {
        JobEvent::Dispatched(dispatched) => dispatch(rows, recorded, dispatched).await,
        JobEvent::Succeeded(finished)
        | JobEvent::Failed(finished)
        | JobEvent::Refused(finished)
        | JobEvent::OutcomeUnknown(finished) => finish(rows, recorded, finished).await,
    }
}

async fn dispatch(
    rows: &mut PgConnection,
    recorded: &Recorded,
    dispatched: &Dispatched,
) -> Result<(), ProjectError> {
    sqlx::query(
        "INSERT INTO jobs (tenant, id, change, data_source, agent, agent_name, mode, state, \
         fence, attempt, counted, created_sequence, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '{}', $11, $12)",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(dispatched.change.to_string())
    .bind(dispatched.data_source.to_string())
    .bind(dispatched.agent.to_string())
    .bind(&dispatched.agent_name)
    .bind(dispatched.mode.name())
    .bind(DISPATCHED)
    .bind(column::bigint(dispatched.fence)?)
    .bind(i64::from(dispatched.attempt))
    .bind(column::bigint(recorded.sequence)?)
    .bind(recorded.time.datetime())
    .execute(rows)
    .await?;
    Ok(())
}

async fn finish(
    rows: &mut PgConnection,
    recorded: &Recorded,
    finished: &Finished,
) -> Result<(), ProjectError> {
    let result = sqlx::query(
        "UPDATE jobs SET state = $3, refusal = $4, sqlstate = $5, counted = $6, finished_at = $7, \
         started_at = $8, ended_at = $9, result_sha256 = $10 WHERE tenant = $1 AND id = $2",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(finished.outcome.name())
    .bind(&finished.refusal)
    .bind(&finished.sqlstate)
    .bind(&finished.counted)
    .bind(recorded.time.datetime())
    .bind(finished.started_at.datetime())
    .bind(finished.finished_at.datetime())
    .bind(finished.result.sha256.to_string())
    .execute(rows)
    .await?;
    found(TABLE, &result)
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub state: Option<String>,
    /// Only those of this change.
    pub change: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    change: String,
    data_source: String,
    data_source_name: Option<String>,
    agent: String,
    agent_name: String,
    mode: String,
    state: String,
    fence: i64,
    attempt: i64,
    refusal: Option<String>,
    sqlstate: Option<String>,
    counted: Vec<String>,
    created_sequence: i64,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    result_sha256: Option<String>,
}

/// Every column by name: `*` means something else to a statement that was prepared before a migration.
const SELECT: &str = "SELECT j.id, j.change, j.data_source, d.name AS data_source_name, j.agent, \
     j.agent_name, j.mode, j.state, j.fence, j.attempt, j.refusal, j.sqlstate, j.counted, \
     j.created_sequence, j.created_at, j.finished_at, j.started_at, j.ended_at, j.result_sha256 \
     FROM jobs j \
     LEFT JOIN data_sources d ON d.tenant = j.tenant AND d.id = j.data_source \
     WHERE j.tenant = $1";

/// A tenant's jobs, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    filter: &Filter,
    page: PageRequest,
) -> Result<Listed<JobBody>, DatabaseError> {
    let statement = format!(
        "{SELECT} AND j.created_sequence < $2 AND ($3::text IS NULL OR j.state = $3) \
         AND ($4::text IS NULL OR j.change = $4) ORDER BY j.created_sequence DESC LIMIT $5"
    );
    let rows: Vec<Row> = sqlx::query_as(&statement)
        .bind(tenant)
        .bind(page.bound())
        .bind(&filter.state)
        .bind(&filter.change)
        .bind(page.limit())
        .fetch_all(database.pool())
        .await?;
    page.cut(rows, |row| row.created_sequence, Row::body)
}

/// One of a tenant's jobs.
pub async fn find(
    database: &Database,
    tenant: &str,
    id: JobId,
) -> Result<Option<JobBody>, DatabaseError> {
    let statement = format!("{SELECT} AND j.id = $2");
    let row: Option<Row> = sqlx::query_as(&statement)
        .bind(tenant)
        .bind(id.to_string())
        .fetch_optional(database.pool())
        .await?;
    row.map(Row::body).transpose()
}

/// The newest jobs of a change, oldest first, and whether there are more; one check and one attempt in a life without
/// incidents.
pub async fn of_change(
    database: &Database,
    tenant: &str,
    change: ChangeId,
) -> Result<(Vec<JobBody>, bool), DatabaseError> {
    let filter = Filter { state: None, change: Some(change.to_string()) };
    let page = PageRequest { before: None, size: OF_A_CHANGE };
    let listed = list(database, tenant, &filter, page).await?;
    let (mut jobs, more) = (listed.items, listed.next_before.is_some());
    jobs.reverse();
    Ok((jobs, more))
}

impl Row {
    fn body(self) -> Result<JobBody, DatabaseError> {
        Ok(JobBody {
            id: self.id,
            change: self.change,
            data_source: self.data_source_name.unwrap_or_else(|| self.data_source.clone()),
            data_source_id: self.data_source,
            agent: self.agent_name,
            agent_id: self.agent,
            mode: self.mode,
            state: self.state,
            fence: column::count("fence", self.fence)?,
            attempt: column::count("attempt", self.attempt)?,
            refusal: self.refusal,
            sqlstate: self.sqlstate,
            counted: self.counted,
            created_at: column::time(self.created_at),
            finished_at: self.finished_at.map(column::time),
            started_at: self.started_at.map(column::time),
            ended_at: self.ended_at.map(column::time),
            result_sha256: self.result_sha256,
        })
    }
}
