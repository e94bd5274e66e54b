//! What every read of the log itself brings: an auditor of tenant `system`.

use crate::problem::LOG_NOT_FOUND;
use crate::reading::fresh;
use crate::state::AppState;
use axum::extract::FromRequestParts;
use chassis::{Caller, Problem};
use domain::identity::Role;
use event_log::SYSTEM_TENANT;
use http::request::Parts;

/// An authorized read of the log. It crosses tenants, so that only auditors of tenant `system` get one.
#[derive(Debug, Clone)]
pub struct Auditing {
    /// Who asks.
    pub caller: Caller,
}

impl FromRequestParts<AppState> for Auditing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.in_tenant(SYSTEM_TENANT)?;
        caller.require(Role::Auditor)?;
        // The tables follow the same mirror: what they have reached can be read from it.
        fresh(&parts.headers, state).await?;
        Ok(Self { caller })
    }
}

impl Auditing {
    /// The log is the one that is read here.
    pub fn of_log(&self, state: &AppState, log: &str) -> Result<(), Problem> {
        if state.log.identity().origin.as_str() == log {
            return Ok(());
        }
        Err(Problem::of(&LOG_NOT_FOUND))
    }
}
