//! Who the caller is to us.

use crate::answer::{Answer, Answered};
use crate::reading::Reading;
use chassis::Problem;
use client::reads::WhoamiBody;
use serde::Serialize;

/// Read who the caller is, in which tenant, with which roles.
#[utoipa::path(get, path = "/v1/whoami", tag = "identity",
    responses((status = 200, description = "The caller", body = WhoamiBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn whoami(reading: Reading) -> Answered {
    let roles = reading.caller.roles.iter().map(word).collect::<Result<_, _>>()?;
    let body = WhoamiBody {
        principal: reading.caller.actor.id.to_string(),
        kind: word(&reading.caller.actor.kind)?,
        tenant: reading.tenant.clone(),
        roles,
    };
    Ok(Answer::json(&reading, body))
}

/// The wire name.
fn word<T: Serialize>(value: &T) -> Result<String, Problem> {
    let value = serde_json::to_value(value).map_err(|error| Problem::internal(&error))?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}
