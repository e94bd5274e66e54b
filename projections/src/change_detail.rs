//! A change's own story as one document.

use crate::change_list::{Moved, phase_after};
use crate::database::{Database, DatabaseError};
use crate::document::{self, Documented, Versioned, documents, entry, time, traceparent};
use crate::projection::Projection;
use crate::rows::Rows;
use client::reads::{ChangeDetail, Resolution, StepBody};
use cqrs_es::EventEnvelope;
use domain::changes::{ApprovalPending, Change, ChangeEvent, Drafted, Phase};
use domain::ids::ChangeId;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ChangeDetails;

/// A change and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    change: ChangeId,
) -> Result<Option<(ChangeDetail, u64)>, DatabaseError> {
    document::load(database, tenant, &change.to_string()).await
}

impl Projection for ChangeDetails {
    const NAME: &'static str = "change_detail";

    fn rows(self) -> Rows {
        Rows::of::<Versioned<ChangeDetail>>()
    }
}

impl Documented for ChangeDetail {
    documents!("change_detail");

    type Of = Change;

    fn tell(&mut self, event: &EventEnvelope<Change>) {
        self.id.clone_from(&event.aggregate_id);
        self.updated_at = time(event);
        match phase_after(&event.payload) {
            Moved::Drafted(drafted) => {
                draft(self, drafted);
                self.created_at = time(event);
                self.traceparent = traceparent(event);
            }
            Moved::To(phase) => phase.name().clone_into(&mut self.state),
            Moved::Nowhere => {}
        }
        detail(self, &event.payload);
        self.history.push(entry(event));
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
