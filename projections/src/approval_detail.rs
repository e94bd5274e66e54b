//! An approval and how it came about, as one document.

use crate::approvals::{CLOSED, GRANTED, OPEN, REJECTED};
use crate::database::{Database, DatabaseError};
use crate::document::{self, entry, time};
use crate::projection::{ProjectError, Projection};
use client::reads::SignedBody;
use client::stories::ApprovalDetail;
use cqrs_es::{EventEnvelope, View};
use domain::approvals::{Approval, ApprovalEvent, Opened};
use domain::ids::ApprovalId;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

const TABLE: &str = "approval_detail";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalDetails;

/// The document: [`ApprovalDetail`] as a view over the approval's events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalDocument(pub ApprovalDetail);

/// An approval and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    approval: ApprovalId,
) -> Result<Option<(ApprovalDetail, u64)>, DatabaseError> {
    let id = approval.to_string();
    let loaded = document::load::<ApprovalDocument, Approval>(database, TABLE, tenant, &id).await?;
    Ok(loaded.map(|(document, version)| (document.0, version)))
}

impl Projection for ApprovalDetails {
    const NAME: &'static str = "approval_detail";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        let mut approvals = Vec::new();
        for event in events {
            match &event.event {
                Event::Approval(approval) => approvals.push((event, approval)),
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
        document::take_in::<ApprovalDocument, Approval>(rows, TABLE, recorded, approvals).await
    }
}

impl View<Approval> for ApprovalDocument {
    fn update(&mut self, event: &EventEnvelope<Approval>) {
        let document = &mut self.0;
        let approval = &mut document.approval;
        approval.id.clone_from(&event.aggregate_id);
        approval.updated_at = time(event);
        match &event.payload {
            ApprovalEvent::Opened(opened) => {
                approval.created_at = time(event);
                open(document, opened);
            }
            ApprovalEvent::Signed(signed) => approval.signed.push(SignedBody {
                person: signed.person.to_string(),
                roles: signed.roles.clone(),
                at: time(event),
            }),
            ApprovalEvent::Granted {} => GRANTED.clone_into(&mut approval.state),
            ApprovalEvent::Rejected { person, .. } => {
                REJECTED.clone_into(&mut approval.state);
                approval.rejected_by = Some(person.to_string());
            }
            ApprovalEvent::Closed {} => CLOSED.clone_into(&mut approval.state),
        }
        self.0.history.push(entry(event));
    }
}

fn open(document: &mut ApprovalDetail, opened: &Opened) {
    document.data_source_id = opened.data_source.to_string();
    document.author = opened.author.to_string();
    opened.start.name().clone_into(&mut document.start);
    let approval = &mut document.approval;
    OPEN.clone_into(&mut approval.state);
    approval.change = opened.change.to_string();
    approval.revision = opened.revision;
    approval.environment.clone_from(&opened.environment);
    approval.change_sha256 = opened.change_sha256.to_string();
    approval.root_version = opened.root.version;
    approval.policy.clone_from(&opened.policy.name);
    approval.stages = serde_json::json!(opened.stages);
    approval.deadline = opened.deadline.to_string();
}
