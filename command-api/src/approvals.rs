//! Approvals: opened by workflows, decided by people with their own keys.

use crate::answer::Answer;
use crate::ask::{Ask, ByApprover, ByWorkflow};
use crate::change_flow::{MANIFEST, manifest};
use crate::problem::{DECISION_MISMATCH, MANIFEST_INVALID, SIGNATURE_MALFORMED};
use crate::state::{AppState, prose};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use client::ReceiptBody;
use client::commands::{Decide, Nothing, OpenApproval};
use domain::approvals::{Approval, ApprovalCommand, ApprovalError, Opened, Signer};
use domain::changes::{Change, ChangeError};
use domain::ids::ApprovalId;
use domain::personal::Personal;
use domain::vocabulary::RootRef;
use serde_json::Value;
use std::collections::BTreeSet;
use trust::dsse::{Envelope, Parsed, Signature};
use trust::encoding::Sha256Digest;
use trust::quorum::signers;
use trust::statement::{Decision, DecisionKind, Root, Statement as _};
use trust::strict;

const LONGEST_KEYID: usize = 128;

/// Open an approval of a fixed manifest.
#[utoipa::path(post, path = "/v1/approvals", tag = "approvals", request_body = OpenApproval,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %ask.body.change))]
pub async fn open_approval(
    State(state): State<AppState>,
    ask: Ask<ByWorkflow, OpenApproval>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    let body = &ask.body;
    let (bytes, stated) = manifest(tenant, body.change, &body.manifest)?;
    let change: Change =
        state.find(tenant, &body.change.to_string(), &ChangeError::NotFound).await?;
    let author = change.author.ok_or_else(|| Problem::refusal(&ChangeError::NotFound))?;
    let data_source =
        change.data_source().ok_or_else(|| Problem::refusal(&ChangeError::NotFound))?;
    if stated.author.as_str() != author.to_string() || stated.revision != u64::from(body.revision) {
        return Err(Problem::of(&MANIFEST_INVALID));
    }
    let opened = Opened {
        change: body.change,
        revision: body.revision,
        data_source,
        environment: stated.environment.clone(),
        author,
        change_sha256: Sha256Digest::of(&bytes),
        manifest: state.blob(tenant, bytes, MANIFEST).await?,
        root: RootRef { version: stated.root.version, sha256: stated.root.sha256 },
        policy: body.policy.clone(),
        stages: body.stages.clone(),
        start: body.start,
        deadline: stated.not_after,
    };
    let request = ask.request(tenant, "open_approval");
    let id = ApprovalId::derived("approval", &[&request.command.to_string()]).to_string();
    let command = ApprovalCommand::Open(opened);
    let answered = state.execute::<Approval, _, _, _>(&ask, "open_approval", &id, command).await?;
    Ok(Answer::created("approvals", &answered))
}

/// Countersign or reject, with one's own key.
#[utoipa::path(post, path = "/v1/approvals/{approval_id}/decisions", tag = "approvals",
    params(("approval_id" = String, Path, description = "The approval")), request_body = Decide,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(approval.id = %approval))]
pub async fn decide_approval(
    State(state): State<AppState>,
    PathId(approval): PathId<ApprovalId>,
    ask: Ask<ByApprover, Decide>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    let id = approval.to_string();
    let missing = ApprovalError::NotFound;
    let found: Approval = state.find(tenant, &id, &missing).await?;
    let opened = found.opened.ok_or_else(|| Problem::refusal(&missing))?;
    let root = state.trust_root(tenant).await?;
    let command = match &ask.body {
        Decide::Approve { signature } => {
            let bytes = state.stored(tenant, &opened.manifest).await?;
            let envelope = Envelope::around_payload(MANIFEST, bytes.to_vec());
            let envelope = envelope.with_signature(read_signature(signature)?);
            let signer = signer(&envelope, root.root(), &opened.environment)?;
            let signature = signature.clone();
            ApprovalCommand::Countersign { signer, signature }
        }
        Decide::Reject { statement, reason } => {
            let reason = reason.as_deref();
            let reason = reason.map(|reason| prose("/reason", reason, 4_000)).transpose()?;
            let envelope = rejection(statement, tenant, &opened, reason.as_deref())?;
            let signer = signer(&envelope, root.root(), &opened.environment)?;
            let reason = reason.map(Personal::Clear);
            let bytes = envelope.to_json().map_err(|error| malformed(&error))?;
            let statement = state.blob(tenant, bytes, Decision::PAYLOAD_TYPE).await?;
            ApprovalCommand::Reject { signer, statement, reason }
        }
    };
    state.accept::<Approval, _, _, _>(&ask, ("approvals", "decide_approval"), &id, command).await
}

