//! Approvals: who is asked to sign, who did.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection, found};
use chrono::{DateTime, Utc};
use client::reads::{ApprovalBody, SignedBody};
use domain::approvals::{ApprovalEvent, Opened};
use domain::ids::ApprovalId;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;

const TABLE: &str = "approvals";

pub(crate) const OPEN: &str = "open";
pub(crate) const GRANTED: &str = "granted";
pub(crate) const REJECTED: &str = "rejected";
pub(crate) const CLOSED: &str = "closed";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Approvals;

impl Projection for Approvals {
    const NAME: &'static str = "approvals";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::Approval(approval) => project(rows, recorded, approval).await?,
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::TrustRoot(_)
                | Event::DataSource(_)
                | Event::Change(_)
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
    event: &ApprovalEvent,
) -> Result<(), ProjectError> {
    match event {
        ApprovalEvent::Opened(opened) => open(rows, recorded, opened).await,
        ApprovalEvent::Signed(signed) => {
            let signature = SignedBody {
                person: signed.person.to_string(),
                roles: signed.roles.clone(),
                at: recorded.time.to_string(),
            };
            let result = sqlx::query(
                "UPDATE approvals SET signed = signed || jsonb_build_array($3::jsonb), \
                 updated_at = $4 WHERE tenant = $1 AND id = $2",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(Json(signature))
            .bind(recorded.time.datetime())
            .execute(rows)
            .await?;
            found(TABLE, &result)
        }
        ApprovalEvent::Granted {} => decide(rows, recorded, GRANTED, None).await,
        ApprovalEvent::Rejected { person, .. } => {
            decide(rows, recorded, REJECTED, Some(person.to_string())).await
        }
        ApprovalEvent::Closed {} => decide(rows, recorded, CLOSED, None).await,
    }
}

async fn open(
    rows: &mut PgConnection,
    recorded: &Recorded,
    opened: &Opened,
) -> Result<(), ProjectError> {
    sqlx::query(
        "INSERT INTO approvals (tenant, id, change, revision, environment, state, change_sha256, \
         root_version, policy, stages, signed, deadline, created_sequence, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '[]', $11, $12, $13, $13)",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(opened.change.to_string())
    .bind(i64::from(opened.revision))
    .bind(&opened.environment)
    .bind(OPEN)
    .bind(opened.change_sha256.to_string())
    .bind(column::bigint(opened.root.version)?)
    .bind(&opened.policy.name)
    .bind(Json(&opened.stages))
    .bind(opened.deadline.datetime())
    .bind(column::bigint(recorded.sequence)?)
    .bind(recorded.time.datetime())
    .execute(rows)
    .await?;
    Ok(())
}

async fn decide(
    rows: &mut PgConnection,
    recorded: &Recorded,
    state: &str,
    rejected_by: Option<String>,
) -> Result<(), ProjectError> {
    let result = sqlx::query(
        "UPDATE approvals SET state = $3, rejected_by = $4, updated_at = $5 \
         WHERE tenant = $1 AND id = $2",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(state)
    .bind(rejected_by)
    .bind(recorded.time.datetime())
    .execute(rows)
    .await?;
    found(TABLE, &result)
}

/// Which approvals.
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
    revision: i64,
    environment: String,
    state: String,
    change_sha256: String,
    root_version: i64,
    policy: String,
    stages: Json<Value>,
    signed: Json<Vec<SignedBody>>,
    rejected_by: Option<String>,
    deadline: DateTime<Utc>,
    created_sequence: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A tenant's approvals, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    filter: &Filter,
    page: PageRequest,
) -> Result<Listed<ApprovalBody>, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM approvals WHERE tenant = $1 AND created_sequence < $2 \
         AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR change = $4) \
         ORDER BY created_sequence DESC LIMIT $5",
    )
    .bind(tenant)
    .bind(page.bound())
    .bind(&filter.state)
    .bind(&filter.change)
    .bind(page.limit())
    .fetch_all(database.pool())
    .await?;
    page.cut(rows, |row| row.created_sequence, Row::body)
}

/// Whether there is one of this id.
pub async fn exists(
    database: &Database,
    tenant: &str,
    id: ApprovalId,
) -> Result<bool, DatabaseError> {
    let found = "SELECT EXISTS (SELECT FROM approvals WHERE tenant = $1 AND id = $2)";
    let found = sqlx::query_scalar(found).bind(tenant).bind(id.to_string());
    Ok(found.fetch_one(database.pool()).await?)
}

impl Row {
    fn body(self) -> Result<ApprovalBody, DatabaseError> {
        Ok(ApprovalBody {
            id: self.id,
            change: self.change,
            revision: column::count("revision", self.revision)?,
            environment: self.environment,
            state: self.state,
            change_sha256: self.change_sha256,
            root_version: column::count("root_version", self.root_version)?,
            policy: self.policy,
            stages: self.stages.0,
            signed: self.signed.0,
            rejected_by: self.rejected_by,
            deadline: column::time(self.deadline),
            created_at: column::time(self.created_at),
            updated_at: column::time(self.updated_at),
        })
    }
}
