//! Data sources, and which change holds the schema lock of each.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection, found};
use chrono::{DateTime, Utc};
use client::reads::DataSourceBody;
use domain::catalog::{DataSourceEvent, Registered};
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeMap;

const TABLE: &str = "data_sources";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct DataSources;

impl Projection for DataSources {
    const NAME: &'static str = "data_sources";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::DataSource(data_source) => project(rows, recorded, data_source).await?,
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::TrustRoot(_)
                | Event::Change(_)
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
    event: &DataSourceEvent,
) -> Result<(), ProjectError> {
    match event {
        DataSourceEvent::Created(registered) => register(rows, recorded, registered).await,
        DataSourceEvent::LockGranted { change, fence } => {
            let result = sqlx::query(
                "UPDATE data_sources SET locked_by = $3, fence = $4 WHERE tenant = $1 AND id = $2",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(change.to_string())
            .bind(column::bigint(*fence)?)
            .execute(rows)
            .await?;
            found(TABLE, &result)
        }
        DataSourceEvent::LockReleased { change, .. } => {
            // A change that only waited holds nothing, and its row stays as it is.
            let result = sqlx::query(
                "UPDATE data_sources SET locked_by = nullif(locked_by, $3) \
                 WHERE tenant = $1 AND id = $2",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(change.to_string())
            .execute(rows)
            .await?;
            found(TABLE, &result)
        }
        DataSourceEvent::LockQueued { .. } => Ok(()),
    }
}

async fn register(
    rows: &mut PgConnection,
    recorded: &Recorded,
    registered: &Registered,
) -> Result<(), ProjectError> {
    sqlx::query(
        "INSERT INTO data_sources (tenant, id, name, engine, environment, agent, agent_name, \
         labels, fence, created_sequence, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(&registered.name)
    .bind(&registered.engine)
    .bind(&registered.environment)
    .bind(registered.agent.to_string())
    .bind(&registered.agent_name)
    .bind(Json(&registered.labels))
    .bind(column::bigint(recorded.sequence)?)
    .bind(recorded.time.datetime())
    .execute(rows)
    .await?;
    Ok(())
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

/// A tenant's data sources, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    page: PageRequest,
) -> Result<Listed<DataSourceBody>, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM data_sources WHERE tenant = $1 AND created_sequence < $2 \
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
