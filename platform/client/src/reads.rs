//! Answers of query-api.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// In the list's order.
    #[schema(schema_with = referred::<T>)]
    pub items: Vec<T>,
    /// To send as `page_token` for the next page; none on the last.
    pub next_page_token: Option<String>,
}

/// Items by reference: as a type's parameter they would be written out once more in every list.
fn referred<T: ToSchema>() -> RefOr<Schema> {
    let item = Ref::from_schema_name(T::name());
    ArrayBuilder::new().items(item).description(Some("In the list's order.")).into()
}

/// A page of what a search found, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The events.
    pub items: Vec<AuditHit>,
    /// To send as `page_token` for the next page; none on the last.
    pub next_page_token: Option<String>,
    /// Counted among everything found, if it was asked for.
    pub facets: Option<AuditFacets>,
}

/// An event that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHit {
    /// `evt_...`
    pub event: String,
    /// Whose.
    pub tenant: String,
    /// The commit's place in the log.
    pub sequence: u64,
    /// The commit's hash.
    pub hash: String,
    /// When it was decided.
    pub at: String,
    /// Who acted.
    pub actor: String,
    /// The event's type.
    pub action: String,
    /// The aggregate's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The aggregate's id.
    pub entity: String,
    /// The text around what was looked for, in pieces.
    pub fragments: Vec<AuditFragment>,
}

/// A piece of recorded text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFragment {
    /// As recorded: it may hold anything that people wrote.
    pub text: String,
    /// It was looked for.
    pub matches: bool,
}

/// The most frequent values among everything found, at most 20 of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFacets {
    /// Who acted.
    pub actors: Vec<CountedValue>,
    /// Types of events.
    pub actions: Vec<CountedValue>,
    /// Types of aggregates.
    pub types: Vec<CountedValue>,
}

/// How often a value occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountedValue {
    /// The value.
    pub value: String,
    /// In how many events.
    pub count: u64,
}

/// A change in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeSummary {
    /// `chg_...`
    pub id: String,
    /// One line for people.
    pub title: String,
    /// The target's id.
    pub data_source_id: String,
    /// The target's name.
    pub data_source: String,
    /// Its environment.
    pub environment: String,
    /// Where it stands.
    pub state: String,
    /// Who wrote it.
    pub author: String,
    /// When it was drafted.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}

/// The whole story of a change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeDetail {
    /// `chg_...`
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Why.
    pub reason: Option<String>,
    /// The target's id.
    pub data_source_id: String,
    /// Its environment.
    pub environment: String,
    /// Where it stands.
    pub state: String,
    /// Who wrote it.
    pub author: String,
    /// Which submission.
    pub revision: u32,
    /// `on_approval` or `on_release`.
    pub start: String,
    /// SHA-256 of the exact SQL.
    pub sql_sha256: String,
    /// Its length, bytes.
    pub sql_size: u64,
    /// How it is cut.
    pub steps: Vec<StepBody>,
    /// Where people sign.
    pub approval: Option<String>,
    /// SHA-256 of the manifest: what people sign.
    pub change_sha256: Option<String>,
    /// The live schema it starts from.
    pub fingerprint: Option<String>,
    /// The root it is under.
    pub root_version: Option<u64>,
    /// The job that runs it.
    pub job: Option<String>,
    /// Its fencing token.
    pub fence: Option<u64>,
    /// How it ended: a refusal's name, a check's or a SQLSTATE.
    pub code: Option<String>,
    /// The schema afterwards.
    pub fingerprint_after: Option<String>,
    /// W3C trace context of the request that drafted it: whoever decides on it goes on in the same trace.
    #[serde(default)]
    pub traceparent: String,
    /// What somebody found after an unknown outcome.
    pub resolution: Option<Resolution>,
    /// When it was drafted.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// What happened, in order.
    pub history: Vec<HistoryEntry>,
}

/// What somebody found who looked at the database of a change whose outcome was unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolution {
    /// `applied` or `failed`.
    pub found: String,
    /// Who.
    pub by: String,
    /// How they know.
    pub reason: String,
}

/// A step of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepBody {
    /// From 1.
    pub ordinal: u32,
    /// Of its exact bytes.
    pub sha256: String,
    /// Runs in a transaction.
    pub transactional: bool,
}

/// One event of an aggregate's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryEntry {
    /// The event's type.
    pub event: String,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// The aggregate's version since.
    #[serde(default)]
    pub version: u64,
    /// The commit's place in the log: what a receipt names.
    pub sequence: u64,
    /// The commit's hash: what a receipt signs.
    pub hash: String,
}

