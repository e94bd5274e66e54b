//! Changes, as workflows carry them on.

use crate::answer::Answer;
use crate::ask::{Ask, ByWorkflow};
use crate::problem::{MANIFEST_INVALID, RESULT_MISSING, unread};
use crate::state::{AppState, base64, text};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use client::ReceiptBody;
use client::commands::{
    FailCheck, FailDispatch, RecordApproval, RecordDispatch, RecordRejection, RecordResult,
    RequestApproval,
};
use domain::changes::{ApprovalRequest, Change, ChangeCommand, ExecutionReport};
use domain::ids::ChangeId;
use domain::jobs::{Job, JobError};
use trust::encoding::Sha256Digest;
use trust::statement::{Change as Manifest, Statement as _};

/// The media type of manifests.
pub const MANIFEST: &str = Manifest::PAYLOAD_TYPE;

/// Of error codes and fingerprints.
const LONGEST_CODE: usize = 200;

/// The manifest bytes, if they are a manifest of this tenant and change.
pub fn manifest(
    tenant: &str,
    change: ChangeId,
    text: &str,
) -> Result<(Vec<u8>, Manifest), Problem> {
    let bytes = base64("/manifest", text)?;
    let manifest = Manifest::parse(&bytes)
        .map_err(|error| Problem::of(&MANIFEST_INVALID).detail(error.to_string()))?;
    let same = manifest.tenant.as_str() == tenant && manifest.change.as_str() == change.to_string();
    if same { Ok((bytes, manifest)) } else { Err(Problem::of(&MANIFEST_INVALID)) }
}

/// The live schema is known and the manifest fixed: people may sign.
#[utoipa::path(post, path = "/v1/changes/{change_id}/request-approval", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = RequestApproval,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn request_approval(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, RequestApproval>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    let (bytes, _) = manifest(tenant, change, &ask.body.manifest)?;
    let change_sha256 = Sha256Digest::of(&bytes);
    let command = ChangeCommand::RequestApproval(ApprovalRequest {
        approval: ask.body.approval,
        manifest: state.blob(tenant, bytes, MANIFEST).await?,
        change_sha256,
        fingerprint: text("/fingerprint", &ask.body.fingerprint, LONGEST_CODE)?,
        root: ask.body.root.clone(),
        policy: ask.body.policy.clone(),
        job: ask.body.job,
    });
    let (names, id) = (("changes", "request_approval"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// The checks did not pass.
#[utoipa::path(post, path = "/v1/changes/{change_id}/fail-check", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = FailCheck,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn fail_check(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, FailCheck>,
) -> Result<Answer, Problem> {
    let code = text("/code", &ask.body.code, LONGEST_CODE)?;
    let command = ChangeCommand::FailCheck { code, job: ask.body.job };
    let (names, id) = (("changes", "fail_check"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// Enough people signed.
#[utoipa::path(post, path = "/v1/changes/{change_id}/record-approval", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = RecordApproval,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn record_approval(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, RecordApproval>,
) -> Result<Answer, Problem> {
    let command = ChangeCommand::RecordApproval { approval: ask.body.approval };
    let (names, id) = (("changes", "record_approval"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// Somebody rejected it.
#[utoipa::path(post, path = "/v1/changes/{change_id}/record-rejection", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = RecordRejection,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn record_rejection(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, RecordRejection>,
) -> Result<Answer, Problem> {
    let command = ChangeCommand::RecordRejection { approval: ask.body.approval, by: ask.body.by };
    let (names, id) = (("changes", "record_rejection"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// The schema lock is held and the job about to be sent.
#[utoipa::path(post, path = "/v1/changes/{change_id}/record-dispatch", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = RecordDispatch,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn record_dispatch(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, RecordDispatch>,
) -> Result<Answer, Problem> {
    let command = ChangeCommand::RecordDispatch { job: ask.body.job, fence: ask.body.fence };
    let (names, id) = (("changes", "record_dispatch"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// The job was never recorded, so that nothing can run.
#[utoipa::path(post, path = "/v1/changes/{change_id}/fail-dispatch", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = FailDispatch,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn fail_dispatch(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, FailDispatch>,
) -> Result<Answer, Problem> {
    let job = ask.body.job;
    let recorded = state.log.load::<Job>(ask.tenant()?, &job.to_string()).await;
    if recorded.map_err(|error| unread(&error))?.is_some() {
        return Err(Problem::refusal(&JobError::AlreadyDispatched));
    }
    let code = text("/code", &ask.body.code, LONGEST_CODE)?;
    let command = ChangeCommand::FailDispatch { code, job };
    let (names, id) = (("changes", "fail_dispatch"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}

/// The job's verified result was taken in: what it says is read from the job, not from the caller.
#[utoipa::path(post, path = "/v1/changes/{change_id}/record-result", tag = "changes",
    params(("change_id" = String, Path, description = "The change")), request_body = RecordResult,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %change))]
pub async fn record_result(
    State(state): State<AppState>,
    PathId(change): PathId<ChangeId>,
    ask: Ask<ByWorkflow, RecordResult>,
) -> Result<Answer, Problem> {
    let (tenant, job) = (ask.tenant()?, ask.body.job.to_string());
    let mut found: Job = state.find(tenant, &job, &JobError::NotFound).await?;
    if found.finished.is_none() {
        found = state.find_current(tenant, &job, &JobError::NotFound).await?;
    }
    let (outcome, finished) = found.finished.ok_or_else(|| Problem::of(&RESULT_MISSING))?;
    let command = ChangeCommand::RecordResult(ExecutionReport {
        job: ask.body.job,
        outcome,
        refusal: finished.refusal,
        sqlstate: finished.sqlstate,
        fingerprint: finished.fingerprint_after,
        result: finished.result,
    });
    let (names, id) = (("changes", "record_result"), change.to_string());
    state.accept::<Change, _, _, _>(&ask, names, &id, command).await
}
