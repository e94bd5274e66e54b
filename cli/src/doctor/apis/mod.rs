//! What an operator sees over both APIs: reachable, whose clock, stuck jobs, lag, the trust root. With a token and
//! nothing else.

mod gather;
mod judge;

pub use gather::gather;
pub use judge::judge;

use super::clock::Clock;
use super::root::RootFacts;
use chrono::{DateTime, Utc};
use client::reads::JobBody;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where the APIs are and as whom they are asked.
#[derive(Clone)]
pub struct Access {
    /// Where command-api is.
    pub command_api: String,
    /// Where query-api is.
    pub query_api: String,
    /// The bearer token.
    pub token: String,
    /// The files that the token came from.
    pub files: Vec<PathBuf>,
    /// The log's end is known better: the streams were looked at themselves.
    pub knows_streams: bool,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct ApiFacts {
    /// Both APIs.
    pub apis: Vec<Api>,
    /// Files with a token, and their modes.
    pub open_files: Vec<(PathBuf, u32)>,
    /// The jobs without a result.
    pub jobs: Seen<Vec<JobBody>>,
    /// The tenant's newest root.
    pub root: Seen<RootFacts>,
    /// How far the read models are, and the log's end; none where the streams were looked at themselves.
    pub reach: Option<Seen<Reach>>,
}

/// One API.
#[derive(Debug, Clone)]
pub struct Api {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub url: String,
    /// Its clock, or why it did not answer.
    pub clock: Result<Clock, String>,
}

/// How far the read models are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// They have projected up to here.
    pub served: u64,
    /// The log ended here before they were asked.
    pub end: u64,
}

/// What was asked for, or why it was not shown.
pub type Seen<T> = Result<T, Unseen>;

/// Why something was not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// What was asked for.
    pub what: &'static str,
    /// Why, in the API's words.
    pub why: String,
    /// The API answered: it is a matter of permissions.
    pub is_refusal: bool,
}

/// What is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Now.
    pub now: DateTime<Utc>,
    /// A job without a result is stuck after so long.
    pub stuck_after: chrono::Duration,
}

/// Whether only this machine reaches an address such as `http://127.0.0.1:4610`.
pub fn is_on_this_machine(url: &str) -> bool {
    let host = host(url);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_on_this_machine() {
        for url in ["http://127.0.0.1:4610", "http://localhost/", "http://[::1]:1/x", "127.0.0.9"] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in [
            "http://10.0.0.1:4610",
            "https://api.example/127.0.0.1",
            "http://127.0.0.1@evil.example",
            "http://[2001:db8::1]:1",
            "0.0.0.0:4610",
        ] {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }
}
