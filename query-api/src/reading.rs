//! What every read of a tenant's data brings: who asks, for which tenant, how new the answer must be.

use crate::problem::{
    POSITION_MALFORMED, POSITION_NOT_REACHED, POSITION_OF_ANOTHER_LOG, SEARCH_NOT_REACHED,
};
use crate::state::AppState;
use axum::extract::FromRequestParts;
use chassis::problem::AUTH_FORBIDDEN;
use chassis::{Caller, Problem};
use http::HeaderMap;
use http::request::Parts;
use ledger::{MIN_POSITION_HEADER, PositionMark};
use std::time::{Duration, Instant};

/// The longest that a reader may ask to wait (`Prefer: wait=`), seconds.
pub const LONGEST_WAIT_SECONDS: u64 = 30;

/// The services that read tenants' data; any other is refused, whatever its SVID.
const READERS: &[&str] = &["operator", "workflows"];

/// An authorized read. A handler that takes one is reached by nobody else.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Who asks.
    pub caller: Caller,
    /// Whose data: a person's own tenant, a service's as its `Cs-Tenant` header says.
    pub tenant: String,
    /// The answer holds everything up to here.
    pub served: PositionMark,
    /// How long the caller waits, whatever for.
    pub until: Instant,
}

impl FromRequestParts<AppState> for Reading {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.service().is_some_and(|service| !READERS.contains(&service)) {
            return Err(Problem::of(&AUTH_FORBIDDEN).detail("this service reads no tenant's data"));
        }
        let tenant = caller.acting_in(&parts.headers)?;
        let until = Instant::now() + patience(&parts.headers);
        let served = fresh(&parts.headers, state).await?;
        Ok(Self { caller, tenant, served, until })
    }
}

/// Waits as `Cs-Min-Position` and `Prefer: wait=` ask, then says what every answer from now on holds.
pub(crate) async fn fresh(headers: &HeaderMap, state: &AppState) -> Result<PositionMark, Problem> {
    if let Some(mark) = wanted(headers, state)? {
        let reached = state.progress.reached(mark.sequence, patience(headers)).await;
        reached.map_err(|behind| {
            Problem::of(&POSITION_NOT_REACHED).detail(behind.to_string()).retry_after(1)
        })?;
    }
    Ok(state.progress.served())
}

/// The same for the search index, in what is left of the time.
pub(crate) async fn fresh_search(
    headers: &HeaderMap,
    state: &AppState,
    until: Instant,
) -> Result<PositionMark, Problem> {
    if let Some(mark) = wanted(headers, state)? {
        let left = until.saturating_duration_since(Instant::now());
        let reached = state.search.reached(mark.sequence, left).await;
        reached.map_err(|behind| {
            Problem::of(&SEARCH_NOT_REACHED).detail(behind.to_string()).retry_after(1)
        })?;
    }
    Ok(state.search.served())
}

fn wanted(headers: &HeaderMap, state: &AppState) -> Result<Option<PositionMark>, Problem> {
    let Some(value) = headers.get(MIN_POSITION_HEADER) else { return Ok(None) };
    let mark = value.to_str().ok().and_then(|text| text.parse::<PositionMark>().ok());
    let mark = mark.ok_or_else(|| Problem::of(&POSITION_MALFORMED))?;
    if mark.origin != state.log.identity().origin {
        return Err(Problem::of(&POSITION_OF_ANOTHER_LOG));
    }
    Ok(Some(mark))
}

/// `Prefer: wait=<seconds>` (RFC 7240); other preferences and malformed ones are ignored, as it asks.
fn patience(headers: &HeaderMap) -> Duration {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let wait = preferences.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse::<u64>().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
    });
    Duration::from_secs(wait.unwrap_or(0).min(LONGEST_WAIT_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_preference_is_read(prefer in "[ -~]{0,40}", near in "wait ?= ?\"?[0-9]{0,25}\"?") {
            for text in [prefer, near] {
                let value = http::HeaderValue::from_str(&text).unwrap();
                let name = http::header::HeaderName::from_static("prefer");
                let waits = patience(&HeaderMap::from_iter([(name, value)]));
                prop_assert!(waits <= Duration::from_secs(LONGEST_WAIT_SECONDS));
            }
        }
    }

    #[test]
    fn a_reader_waits_as_long_as_it_prefers_and_at_most_30_seconds() {
        for (prefer, seconds) in [
            ("wait=5", 5),
            ("respond-async, wait=7", 7),
            ("Wait = \"3\"", 3),
            ("wait=900", 30),
            ("wait=-1", 0),
            ("wait", 0),
            ("return=minimal", 0),
        ] {
            let headers = HeaderMap::from_iter([(
                http::header::HeaderName::from_static("prefer"),
                http::HeaderValue::from_static(prefer),
            )]);
            assert_eq!(patience(&headers), Duration::from_secs(seconds), "{prefer}");
        }
        assert_eq!(patience(&HeaderMap::new()), Duration::ZERO);
    }
}
