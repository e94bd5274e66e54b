//! Asks both APIs.

use super::{Access, Api, ApiFacts, Reach, Seen, Unseen};
use crate::clock::now;
use crate::doctor::clock::Clock;
use crate::doctor::root::RootFacts;
use crate::error::CliError;
use crate::paging::items;
use anyhow::Context as _;
use chrono::{DateTime, Duration, Utc};
use client::reads::{JobBody, LogBody, TrustRootBody, WhoamiBody};
use client::{Client, ClientError, Credential};
use ledger::PositionMark;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Served without a token, small to make.
const ANYBODY: &str = "/openapi.json";
/// More jobs than this are named by their number.
const JOBS: usize = 1_000;

/// Asks.
pub async fn gather(access: &Access) -> Result<ApiFacts, CliError> {
    let credential = Credential::Token(access.token.clone());
    let command = Client::new(&access.command_api, credential.clone())?;
    let query = Client::new(&access.query_api, credential)?;
    let apis = vec![
        api("command-api", &access.command_api, &command).await,
        api("query-api", &access.query_api, &query).await,
    ];
    let open_files =
        access.files.iter().filter_map(|path| open_to_others(path.as_path())).collect();
    let reach = if access.knows_streams { None } else { Some(reach(&query).await) };
    Ok(ApiFacts { apis, open_files, jobs: jobs(&query).await, root: root(&query).await, reach })
}

fn open_to_others(path: &Path) -> Option<(PathBuf, u32)> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| (path.to_owned(), mode))
}

async fn api(name: &'static str, url: &str, client: &Client) -> Api {
    let clock = clock(name, client).await.map_err(|error| format!("{error:#}"));
    Api { name, url: url.to_owned(), clock }
}

async fn clock(name: &str, client: &Client) -> anyhow::Result<Clock> {
    let before = now().datetime();
    let date = client.header(ANYBODY, "date").await?;
    let after = now().datetime();
    let date = date.context("it does not say what time it is")?;
    let earliest: DateTime<Utc> = DateTime::parse_from_rfc2822(&date)?.into();
    // The header has whole seconds.
    Ok(Clock::seen(name, (before, after), (earliest, earliest + Duration::seconds(1))))
}

async fn jobs(query: &Client) -> Seen<Vec<JobBody>> {
    let filter = [("state", Some("dispatched"))];
    let listed = items::<JobBody>(query, "/v1/jobs", &filter, JOBS).await;
    listed.map(|(jobs, _)| jobs).map_err(|error| match error {
        CliError::Api(error) => unseen("the jobs", &error),
        error => Unseen { what: "the jobs", why: error.to_string(), is_refusal: false },
    })
}

async fn root(query: &Client) -> Seen<RootFacts> {
    let what = "the trust root";
    let body: TrustRootBody =
        query.get("/v1/trust-root").await.map_err(|error| unseen(what, &error))?;
    let bytes = trust::encoding::from_base64(&body.envelope).map_err(anyhow::Error::from);
    let facts = bytes.and_then(|bytes| RootFacts::of_envelope(&bytes));
    facts.map_err(|error| Unseen { what, why: format!("{error:#}"), is_refusal: false })
}

/// The end first: what is projected meanwhile is no lag. Only an auditor of the tenant `system` is shown the end.
async fn reach(query: &Client) -> Seen<Reach> {
    let failed = |error: ClientError| unseen("the log's end", &error);
    let position = async || {
        let served = query.served_position("/v1/whoami").await.map_err(failed)?;
        served.and_then(|text| text.parse::<PositionMark>().ok()).ok_or_else(|| Unseen {
            what: "the log's end",
            why: "query-api does not say which log it serves".to_owned(),
            is_refusal: false,
        })
    };
    let origin = position().await?.origin;
    let log: LogBody = query.get(&format!("/v1/logs/{origin}")).await.map_err(failed)?;
    let end = format!("{origin}:{}", log.last_sequence);
    // Waits a little until the read models are there; where they stay behind, says so below.
    let waited = query.get_since::<WhoamiBody>("/v1/whoami", &end).await;
    let served = match waited {
        Ok(_) => log.last_sequence,
        Err(_) => position().await?.sequence,
    };
    Ok(Reach { served, end: log.last_sequence })
}

fn unseen(what: &'static str, error: &ClientError) -> Unseen {
    Unseen { what, why: error.to_string(), is_refusal: error.is_answer() }
}
