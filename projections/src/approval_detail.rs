//! An approval and how it came about, as one document.

use crate::approvals::{CLOSED, GRANTED, OPEN, REJECTED};
use crate::database::{Database, DatabaseError};
use crate::document::{self, Documented, Versioned, documents, entry, time};
use crate::projection::Projection;
use crate::rows::Rows;
use client::reads::SignedBody;
use client::stories::ApprovalDetail;
use cqrs_es::EventEnvelope;
use domain::approvals::{Approval, ApprovalEvent, Opened};
use domain::ids::ApprovalId;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalDetails;

/// An approval and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    approval: ApprovalId,
) -> Result<Option<(ApprovalDetail, u64)>, DatabaseError> {
    document::load(database, tenant, &approval.to_string()).await
}

impl Projection for ApprovalDetails {
    const NAME: &'static str = "approval_detail";

    fn rows(self) -> Rows {
        Rows::of::<Versioned<ApprovalDetail>>()
    }
}

impl Documented for ApprovalDetail {
    documents!("approval_detail");

    type Of = Approval;

    fn tell(&mut self, event: &EventEnvelope<Approval>) {
        let approval = &mut self.approval;
        approval.id.clone_from(&event.aggregate_id);
        approval.updated_at = time(event);
        match &event.payload {
            ApprovalEvent::Opened(opened) => {
                approval.created_at = time(event);
                open(self, opened);
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
        self.history.push(entry(event));
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
