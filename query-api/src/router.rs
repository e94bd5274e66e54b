//! Every route, one line each.

use crate::state::AppState;
use crate::{
    agents, approvals, audit, changes, data_sources, document, jobs, logs, reading, sealed,
    trust_root, whoami,
};
use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use chassis::document::complete;
use chassis::http::{Limits, api};
use std::time::Duration;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Beyond the longest wait, so that a reader who waits hears `query.position_not_reached`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(reading::LONGEST_WAIT_SECONDS + 15);

/// The routes with their documentation.
fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(document::outline())
        .routes(routes!(changes::list_changes))
        .routes(routes!(changes::get_change))
        .routes(routes!(changes::get_change_sql))
        .routes(routes!(changes::get_change_manifest))
        .routes(routes!(approvals::list_approvals))
        .routes(routes!(approvals::get_approval))
        .routes(routes!(data_sources::list_data_sources))
        .routes(routes!(data_sources::get_data_source))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::get_job))
        .routes(routes!(agents::list_agents))
        .routes(routes!(agents::get_agent))
        .routes(routes!(trust_root::get_trust_root))
        .routes(routes!(whoami::whoami))
        .routes(routes!(audit::search_events))
        .routes(routes!(logs::get_log))
        .routes(routes!(logs::list_commits))
        .routes(routes!(logs::get_blob))
        .routes(routes!(sealed::get_checkpoint))
        .routes(routes!(sealed::prove_inclusion))
        .routes(routes!(sealed::prove_consistency))
}

/// The router of both listeners.
pub fn router(state: AppState) -> anyhow::Result<Router> {
    let document = open_api()?;
    let router = Router::from(documented());
    // A path of several segments, which a document cannot describe: C2SP tlog-tiles does.
    let router = router.route("/log/{log}/tile/{*tile}", get(sealed::get_tile));
    let router = router.route("/openapi.json", get(async move || axum::Json(document)));
    let limits = Limits { request_timeout: REQUEST_TIMEOUT, ..Limits::default() };
    Ok(api(router.with_state(state), limits))
}

/// The document of the routes.
pub(crate) fn open_api() -> anyhow::Result<OpenApi> {
    let mut document = documented().into_openapi();
    complete(&mut document, document::SHARED).context("the document cannot be completed")?;
    Ok(document)
}