/// An approval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalBody {
    /// `apr_...`
    pub id: String,
    /// The change.
    pub change: String,
    /// Which submission.
    pub revision: u32,
    /// The target's environment.
    pub environment: String,
    /// Where it stands: `open`, `granted`, `rejected`, `closed`.
    pub state: String,
    /// What people sign.
    pub change_sha256: String,
    /// The root whose keys count.
    pub root_version: u64,
    /// The policy's name.
    pub policy: String,
    /// Who must sign.
    #[schema(value_type = Vec<Object>)]
    pub stages: Value,
    /// Who did.
    pub signed: Vec<SignedBody>,
    /// Who rejected it.
    pub rejected_by: Option<String>,
    /// Until when people may sign.
    pub deadline: String,
    /// When it was opened.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}

/// A signature of an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedBody {
    /// Who.
    pub person: String,
    /// The roles that they hold for the environment.
    pub roles: Vec<String>,
    /// When.
    pub at: String,
}

/// A data source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DataSourceBody {
    /// `dsc_...`
    pub id: String,
    /// Unique in the tenant.
    pub name: String,
    /// `postgresql`.
    pub engine: String,
    /// A name in the trust root.
    pub environment: String,
    /// The id of the agent beside it.
    pub agent_id: String,
    /// That agent's name.
    pub agent: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// The change that holds the schema lock.
    pub locked_by: Option<String>,
    /// The last fencing token issued.
    pub fence: u64,
    /// When it was registered.
    pub created_at: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobBody {
    /// `job_...`
    pub id: String,
    /// The change it serves.
    pub change: String,
    /// The target's id.
    pub data_source_id: String,
    /// The target's name.
    pub data_source: String,
    /// The id of the agent that it is for.
    pub agent_id: String,
    /// That agent's name.
    pub agent: String,
    /// What it may do.
    pub mode: String,
    /// `dispatched`, `succeeded`, `failed_clean`, `failed_partial`, `refused`, `unknown`.
    pub state: String,
    /// The fencing token.
    pub fence: u64,
    /// From 1.
    pub attempt: u32,
    /// Why the agent refused.
    pub refusal: Option<String>,
    /// SQLSTATE of the first error.
    pub sqlstate: Option<String>,
    /// The people whose signatures the agent counted.
    pub counted: Vec<String>,
    /// When it was dispatched.
    pub created_at: String,
    /// When the agent began, by its clock.
    pub started_at: Option<String>,
    /// When the agent ended, by its clock.
    pub ended_at: Option<String>,
    /// When the result was taken in.
    pub finished_at: Option<String>,
    /// SHA-256 of the signed result.
    pub result_sha256: Option<String>,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentBody {
    /// `agt_...`
    pub id: String,
    /// Unique in the tenant.
    pub name: String,
    /// Its SPIFFE ID.
    pub spiffe_id: String,
    /// When it was enrolled.
    pub created_at: String,
}

/// `GET /v1/trust-root`: the tenant's newest root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustRootBody {
    /// From 1.
    pub version: u64,
    /// SHA-256 of the root's payload: what sites pin.
    pub sha256: String,
    /// Base64 of the exact bytes of the signed envelope.
    pub envelope: String,
}

/// `GET /v1/whoami`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoamiBody {
    /// `prn_...`
    pub principal: String,
    /// `person`, `service` or `workflow`.
    pub kind: String,
    /// The tenant that it acts in.
    pub tenant: String,
    /// What it may do there; services have none.
    pub roles: Vec<String>,
}

/// `GET /v1/logs/{log}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogBody {
    /// The log's origin.
    pub log: String,
    /// The shard that it serves.
    pub shard: String,
    /// Always 1 once there is a commit, 0 before.
    pub first_sequence: u64,
    /// The last one; 0 if there is none.
    pub last_sequence: u64,
    /// How many messages the newest checkpoint seals; absent where no sealed log is shown or nothing is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_size: Option<u64>,
    /// How long a message waits for its seal at most, unless the sealer is down, seconds.
    pub max_merge_delay_seconds: u64,
}

/// `GET /v1/logs/{log}/proofs/{sequence}`: the tree of the checkpoint holds the message (RFC 6962 section 2.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InclusionBody {
    /// The message's sequence in the log.
    pub sequence: u64,
    /// Its leaf: the sequence - 1.
    pub leaf_index: u64,
    /// Size of the checkpoint's tree.
    pub tree_size: u64,
    /// The hashes beside the way to the root, from the leaf up; base64.
    pub path: Vec<String>,
    /// The signed checkpoint, whose root the proof leads to.
    pub checkpoint: String,
}

/// `GET /v1/logs/{log}/consistency`: the later tree grew out of the earlier one (RFC 6962 section 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyBody {
    /// Size of the earlier tree.
    pub from: u64,
    /// Size of the later tree: that of the checkpoint.
    pub to: u64,
    /// The proof; base64.
    pub path: Vec<String>,
    /// The signed checkpoint of size `to`.
    pub checkpoint: String,
}
