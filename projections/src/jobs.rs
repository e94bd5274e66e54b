//! Jobs: what was sent to which agent, and what it reported.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection};
use crate::rows::{AggregateKey, Columns, Kept, Rows, Told, found, made};
use chrono::{DateTime, Utc};
use client::reads::JobBody;
use domain::ids::{ChangeId, JobId};
use domain::jobs::{Dispatched, Finished, JobEvent};
use event_log::Recorded;
use sqlx::types::Json;

/// Signed and on its way, or running; the result has not been taken in.
const DISPATCHED: &str = "dispatched";

/// As many jobs of one change as its story tells, the newest.
const OF_A_CHANGE: u32 = 20;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Jobs;

impl Projection for Jobs {
    const NAME: &'static str = "jobs";

    fn rows(self) -> Rows {
        Rows::of::<Row>()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    change: String,
    data_source: String,
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

impl Kept for Row {
    const TABLE: &'static str = "jobs";
    const LOAD: &'static str = "SELECT tenant, id, change, data_source, agent, agent_name, mode, \
        state, fence, attempt, refusal, sqlstate, counted, created_sequence, created_at, \
        finished_at, started_at, ended_at, result_sha256 FROM jobs \
        JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, id) USING (tenant, id)";
    // An array of arrays has no place for lists of different lengths: each list is a JSON text.
    const WRITE: &'static str = "INSERT INTO jobs (tenant, id, change, data_source, agent, \
        agent_name, mode, state, fence, attempt, refusal, sqlstate, counted, created_sequence, \
        created_at, finished_at, started_at, ended_at, result_sha256) \
        SELECT tenant, id, change, data_source, agent, agent_name, mode, state, fence, attempt, \
        refusal, sqlstate, ARRAY(SELECT jsonb_array_elements_text(counted)), created_sequence, \
        created_at, finished_at, started_at, ended_at, result_sha256 \
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
        $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], \
        $13::jsonb[], $14::bigint[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], \
        $18::timestamptz[], $19::text[]) AS new (tenant, id, change, data_source, agent, \
        agent_name, mode, state, fence, attempt, refusal, sqlstate, counted, created_sequence, \
        created_at, finished_at, started_at, ended_at, result_sha256) \
        ON CONFLICT (tenant, id) DO UPDATE SET state = excluded.state, \
        refusal = excluded.refusal, sqlstate = excluded.sqlstate, counted = excluded.counted, \
        finished_at = excluded.finished_at, started_at = excluded.started_at, \
        ended_at = excluded.ended_at, result_sha256 = excluded.result_sha256";

    type Key = AggregateKey;
    type Event = JobEvent;

    fn key(told: &Told<'_, JobEvent>) -> Result<Option<AggregateKey>, ProjectError> {
        Ok(Some(told.aggregate()))
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, JobEvent>) -> Result<(), ProjectError> {
        match told.event {
            JobEvent::Dispatched(dispatched) => {
                made(row, Self::dispatched(told.recorded, dispatched)?)
            }
            JobEvent::Succeeded(finished)
            | JobEvent::Failed(finished)
            | JobEvent::Refused(finished)
            | JobEvent::OutcomeUnknown(finished) => found(row)?.finish(told.recorded, finished),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.change.as_str())
            .column(|row| row.data_source.as_str())
            .column(|row| row.agent.as_str())
            .column(|row| row.agent_name.as_str())
            .column(|row| row.mode.as_str())
            .column(|row| row.state.as_str())
            .column(|row| row.fence)
            .column(|row| row.attempt)
            .column(|row| row.refusal.as_deref())
            .column(|row| row.sqlstate.as_deref())
            .column(|row| Json(&row.counted))
            .column(|row| row.created_sequence)
            .column(|row| row.created_at)
            .column(|row| row.finished_at)
            .column(|row| row.started_at)
            .column(|row| row.ended_at)
            .column(|row| row.result_sha256.as_deref())
    }
}

impl Row {
    fn dispatched(recorded: &Recorded, dispatched: &Dispatched) -> Result<Self, ProjectError> {
        Ok(Self {
            id: recorded.aggregate_id.clone(),
            change: dispatched.change.to_string(),
            data_source: dispatched.data_source.to_string(),
            agent: dispatched.agent.to_string(),
            agent_name: dispatched.agent_name.clone(),
            mode: dispatched.mode.name().to_owned(),
            state: DISPATCHED.to_owned(),
            fence: column::bigint(dispatched.fence)?,
            attempt: i64::from(dispatched.attempt),
            refusal: None,
            sqlstate: None,
            counted: Vec::new(),
            created_sequence: column::bigint(recorded.sequence)?,
            created_at: recorded.time.datetime(),
            finished_at: None,
            started_at: None,
            ended_at: None,
            result_sha256: None,
        })
    }

    fn finish(&mut self, recorded: &Recorded, finished: &Finished) -> Result<(), ProjectError> {
        let text = |text: &String| column::text(text);
        finished.outcome.name().clone_into(&mut self.state);
        self.refusal = finished.refusal.as_ref().map(text).transpose()?;
        self.sqlstate = finished.sqlstate.as_ref().map(text).transpose()?;
        self.counted = finished.counted.iter().map(text).collect::<Result<_, _>>()?;
        self.finished_at = Some(recorded.time.datetime());
        self.started_at = Some(finished.started_at.datetime());
        self.ended_at = Some(finished.finished_at.datetime());
        self.result_sha256 = Some(finished.result.sha256.to_string());
        Ok(())
    }
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
struct Named {
    #[sqlx(flatten)]
    row: Row,
    data_source_name: Option<String>,
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
    let rows: Vec<Named> = sqlx::query_as(&statement)
        .bind(tenant)
        .bind(page.bound())
        .bind(&filter.state)
        .bind(&filter.change)
        .bind(page.limit())
        .fetch_all(database.pool())
        .await?;
    page.cut(rows, |named| named.row.created_sequence, Named::body)
}

/// One of a tenant's jobs.
pub async fn find(
    database: &Database,
    tenant: &str,
    id: JobId,
) -> Result<Option<JobBody>, DatabaseError> {
    let statement = format!("{SELECT} AND j.id = $2");
    let row: Option<Named> = sqlx::query_as(&statement)
        .bind(tenant)
        .bind(id.to_string())
        .fetch_optional(database.pool())
        .await?;
    row.map(Named::body).transpose()
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

impl Named {
    fn body(self) -> Result<JobBody, DatabaseError> {
        let Self { row, data_source_name } = self;
        Ok(JobBody {
            id: row.id,
            change: row.change,
            data_source: data_source_name.unwrap_or_else(|| row.data_source.clone()),
            data_source_id: row.data_source,
            agent: row.agent_name,
            agent_id: row.agent,
            mode: row.mode,
            state: row.state,
            fence: column::count("fence", row.fence)?,
            attempt: column::count("attempt", row.attempt)?,
            refusal: row.refusal,
            sqlstate: row.sqlstate,
            counted: row.counted,
            created_at: column::time(row.created_at),
            finished_at: row.finished_at.map(column::time),
            started_at: row.started_at.map(column::time),
            ended_at: row.ended_at.map(column::time),
            result_sha256: row.result_sha256,
        })
    }
}
