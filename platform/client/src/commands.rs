//! Bodies of command-api's requests. Unknown members are refused.

use domain::identity::{PrincipalKind, Role};
use domain::ids::{ApprovalId, ChangeId, JobId, PrincipalId};
use domain::vocabulary::{Found, PolicyRef, RootRef, Stage, Start};
use ledger::{KeyRole, Origin};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PublicKey;
use utoipa::ToSchema;

/// `POST /v1/tenants`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// `^[a-z0-9][a-z0-9-]{0,62}$`, immutable, never reused.
    pub slug: String,
    /// For people.
    pub name: String,
}

/// `POST /v1/principals`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    /// `person` or `service`.
    #[schema(value_type = String)]
    pub kind: PrincipalKind,
    /// For people.
    pub name: String,
    /// `author`, `approver`, `operator`, `auditor`.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
}

/// `POST /v1/principals/{principal_id}/tokens`: the caller makes the secret and sends only its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueToken {
    /// Of the whole token text.
    #[schema(value_type = String)]
    pub token_sha256: Sha256Digest,
    /// Until when it is accepted.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

/// `POST /v1/principals/{principal_id}/revoke-token`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    /// Of the whole token text.
    #[schema(value_type = String)]
    pub token_sha256: Sha256Digest,
}

/// `POST /v1/trust-roots`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishTrustRoot {
    /// Base64 of the signed `root.v1` envelope.
    pub envelope: String,
}

/// `POST /v1/logs/{log}/key-rotations`: the file that `countersign key rotate` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The log's origin.
    #[schema(value_type = String)]
    pub log: Origin,
    /// `writer`, `log` or `witness`.
    #[schema(value_type = String)]
    pub role: KeyRole,
    /// Which witness; null for the log's own keys.
    pub name: Option<String>,
    /// The old key, base64 of SPKI DER.
    #[schema(value_type = String)]
    pub old: PublicKey,
    /// The new key.
    #[schema(value_type = String)]
    pub new: PublicKey,
    /// The first sequence (writer) or size (log, witness) of the new key.
    pub from: u64,
    /// `<key id> <base64>` by the old key.
    pub old_signature: String,
    /// `<key id> <base64>` by the new key.
    pub new_signature: String,
}

/// `POST /v1/logs/{log}/key-revocations`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// `writer`, `log` or `witness`.
    #[schema(value_type = String)]
    pub role: KeyRole,
    /// Which witness; null for the log's own keys.
    #[serde(default)]
    pub name: Option<String>,
    /// The key, base64 of SPKI DER.
    #[schema(value_type = String)]
    pub spki: PublicKey,
    /// The last sequence (writer) or size (log, witness) at which it is trusted.
    pub last_trusted: u64,
    /// Why.
    pub reason: String,
}

/// `POST /v1/logs/{log}/gaps`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareGap {
    /// The lost sequences, ascending, at most 1,000.
    pub sequences: Vec<u64>,
    /// Why.
    pub reason: String,
}

/// `POST /v1/agents`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollAgent {
    /// `^[a-z0-9][a-z0-9-]{0,62}$`, unique in the tenant.
    pub name: String,
}

/// `POST /v1/data-sources`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterDataSource {
    /// `^[a-z0-9][a-z0-9-]{0,62}$`, unique in the tenant.
    pub name: String,
    /// `postgresql`.
    pub engine: String,
    /// A name in the trust root.
    pub environment: String,
    /// The name of the agent beside it.
    pub agent: String,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// `POST /v1/changes`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftChange {
    /// A data source's name or id.
    pub data_source: String,
    /// One line for people.
    pub title: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Base64 of the exact file.
    pub sql: String,
    /// `on_approval` (default) or `on_release`.
    #[serde(default = "on_approval")]
    #[schema(value_type = String)]
    pub start: Start,
    /// Submit in the same commit.
    #[serde(default)]
    pub submit: bool,
}

fn on_approval() -> Start {
    Start::OnApproval
}

