//! A change's whole story as one document: a cqrs-es `View` in the table shape of postgres-es.
//!
//! The worker writes it in its own transaction with the aggregate's version; readers load it with
//! `PostgresViewRepository::load_with_context`, whose version is the `ETag` (DESIGN.md 5.3).

use crate::change_list::{Moved, phase_after};
use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::{ProjectError, Projection};
use client::reads::{ChangeDetail, HistoryEntry, Resolution, StepBody};
use cqrs_es::persist::ViewRepository as _;
use cqrs_es::{EventEnvelope, View};
use domain::changes::{ApprovalPending, Change, ChangeEvent, Drafted, Phase};
use domain::ids::ChangeId;
use domain::registry::Event;
use domain::vocabulary::Start;
use event_log::{Recorded, RecordedEvent};
use postgres_es::PostgresViewRepository;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::HashMap;

const TABLE: &str = "change_detail";

const TIME: &str = "time";
const ACTOR: &str = "actor";
const SEQUENCE: &str = "sequence";
const HASH: &str = "hash";
const KIND: &str = "type";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ChangeDetails;

/// The document: [`ChangeDetail`] as a view over the change's events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeDocument(pub ChangeDetail);

/// The one constructor of view ids: `<tenant>/<change id>`. A slug holds no `/`.
pub fn view_id(tenant: &str, change: ChangeId) -> String {
    format!("{tenant}/{change}")
}

/// A change and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    change: ChangeId,
) -> Result<Option<(ChangeDetail, u64)>, DatabaseError> {
    let views: PostgresViewRepository<ChangeDocument, Change> =
        PostgresViewRepository::new(TABLE, database.pool().clone());
    let Some((document, context)) = views.load_with_context(&view_id(tenant, change)).await? else {
        return Ok(None);
    };
    Ok(Some((document.0, column::count("version", context.version)?)))
}

