//! Approvals: who is asked to sign, who did.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::page::{Listed, PageRequest};
use crate::projection::{ProjectError, Projection};
use crate::rows::{AggregateKey, Columns, Kept, Rows, Told, found, made};
use chrono::{DateTime, Utc};
use client::reads::{ApprovalBody, SignedBody};
use domain::approvals::{ApprovalEvent, Opened};
use domain::ids::ApprovalId;
use event_log::Recorded;
use serde_json::Value;
use sqlx::types::Json;
use trust::encoding::Timestamp;

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

    fn rows(self) -> Rows {
        Rows::of::<Row>()
    }
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

impl Kept for Row {
    const TABLE: &'static str = TABLE;
    const LOAD: &'static str = "SELECT tenant, id, change, revision, environment, state, \
        change_sha256, root_version, policy, stages, signed, rejected_by, deadline, \
        created_sequence, created_at, updated_at FROM approvals \
        JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, id) USING (tenant, id)";
    const WRITE: &'static str = "INSERT INTO approvals (tenant, id, change, revision, environment, \
        state, change_sha256, root_version, policy, stages, signed, rejected_by, deadline, \
        created_sequence, created_at, updated_at) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], \
        $6::text[], $7::text[], $8::bigint[], $9::text[], $10::jsonb[], $11::jsonb[], \
        $12::text[], $13::timestamptz[], $14::bigint[], $15::timestamptz[], $16::timestamptz[]) \
        ON CONFLICT (tenant, id) DO UPDATE SET state = excluded.state, signed = excluded.signed, \
        rejected_by = excluded.rejected_by, updated_at = excluded.updated_at";

    type Key = AggregateKey;
    type Event = ApprovalEvent;

    fn key(told: &Told<'_, ApprovalEvent>) -> Result<Option<AggregateKey>, ProjectError> {
        Ok(Some(told.aggregate()))
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, ApprovalEvent>) -> Result<(), ProjectError> {
        let time = told.recorded.time;
        match told.event {
            ApprovalEvent::Opened(opened) => made(row, Self::opened(told.recorded, opened)?),
            ApprovalEvent::Signed(signed) => {
                let row = found(row)?;
                row.updated_at = time.datetime();
                row.signed.0.push(SignedBody {
                    person: signed.person.to_string(),
                    roles: signed.roles.clone(),
                    at: time.to_string(),
                });
                Ok(())
            }
            ApprovalEvent::Granted {} => found(row).map(|row| row.decide(GRANTED, None, time)),
            ApprovalEvent::Rejected { person, .. } => {
                found(row).map(|row| row.decide(REJECTED, Some(person.to_string()), time))
            }
            ApprovalEvent::Closed {} => found(row).map(|row| row.decide(CLOSED, None, time)),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.change.as_str())
            .column(|row| row.revision)
            .column(|row| row.environment.as_str())
            .column(|row| row.state.as_str())
            .column(|row| row.change_sha256.as_str())
            .column(|row| row.root_version)
            .column(|row| row.policy.as_str())
            .column(|row| Json(&row.stages.0))
            .column(|row| Json(&row.signed.0))
            .column(|row| row.rejected_by.as_deref())
            .column(|row| row.deadline)
            .column(|row| row.created_sequence)
            .column(|row| row.created_at)
            .column(|row| row.updated_at)
    }
}

impl Row {
    fn opened(recorded: &Recorded, opened: &Opened) -> Result<Self, ProjectError> {
        Ok(Self {
            id: recorded.aggregate_id.clone(),
            change: opened.change.to_string(),
            revision: i64::from(opened.revision),
            environment: opened.environment.clone(),
            state: OPEN.to_owned(),
            change_sha256: opened.change_sha256.to_string(),
            root_version: column::bigint(opened.root.version)?,
            policy: opened.policy.name.clone(),
            stages: Json(serde_json::to_value(&opened.stages)?),
            signed: Json(Vec::new()),
            rejected_by: None,
            deadline: opened.deadline.datetime(),
            created_sequence: column::bigint(recorded.sequence)?,
            created_at: recorded.time.datetime(),
            updated_at: recorded.time.datetime(),
        })
    }

    fn decide(&mut self, state: &str, rejected_by: Option<String>, time: Timestamp) {
        state.clone_into(&mut self.state);
        self.rejected_by = rejected_by;
        self.updated_at = time.datetime();
    }
}

/// Which approvals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub state: Option<String>,
    /// Only those of this change.
    pub change: Option<String>,
}

/// A tenant's approvals, newest first.
pub async fn list(
    database: &Database,
    tenant: &str,
    filter: &Filter,
    page: PageRequest,
) -> Result<Listed<ApprovalBody>, DatabaseError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, change, revision, environment, state, change_sha256, root_version, policy, stages, \
         signed, rejected_by, deadline, created_sequence, created_at, updated_at FROM approvals \
         WHERE tenant = $1 AND created_sequence < $2 \
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
    database.has_row(TABLE, tenant, &id.to_string()).await
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