/// The body of commands that need nothing but their path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `POST /v1/changes/{change_id}/request-approval` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestApproval {
    /// Where people sign.
    #[schema(value_type = String)]
    pub approval: ApprovalId,
    /// Base64 of the exact manifest bytes.
    pub manifest: String,
    /// The live schema it starts from.
    pub fingerprint: String,
    /// The root it is under.
    #[schema(value_type = Object)]
    pub root: RootRef,
    /// The policy it is under.
    #[schema(value_type = Object)]
    pub policy: PolicyRef,
    /// The introspection that found the fingerprint.
    #[schema(value_type = String)]
    pub job: JobId,
}

/// `POST /v1/changes/{change_id}/fail-check` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailCheck {
    /// The reason's name.
    pub code: String,
    /// The job that found it.
    #[schema(value_type = String)]
    pub job: JobId,
}

/// `POST /v1/changes/{change_id}/record-approval` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordApproval {
    /// The approval that was granted.
    #[schema(value_type = String)]
    pub approval: ApprovalId,
}

/// `POST /v1/changes/{change_id}/record-rejection` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordRejection {
    /// The approval that was rejected.
    #[schema(value_type = String)]
    pub approval: ApprovalId,
    /// By whom.
    #[schema(value_type = String)]
    pub by: PrincipalId,
}

/// `POST /v1/changes/{change_id}/resolve`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveChange {
    /// What was found in the database: `applied` or `failed`.
    #[schema(value_type = String)]
    pub found: Found,
    /// How that is known.
    pub reason: String,
}

/// `POST /v1/changes/{change_id}/record-dispatch` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordDispatch {
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// The fencing token of the schema lock.
    pub fence: u64,
}

/// `POST /v1/changes/{change_id}/fail-dispatch` (workflows): its job was never recorded, so nothing can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailDispatch {
    /// The reason's name.
    pub code: String,
    /// The job that was to run.
    #[schema(value_type = String)]
    pub job: JobId,
}

/// `POST /v1/changes/{change_id}/record-result` (workflows): the job's result was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordResult {
    /// The job; what its result says is read from the log.
    #[schema(value_type = String)]
    pub job: JobId,
}

/// `POST /v1/approvals` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenApproval {
    /// The change.
    #[schema(value_type = String)]
    pub change: ChangeId,
    /// Which submission of it.
    pub revision: u32,
    /// Base64 of the exact manifest bytes.
    pub manifest: String,
    /// The policy it is under.
    #[schema(value_type = Object)]
    pub policy: PolicyRef,
    /// Who must sign.
    #[schema(value_type = Vec<Object>)]
    pub stages: Vec<Stage>,
    /// When the change starts.
    #[schema(value_type = String)]
    pub start: Start,
}

/// `POST /v1/approvals/{approval_id}/decisions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "decision", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decide {
    /// Countersign the manifest.
    Approve {
        /// The DSSE signature over the exact manifest bytes.
        #[schema(value_type = Object)]
        signature: Value,
    },
    /// Reject it.
    Reject {
        /// The signed `decision.v1` envelope.
        #[schema(value_type = Object)]
        statement: Value,
        /// Why; its digest is in the statement.
        #[serde(default)]
        reason: Option<String>,
    },
}

/// `POST /v1/jobs` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DispatchJob {
    /// The change it serves.
    #[schema(value_type = String)]
    pub change: ChangeId,
    /// Base64 of the whole job message as the agent will get it.
    pub message: String,
}

/// `POST /v1/jobs/{job_id}/record-result` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordJobResult {
    /// Base64 of the whole result message as the agent sent it.
    pub message: String,
    /// When the result stream stored it: the certificate must have been valid then.
    #[schema(value_type = String)]
    pub received_at: Timestamp,
}

/// `POST /v1/data-sources/{data_source_id}/request-lock` and `/release-lock` (workflows)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockFor {
    /// The change.
    #[schema(value_type = String)]
    pub change: ChangeId,
}
