//! Every route, one line each.

use crate::state::AppState;
use crate::{
    agents, approvals, change_flow, changes, data_sources, document, jobs, logs, principals,
    tenants, trust_roots,
};
use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use chassis::document::complete;
use chassis::http::{Limits, api};
use event_log::patiently;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

/// The routes with their documentation.
fn documented() -> OpenApiRouter<AppState> {
    let large = |bytes| DefaultBodyLimit::max(bytes);
    OpenApiRouter::with_openapi(document::outline())
        .routes(routes!(tenants::create_tenant))
        .routes(routes!(principals::create_principal))
        .routes(routes!(principals::issue_token))
        .routes(routes!(principals::revoke_token))
        .routes(routes!(trust_roots::publish_trust_root).layer(large(2 * 1024 * 1024)))
        .routes(routes!(logs::rotate_key))
        .routes(routes!(logs::revoke_key))
        .routes(routes!(logs::declare_gap))
        .routes(routes!(agents::enroll_agent))
        .routes(routes!(data_sources::register_data_source))
        .routes(routes!(data_sources::request_lock))
        .routes(routes!(data_sources::release_lock))
        .routes(routes!(changes::draft_change).layer(large(changes::MAX_BODY_BYTES)))
        .routes(routes!(changes::submit_change))
        .routes(routes!(changes::start_change))
        .routes(routes!(changes::cancel_change))
        .routes(routes!(changes::resolve_change))
        .routes(routes!(change_flow::request_approval).layer(large(2 * 1024 * 1024)))
        .routes(routes!(change_flow::fail_check))
        .routes(routes!(change_flow::record_approval))
        .routes(routes!(change_flow::record_rejection))
        .routes(routes!(change_flow::record_dispatch))
        .routes(routes!(change_flow::fail_dispatch))
        .routes(routes!(change_flow::record_result))
        .routes(routes!(approvals::open_approval).layer(large(2 * 1024 * 1024)))
        .routes(routes!(approvals::decide_approval))
        .routes(routes!(approvals::close_approval))
        .routes(routes!(jobs::dispatch_job).layer(large(jobs::MAX_BODY_BYTES)))
        .routes(routes!(jobs::record_job_result).layer(large(jobs::MAX_BODY_BYTES)))
}

/// The router of both listeners.
pub fn router(state: AppState) -> anyhow::Result<Router> {
    let document = open_api()?;
    let router = Router::from(documented());
    let router = router.route("/openapi.json", get(async move || axum::Json(document)));
    let one_patience = from_fn(async |request, next: Next| patiently(next.run(request)).await);
    Ok(api(router.with_state(state).layer(one_patience), Limits::default()))
}

/// The document of the routes.
pub(crate) fn open_api() -> anyhow::Result<OpenApi> {
    let mut document = documented().into_openapi();
    complete(&mut document, document::SHARED).context("the document cannot be completed")?;
    Ok(document)
}
