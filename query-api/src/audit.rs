//! Audit search: what happened, found by words, people, types and times.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::{SEARCH_INVALID, SEARCH_UNAVAILABLE};
use crate::reading::{Reading, fresh_search};
use crate::state::AppState;
use axum::extract::State;
use chassis::body::StrictQuery;
use chassis::problem::AUTH_WRONG_TENANT;
use chassis::{Caller, Problem};
use client::reads::AuditPage;
use domain::identity::Role;
use event_log::SYSTEM_TENANT;
use http::HeaderMap;
use projections::search::{Filter, Scope, SearchError};
use serde::Deserialize;
use trust::encoding::Timestamp;
use utoipa::IntoParams;

/// What may follow `GET /v1/audit/events?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Words and "phrases" that must all occur, `-word` that must not, `word*` for what begins so, and `actor:`,
    /// `action:`, `type:`, `entity:`; at most 1000 bytes and 20 parts.
    q: Option<String>,
    /// Only events by this principal.
    actor: Option<String>,
    /// Only events of this type, such as `approval.signed`, or of those that begin so: `approval.*`.
    action: Option<String>,
    /// Only events of aggregates of this type, such as `change`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Only events of this aggregate.
    entity: Option<String>,
    /// Only events from then on (RFC 3339).
    since: Option<String>,
    /// Only events before then (RFC 3339).
    until: Option<String>,
    /// Only events of this tenant: for auditors of tenant `system`, who see every tenant's.
    tenant: Option<String>,
    /// Also count actors, actions and types among everything found.
    #[serde(default)]
    facets: bool,
    /// At most so many; 50 if absent, never more than 200.
    page_size: Option<u64>,
    /// From the page before.
    page_token: Option<String>,
}

/// Search what happened, newest first.
#[utoipa::path(get, path = "/v1/audit/events", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "A page of the events that were found, the newest first", body = AuditPage), Problem))]
#[tracing::instrument(skip_all)]
pub async fn search_events(
    State(state): State<AppState>,
    headers: HeaderMap,
    reading: Reading,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Answered {
    let scope = scope(&reading.caller, &reading.tenant, query.tenant.as_deref())?;
    let served = fresh_search(&headers, &state, reading.until).await?;
    let bound = [
        query.tenant.as_deref(),
        query.q.as_deref(),
        query.actor.as_deref(),
        query.action.as_deref(),
        query.kind.as_deref(),
        query.entity.as_deref(),
        query.since.as_deref(),
        query.until.as_deref(),
    ];
    let (size, token) = (query.page_size, query.page_token.as_deref());
    let paging = Paging::of(&reading, "audit", &bound, size, token)?;
    let filter = Filter {
        since: time("since", query.since.as_deref())?,
        until: time("until", query.until.as_deref())?,
        query: query.q.unwrap_or_default(),
        actor: query.actor,
        action: query.action,
        aggregate_type: query.kind,
        aggregate_id: query.entity,
        facets: query.facets,
    };
    let found = state.search.search(scope, filter, paging.request()).await;
    let (listed, facets) = found.map_err(unsearched)?;
    let page = paging.page(listed);
    let body = AuditPage { items: page.items, next_page_token: page.next_page_token, facets };
    Ok(Answer::json(&Reading { served, ..reading }, body))
}

/// Everybody searches their own tenant. Auditors of `system` read the whole log, and search it.
fn scope(caller: &Caller, own: &str, wanted: Option<&str>) -> Result<Scope, Problem> {
    let everywhere = own == SYSTEM_TENANT && caller.require(Role::Auditor).is_ok();
    match wanted {
        None if everywhere => Ok(Scope::Every),
        Some(tenant) if everywhere || tenant == own => Ok(Scope::Tenant(tenant.to_owned())),
        Some(_) => Err(Problem::of(&AUTH_WRONG_TENANT)),
        None => Ok(Scope::Tenant(own.to_owned())),
    }
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let refused = || {
        let detail = format!("{name} is not a time such as 2026-11-27T08:00:00Z");
        Problem::of(&SEARCH_INVALID).detail(detail)
    };
    let time = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| refused())?;
    Ok(Some(Timestamp::new(time.to_utc())))
}

fn unsearched(error: SearchError) -> Problem {
    match error {
        SearchError::Query(error) => Problem::of(&SEARCH_INVALID).detail(error.to_string()),
        SearchError::NotThere => Problem::of(&SEARCH_UNAVAILABLE).retry_after(1),
        SearchError::Index(_) | SearchError::GivenUp => Problem::internal(&error),
    }
}
