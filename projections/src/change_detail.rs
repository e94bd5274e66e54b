//! A change's own story as one document.

use crate::change_list::{Moved, phase_after};
use crate::database::{Database, DatabaseError};
use crate::document::{self, entry, time, traceparent};
use crate::projection::{ProjectError, Projection};
use client::reads::{ChangeDetail, Resolution, StepBody};
use cqrs_es::{EventEnvelope, View};
use domain::changes::{ApprovalPending, Change, ChangeEvent, Drafted, Phase};
use domain::ids::ChangeId;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

const TABLE: &str = "change_detail";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ChangeDetails;

/// The document: [`ChangeDetail`] as a view over the change's events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeDocument(pub ChangeDetail);

/// A change and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    change: ChangeId,
) -> Result<Option<(ChangeDetail, u64)>, DatabaseError> {
    let id = change.to_string();
    let loaded = document::load::<ChangeDocument, Change>(database, TABLE, tenant, &id).await?;
    Ok(loaded.map(|(document, version)| (document.0, version)))
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
        document::take_in::<ChangeDocument, Change>(rows, TABLE, recorded, changes).await
    }
}

impl View<Change> for ChangeDocument {
    fn update(&mut self, event: &EventEnvelope<Change>) {
        let document = &mut self.0;
        document.id.clone_from(&event.aggregate_id);
        document.updated_at = time(event);
        match phase_after(&event.payload) {
            Moved::Drafted(drafted) => {
                draft(document, drafted);
                document.created_at = time(event);
                document.traceparent = traceparent(event);
            }
            Moved::To(phase) => phase.name().clone_into(&mut document.state),
            Moved::Nowhere => {}
        }
        detail(document, &event.payload);
        document.history.push(entry(event));
    }
}

fn draft(document: &mut ChangeDetail, drafted: &Drafted) {
    drafted.title.shown().clone_into(&mut document.title);
    document.reason = drafted.reason.as_ref().map(|reason| reason.shown().to_owned());
    document.data_source_id = drafted.data_source.to_string();
    document.environment.clone_from(&drafted.environment);
    Phase::Draft.name().clone_into(&mut document.state);
    document.author = drafted.author.to_string();
    drafted.start.name().clone_into(&mut document.start);
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
