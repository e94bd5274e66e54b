//! Agents that are known.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection};
use crate::rows::{AggregateKey, Columns, Kept, Rows, Told, made};
use chrono::{DateTime, Utc};
use client::reads::AgentBody;
use domain::agents::AgentEvent;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Agents;

impl Projection for Agents {
    const NAME: &'static str = "agents";

    fn rows(self) -> Rows {
        Rows::of::<Row>()
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

impl Kept for Row {
    const TABLE: &'static str = "agents";
    const LOAD: &'static str = "SELECT tenant, id, name, spiffe_id, created_sequence, created_at \
        FROM agents \
        JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, id) USING (tenant, id)";
    const WRITE: &'static str = "INSERT INTO agents (tenant, id, name, spiffe_id, \
        created_sequence, created_at) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], \
        $6::timestamptz[])";

    type Key = AggregateKey;
    type Event = AgentEvent;

    fn key(told: &Told<'_, AgentEvent>) -> Result<Option<AggregateKey>, ProjectError> {
        Ok(Some(told.aggregate()))
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, AgentEvent>) -> Result<(), ProjectError> {
        match told.event {
            AgentEvent::Enrolled(enrolled) => made(
                row,
                Self {
                    id: told.recorded.aggregate_id.clone(),
                    name: enrolled.name.clone(),
                    spiffe_id: enrolled.spiffe_id.clone(),
                    created_sequence: column::bigint(told.recorded.sequence)?,
                    created_at: told.recorded.time.datetime(),
                },
            ),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.name.as_str())
            .column(|row| row.spiffe_id.as_str())
            .column(|row| row.created_sequence)
            .column(|row| row.created_at)
    }
}

/// A tenant's agents, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    page: PageRequest,
) -> Result<Listed<AgentBody>, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, name, spiffe_id, created_sequence, created_at FROM agents \
         WHERE tenant = $1 AND created_sequence < $2 \
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
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, name, spiffe_id, created_sequence, created_at FROM agents \
             WHERE tenant = $1 AND (id = $2 OR name = $2)",
    )
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