fn read_signature(signature: &Value) -> Result<Signature, Problem> {
    let read: Signature = strict::exact(signature).map_err(|error| malformed(&error))?;
    // A hint only; but it is recorded, and must be readable wherever the record is.
    if read.keyid.len() > LONGEST_KEYID || !read.keyid.bytes().all(|b| b.is_ascii_graphic()) {
        let detail = "keyid is not visible ASCII of at most 128 characters";
        return Err(Problem::of(&SIGNATURE_MALFORMED).detail(detail));
    }
    Ok(read)
}

fn malformed(why: &dyn std::error::Error) -> Problem {
    Problem::of(&SIGNATURE_MALFORMED).detail(why.to_string())
}

/// The person of the current root whose key made the envelope's signature, with their roles for the environment.
fn signer(envelope: &Envelope, root: &Root, environment: &str) -> Result<Option<Signer>, Problem> {
    let people = signers(envelope, root, &BTreeSet::new());
    let Some(id) = people.first() else { return Ok(None) };
    let holder = root.roles.people.iter().find(|person| person.person == *id);
    let granted = holder.iter().flat_map(|person| &person.roles);
    let roles: BTreeSet<String> = granted.map(|grant| grant.role.clone()).collect();
    let holds = |role: &String| holder.is_some_and(|person| person.holds(role, environment));
    let roles = roles.into_iter().filter(holds).collect();
    let person =
        id.as_str().parse().map_err(|error: domain::ids::MalformedId| malformed(&error))?;
    Ok(Some(Signer { person, roles }))
}

/// The signed decision, if it rejects this manifest for this reason.
fn rejection(
    statement: &Value,
    tenant: &str,
    opened: &Opened,
    reason: Option<&str>,
) -> Result<Envelope, Problem> {
    let bytes = serde_json::to_vec(statement).map_err(|error| malformed(&error))?;
    let envelope = Envelope::parse(&bytes).map_err(|error| malformed(&error))?;
    let parsed = Parsed::<Decision>::from_envelope(envelope.clone());
    let parsed = parsed.map_err(|error| malformed(&error))?;
    let decision = parsed.statement();
    let same = decision.tenant.as_str() == tenant
        && decision.change_sha256 == opened.change_sha256
        && decision.decision == DecisionKind::Reject
        && decision.reason_sha256 == Sha256Digest::of(reason.unwrap_or_default().as_bytes());
    if same { Ok(envelope) } else { Err(Problem::of(&DECISION_MISMATCH)) }
}

/// Close the approval of a change that was taken back.
#[utoipa::path(post, path = "/v1/approvals/{approval_id}/close", tag = "approvals",
    params(("approval_id" = String, Path, description = "The approval")), request_body = Nothing,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(approval.id = %approval))]
pub async fn close_approval(
    State(state): State<AppState>,
    PathId(approval): PathId<ApprovalId>,
    ask: Ask<ByWorkflow, Nothing>,
) -> Result<Answer, Problem> {
    let (names, id) = (("approvals", "close_approval"), approval.to_string());
    state.accept::<Approval, _, _, _>(&ask, names, &id, ApprovalCommand::Close).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_signature_has_one_form() {
        let signature = json!({"keyid": "k", "sig": "AA==", "x5c": null, "webauthn": null});
        assert!(read_signature(&signature).is_ok());
        for wrong in [
            json!(["k", "AA==", null, null]),
            json!({"keyid": "k", "sig": "AA=="}),
            json!({"keyid": "k", "sig": "AA", "x5c": null, "webauthn": null}),
            json!({"keyid": "k", "sig": "AA==", "x5c": null, "webauthn": ["", ""]}),
        ] {
            let problem = read_signature(&wrong).unwrap_err();
            assert_eq!(problem.code(), SIGNATURE_MALFORMED.code, "{wrong}");
        }
    }
}
