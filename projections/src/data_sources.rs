//! Data sources, and which change holds the schema lock of each.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection};
use crate::rows::{AggregateKey, Columns, Kept, Rows, Told, found, made};
use chrono::{DateTime, Utc};
use client::reads::DataSourceBody;
use domain::catalog::{DataSourceEvent, Registered};
use event_log::Recorded;
use sqlx::types::Json;
use std::collections::BTreeMap;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct DataSources;

impl Projection for DataSources {
    const NAME: &'static str = "data_sources";

    fn rows(self) -> Rows {
        Rows::of::<Row>()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    engine: String,
    environment: String,
    agent: String,
    agent_name: String,
    labels: Json<BTreeMap<String, String>>,
    locked_by: Option<String>,
    fence: i64,
    created_sequence: i64,
    created_at: DateTime<Utc>,
}

impl Kept for Row {
    const TABLE: &'static str = "data_sources";
    const LOAD: &'static str = "SELECT tenant, id, name, engine, environment, agent, agent_name, \
        labels, locked_by, fence, created_sequence, created_at FROM data_sources \
        JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, id) USING (tenant, id)";
    const WRITE: &'static str = "INSERT INTO data_sources (tenant, id, name, engine, environment, \
        agent, agent_name, labels, locked_by, fence, created_sequence, created_at) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], \
        $6::text[], $7::text[], $8::jsonb[], $9::text[], $10::bigint[], $11::bigint[], \
        $12::timestamptz[]) \
        ON CONFLICT (tenant, id) DO UPDATE \
        SET locked_by = excluded.locked_by, fence = excluded.fence";

    type Key = AggregateKey;
    type Event = DataSourceEvent;

    fn key(told: &Told<'_, DataSourceEvent>) -> Result<Option<AggregateKey>, ProjectError> {
        Ok(match told.event {
            DataSourceEvent::Created(_)
            | DataSourceEvent::LockGranted { .. }
            | DataSourceEvent::LockReleased { .. } => Some(told.aggregate()),
            DataSourceEvent::LockQueued { .. } => None,
        })
    }

    fn change(
        row: &mut Option<Self>,
        told: &Told<'_, DataSourceEvent>,
    ) -> Result<(), ProjectError> {
        match told.event {
            DataSourceEvent::Created(registered) => {
                made(row, Self::registered(told.recorded, registered)?)
            }
            DataSourceEvent::LockGranted { change, fence } => {
                let row = found(row)?;
                row.locked_by = Some(change.to_string());
                row.fence = column::bigint(*fence)?;
                Ok(())
            }
            DataSourceEvent::LockReleased { change, .. } => {
                // A change that only waited holds nothing, and the row stays as it is.
                let change = change.to_string();
                found(row)?.locked_by.take_if(|holder| *holder == change);
                Ok(())
            }
            DataSourceEvent::LockQueued { .. } => Ok(()),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.name.as_str())
            .column(|row| row.engine.as_str())
            .column(|row| row.environment.as_str())
            .column(|row| row.agent.as_str())
            .column(|row| row.agent_name.as_str())
            .column(|row| Json(&row.labels.0))
            .column(|row| row.locked_by.as_deref())
            .column(|row| row.fence)
            .column(|row| row.created_sequence)
            .column(|row| row.created_at)
    }
}

impl Row {
    fn registered(recorded: &Recorded, registered: &Registered) -> Result<Self, ProjectError> {
        Ok(Self {
            id: recorded.aggregate_id.clone(),
            name: registered.name.clone(),
            engine: registered.engine.clone(),
            environment: registered.environment.clone(),
            agent: registered.agent.to_string(),
            agent_name: registered.agent_name.clone(),
            labels: Json(registered.labels.clone()),
            locked_by: None,
            fence: 0,
            created_sequence: column::bigint(recorded.sequence)?,
            created_at: recorded.time.datetime(),
        })
    }
}

/// A tenant's data sources, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    page: PageRequest,
) -> Result<Listed<DataSourceBody>, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, name, engine, environment, agent, agent_name, labels, locked_by, fence, \
         created_sequence, created_at FROM data_sources WHERE tenant = $1 AND created_sequence < $2 \
         ORDER BY created_sequence DESC LIMIT $3",
    )
    .bind(tenant)
    .bind(page.bound())
    .bind(page.limit())
    .fetch_all(database.pool())
    .await?;
    page.cut(rows, |row| row.created_sequence, Row::body)
}

/// The id of one of a tenant's data sources, by id or name. No name has the shape of an id: slugs hold no `_`.
pub async fn id(
    database: &Database,
    tenant: &str,
    id_or_name: &str,
) -> Result<Option<String>, DatabaseError> {
    // PostgreSQL refuses a NUL where it asks for text.
    if id_or_name.contains('\0') {
        return Ok(None);
    }
    let id = sqlx::query_scalar(
        "SELECT id FROM data_sources WHERE tenant = $1 AND (id = $2 OR name = $2)",
    )
    .bind(tenant)
    .bind(id_or_name)
    .fetch_optional(database.pool())
    .await?;
    Ok(id)
}

impl Row {
    fn body(self) -> Result<DataSourceBody, DatabaseError> {
        Ok(DataSourceBody {
            id: self.id,
            name: self.name,
            engine: self.engine,
            environment: self.environment,
            agent_id: self.agent,
            agent: self.agent_name,
            labels: self.labels.0,
            locked_by: self.locked_by,
            fence: column::count("fence", self.fence)?,
            created_at: column::time(self.created_at),
        })
    }
}
