//! Agents that are known.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection};
use chrono::{DateTime, Utc};
use client::reads::AgentBody;
use domain::agents::AgentEvent;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use sqlx::PgConnection;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Agents;

impl Projection for Agents {
    const NAME: &'static str = "agents";
    const TABLES: &'static [&'static str] = &["agents"];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::Agent(agent) => project(rows, recorded, agent).await?,
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::TrustRoot(_)
                | Event::DataSource(_)
                | Event::Change(_)
                | Event::Approval(_)
                | Event::Job(_)
                | Event::Log(_) => {}
            }
        }
        Ok(())
    }
}

async fn project(
    rows: &mut PgConnection,
    recorded: &Recorded,
    event: &AgentEvent,
) -> Result<(), ProjectError> {
    match event {
        AgentEvent::Enrolled(enrolled) => {
            sqlx::query(
                "INSERT INTO agents (tenant, id, name, spiffe_id, created_sequence, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(&enrolled.name)
            .bind(&enrolled.spiffe_id)
            .bind(column::bigint(recorded.sequence)?)
            .bind(recorded.time.datetime())
            .execute(rows)
            .await?;
            Ok(())
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    spiffe_id: String,
    created_sequence: i64,
    created_at: DateTime<Utc>,
}

/// A tenant's agents, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    page: PageRequest,
) -> Result<Listed<AgentBody>, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM agents WHERE tenant = $1 AND created_sequence < $2 \
         ORDER BY created_sequence DESC LIMIT $3",
    )
    .bind(tenant)
    .bind(page.bound())
    .bind(page.limit())
    .fetch_all(database.pool())
    .await?;
    page.cut(rows, |row| row.created_sequence, |row| Ok(row.body()))
}

/// One of a tenant's agents, by id or name. No name has the shape of an id: slugs hold no `_`.
pub async fn find(
    database: &Database,
    tenant: &str,
    id_or_name: &str,
) -> Result<Option<AgentBody>, DatabaseError> {
    // PostgreSQL refuses a NUL where it asks for text.
    if id_or_name.contains('\0') {
        return Ok(None);
    }
    let row: Option<Row> =
        sqlx::query_as("SELECT * FROM agents WHERE tenant = $1 AND (id = $2 OR name = $2)")
            .bind(tenant)
            .bind(id_or_name)
            .fetch_optional(database.pool())
            .await?;
    Ok(row.map(Row::body))
}

impl Row {
    fn body(self) -> AgentBody {
        AgentBody {
            id: self.id,
            name: self.name,
            spiffe_id: self.spiffe_id,
            created_at: column::time(self.created_at),
        }
    }
}
