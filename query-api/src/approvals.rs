//! Approvals: who is asked to sign, who did.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::{being_rebuilt, unread};
use crate::reading::Reading;
use crate::state::AppState;
use axum::extract::State;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{ApprovalBody, Page};
use client::stories::ApprovalDetail;
use domain::approvals::ApprovalError;
use domain::ids::{ApprovalId, ChangeId};
use http::HeaderMap;
use projections::{approval_detail, approvals};
use serde::Deserialize;
use utoipa::IntoParams;

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// People may sign.
    Open,
    /// Enough did.
    Granted,
    /// Somebody said no.
    Rejected,
    /// The change was taken back.
    Closed,
}

impl ApprovalState {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
        }
    }
}

/// What may follow `GET /v1/approvals?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApprovalsQuery {
    /// Only approvals that stand here: `open`, `granted`, `rejected`, `closed`.
    #[param(value_type = Option<String>)]
    state: Option<ApprovalState>,
    /// Only approvals of this change.
    #[param(value_type = Option<String>)]
    change: Option<ChangeId>,
    /// At most so many; 50 if absent, never more than 200.
    page_size: Option<u64>,
    /// From the page before.
    page_token: Option<String>,
}

/// List the tenant's approvals, newest first.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(ApprovalsQuery),
    responses((status = 200, description = "A page of the approvals, the newest first", body = Page<ApprovalBody>), Problem))]
#[tracing::instrument(skip_all)]
pub async fn list_approvals(
    State(state): State<AppState>,
    reading: Reading,
    StrictQuery(query): StrictQuery<ApprovalsQuery>,
) -> Answered {
    let wanted = query.state.map(ApprovalState::name);
    let change = query.change.map(|change| change.to_string());
    let bound = [wanted, change.as_deref()];
    let (size, token) = (query.page_size, query.page_token.as_deref());
    let paging = Paging::of(&reading, "approvals", &bound, size, token)?;
    let filter = approvals::Filter { state: wanted.map(str::to_owned), change };
    let listed = approvals::list(&state.database, &reading.tenant, &filter, paging.request()).await;
    Ok(Answer::page(&reading, paging.page(listed.map_err(unread)?)))
}

/// Read an approval and how it came about. The `ETag` is its version.
#[utoipa::path(get, path = "/v1/approvals/{approval_id}", tag = "approvals",
    params(("approval_id" = String, Path, description = "The approval"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the caller has: the same version is 304")),
    responses((status = 200, description = "The approval", body = ApprovalDetail,
            headers(("ETag" = String, description = "The version that this is"))),
        (status = 304, description = "The caller has this version (If-None-Match)"), Problem))]
#[tracing::instrument(skip_all, fields(approval.id = %approval))]
pub async fn get_approval(
    State(state): State<AppState>,
    reading: Reading,
    PathId(approval): PathId<ApprovalId>,
    headers: HeaderMap,
) -> Answered {
    let (database, tenant) = (&state.database, reading.tenant.as_str());
    let load = async || approval_detail::load(database, tenant, approval).await.map_err(unread);
    let mut found = load().await?;
    if found.is_none() && approvals::exists(database, tenant, approval).await.map_err(unread)? {
        // It may have come between the two questions: document and list row come together.
        found = Some(load().await?.ok_or_else(being_rebuilt)?);
    }
    let (detail, version) = found.ok_or_else(|| Problem::refusal(&ApprovalError::NotFound))?;
    Ok(Answer::document(&reading, &headers, version, detail))
}