impl Projection for ChangeDetails {
    const NAME: &'static str = "change_detail";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        let mut changes = Vec::new();
        for event in events {
            match &event.event {
                Event::Change(change) => changes.push((event, change)),
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
        if changes.is_empty() {
            return Ok(());
        }
        let id = view_id(&recorded.tenant, recorded.aggregate_id.parse()?);
        let mut document = stored(rows, &id).await?;
        for (event, change) in changes {
            document.update(&envelope(recorded, event, change)?);
        }
        write(rows, &id, recorded, &document).await
    }
}

async fn stored(rows: &mut PgConnection, id: &str) -> Result<ChangeDocument, ProjectError> {
    let payload: Option<Json<ChangeDocument>> =
        sqlx::query_scalar("SELECT payload FROM change_detail WHERE view_id = $1")
            .bind(id)
            .fetch_optional(rows)
            .await?;
    Ok(payload.map(|json| json.0).unwrap_or_default())
}

async fn write(
    rows: &mut PgConnection,
    id: &str,
    recorded: &Recorded,
    document: &ChangeDocument,
) -> Result<(), ProjectError> {
    let result = sqlx::query(
        "INSERT INTO change_detail (view_id, version, payload) VALUES ($1, $2, $3) \
         ON CONFLICT (view_id) DO UPDATE SET version = excluded.version, \
         payload = excluded.payload WHERE change_detail.version < excluded.version",
    )
    .bind(id)
    .bind(column::bigint(recorded.version)?)
    .bind(Json(document))
    .execute(rows)
    .await?;
    crate::projection::found(TABLE, &result)
}

fn envelope(
    recorded: &Recorded,
    event: &RecordedEvent,
    change: &ChangeEvent,
) -> Result<EventEnvelope<Change>, ProjectError> {
    let metadata = HashMap::from([
        (TIME.to_owned(), recorded.time.to_string()),
        (ACTOR.to_owned(), recorded.actor.id.to_string()),
        (SEQUENCE.to_owned(), recorded.sequence.to_string()),
        (HASH.to_owned(), recorded.hash.to_string()),
        (KIND.to_owned(), event.kind.clone()),
    ]);
    Ok(EventEnvelope {
        aggregate_id: recorded.aggregate_id.clone(),
        sequence: usize::try_from(recorded.version).map_err(|_| ProjectError::OutOfRange)?,
        payload: change.clone(),
        metadata,
    })
}

impl View<Change> for ChangeDocument {
    fn update(&mut self, event: &EventEnvelope<Change>) {
        let meta = |name: &str| event.metadata.get(name).cloned().unwrap_or_default();
        let document = &mut self.0;
        document.id.clone_from(&event.aggregate_id);
        document.updated_at = meta(TIME);
        match phase_after(&event.payload) {
            Moved::Drafted(drafted) => {
                draft(document, drafted);
                document.created_at = meta(TIME);
            }
            Moved::To(phase) => phase.name().clone_into(&mut document.state),
            Moved::Nowhere => {}
        }
        detail(document, &event.payload);
        document.history.push(HistoryEntry {
            event: meta(KIND),
            at: meta(TIME),
            actor: meta(ACTOR),
            sequence: meta(SEQUENCE).parse().unwrap_or(0),
            hash: meta(HASH),
        });
    }
}

fn draft(document: &mut ChangeDetail, drafted: &Drafted) {
    drafted.title.shown().clone_into(&mut document.title);
    document.reason = drafted.reason.as_ref().map(|reason| reason.shown().to_owned());
    document.data_source_id = drafted.data_source.to_string();
    document.environment.clone_from(&drafted.environment);
    Phase::Draft.name().clone_into(&mut document.state);
    document.author = drafted.author.to_string();
    let start = match drafted.start {
        Start::OnApproval => "on_approval",
        Start::OnRelease => "on_release",
    };
    start.clone_into(&mut document.start);
    document.sql_sha256 = drafted.sql.sha256.to_string();
    document.sql_size = drafted.sql.size;
    let steps = drafted.steps.iter().map(|step| StepBody {
        ordinal: step.ordinal,
        sha256: step.sha256.to_string(),
        transactional: step.transactional,
    });
    document.steps = steps.collect();
}

fn detail(document: &mut ChangeDetail, event: &ChangeEvent) {
    match event {
        ChangeEvent::Requested { revision } => document.revision = *revision,
        ChangeEvent::PendingApproval(pending) => request(document, pending),
        ChangeEvent::Dispatched { job, fence } => {
            document.job = Some(job.to_string());
            document.fence = Some(*fence);
        }
        ChangeEvent::Applied { fingerprint, .. } => {
            document.fingerprint_after.clone_from(fingerprint);
        }
        ChangeEvent::Failed { code, job } => {
            document.code = Some(code.clone());
            // A failed check has no executing job; its own is the one to look at.
            if let (None, Some(job)) = (&document.job, job) {
                document.job = Some(job.to_string());
            }
        }
        ChangeEvent::Resolved { found, reason, by } => {
            document.resolution = Some(Resolution {
                found: Phase::found(*found).name().to_owned(),
                by: by.to_string(),
                reason: reason.shown().to_owned(),
            });
        }
        ChangeEvent::Drafted(_)
        | ChangeEvent::Approved { .. }
        | ChangeEvent::Rejected { .. }
        | ChangeEvent::Scheduled { .. }
        | ChangeEvent::ResultTaken { .. }
        | ChangeEvent::OutcomeUnknown { .. }
        | ChangeEvent::Cancelled { .. } => {}
    }
}

fn request(document: &mut ChangeDetail, pending: &ApprovalPending) {
    document.revision = pending.revision;
    document.approval = Some(pending.approval.to_string());
    document.change_sha256 = Some(pending.change_sha256.to_string());
    document.fingerprint = Some(pending.fingerprint.clone());
    document.root_version = Some(pending.root.version);
}
