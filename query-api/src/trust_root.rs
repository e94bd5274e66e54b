//! The tenant's newest trust root, as its signers signed it.

use crate::answer::{Answer, Answered};
use crate::problem::unread;
use crate::reading::Reading;
use crate::state::AppState;
use axum::extract::State;
use chassis::Problem;
use client::reads::TrustRootBody;
use domain::identity::TrustRootError;
use http::HeaderMap;
use projections::trust_roots;
use trust::encoding::to_base64;

/// Read the tenant's current trust root. A site pins what its own operator checked, never what this says.
#[utoipa::path(get, path = "/v1/trust-root", tag = "identity",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the caller has: the same version is 304")),
    responses((status = 200, description = "The newest root", body = TrustRootBody,
            headers(("ETag" = String, description = "The version that this is"))),
        (status = 304, description = "The caller has this version (If-None-Match)"), Problem))]
#[tracing::instrument(skip_all)]
pub async fn get_trust_root(
    State(state): State<AppState>,
    reading: Reading,
    headers: HeaderMap,
) -> Answered {
    let found = trust_roots::current(&state.database, &reading.tenant).await.map_err(unread)?;
    let current = found.ok_or_else(|| Problem::refusal(&TrustRootError::NotFound))?;
    let envelope = current.envelope_sha256.to_string();
    let bytes = state.named_blob(&reading.tenant, &envelope).await?;
    let body = TrustRootBody {
        version: current.version,
        sha256: current.sha256.to_string(),
        envelope: to_base64(&bytes),
    };
    Ok(Answer::document(&reading, &headers, current.version, body))
}
