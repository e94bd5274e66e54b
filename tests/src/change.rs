//! The way of a change from the command line: submit, sign, wait.

use crate::platform::Platform;
use anyhow::{Context as _, anyhow, bail};
use client::stories::ChangeAnswer;
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_millis(20);
const ENDED: [&str; 5] = ["applied", "failed", "rejected", "cancelled", "unknown"];

/// Submits a file as Ada; gives the change's id.
pub async fn submit(platform: &Platform, title: &str, sql: &Path) -> anyhow::Result<String> {
    let submitted = try_submit(platform, title, sql).await?;
    submitted.map_err(|code| anyhow!("the file was refused as {code}"))
}

/// Submits a file as Ada; `Err` is the code by which it was refused.
pub async fn try_submit(
    platform: &Platform,
    title: &str,
    sql: &Path,
) -> anyhow::Result<Result<String, String>> {
    let sql = sql.to_str().context("a path that is not UTF-8")?;
    let source = platform.target()?.name.clone();
    let ada = platform.as_somebody("ada")?;
    let arguments =
        ["change", "submit", "--source", &source, "--title", title, "--sql", sql, "-o", "json"];
    let answered = ada.call(&arguments).await?;
    if answered.code == 0 {
        let receipt: client::ReceiptBody = serde_json::from_str(&answered.out)?;
        return Ok(Ok(receipt.aggregate.id));
    }
    answered.refusal().map(Err).with_context(|| format!("not submitted: {}", answered.err))
}

/// Countersigns with somebody's own key.
pub async fn approve(platform: &Platform, who: &str, change: &str) -> anyhow::Result<()> {
    let key = platform.key_file(who);
    let key = key.to_str().context("a path that is not UTF-8")?;
    platform.as_somebody(who)?.run(&["change", "approve", change, "--key", key, "--yes"]).await?;
    Ok(())
}

/// The change as query-api tells it.
pub async fn get(platform: &Platform, change: &str) -> anyhow::Result<ChangeAnswer> {
    platform.as_somebody("ada")?.json(&["change", "get", change]).await
}

/// Waits until the change is in a state; ends early if it has ended in another one.
pub async fn wait_for(
    platform: &Platform,
    change: &str,
    state: &str,
) -> anyhow::Result<ChangeAnswer> {
    let seen = wait_for_end_or(platform, change, state).await?;
    if seen.change.state != state {
        bail!("change {change} is {}, not {state}", seen.change.state);
    }
    Ok(seen)
}

/// Waits until the change is in a state, or has ended in any.
pub async fn wait_for_end_or(
    platform: &Platform,
    change: &str,
    state: &str,
) -> anyhow::Result<ChangeAnswer> {
    let client = reader(platform)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen: Option<ChangeAnswer> = match client.get(&format!("/v1/changes/{change}")).await {
            Ok(seen) => Some(seen),
            // Submitted a moment ago: the read model may not have it yet.
            Err(error) if error.code() == Some("changes.not_found") => None,
            Err(error) => return Err(error.into()),
        };
        let last = seen.as_ref().map_or("absent", |seen| seen.change.state.as_str()).to_owned();
        if let Some(seen) = seen.filter(|_| last == state || ENDED.contains(&last.as_str())) {
            return Ok(seen);
        }
        if Instant::now() > deadline {
            bail!("change {change} is still {last}, not {state}");
        }
        tokio::time::sleep(STEP).await;
    }
}

/// A client of query-api as Ada.
pub fn reader(platform: &Platform) -> anyhow::Result<client::Client> {
    let token = platform.card.tokens.get("ada").context("no token of ada")?;
    let credential = client::Credential::Token(token.clone());
    Ok(client::Client::new(&platform.card.query_api, credential)?)
}
