//! Plain HTTP, for requests that no client of ours would make.

use crate::platform::Platform;
use anyhow::Context as _;
use serde_json::Value;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_millis(100);

/// A request to command-api as somebody.
#[derive(Debug, Clone)]
pub struct Raw<'a> {
    platform: &'a Platform,
    who: Option<&'a str>,
    key: Option<String>,
    tenant: Option<&'a str>,
    if_match: Option<&'a str>,
    content_type: &'a str,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; null if there was none.
    pub body: Value,
    /// `Idempotent-Replayed`.
    pub replayed: bool,
}

impl Answer {
    /// The problem's code, or nothing.
    pub fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}

impl<'a> Raw<'a> {
    /// As this person, with a fresh key.
    pub fn new(platform: &'a Platform, who: &'a str) -> Self {
        let key = Some(uuid::Uuid::now_v7().to_string());
        Self {
            platform,
            who: Some(who),
            key,
            tenant: None,
            if_match: None,
            content_type: "application/json",
        }
    }

    /// As nobody.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.who = None;
        self
    }

    /// With this key, or none.
    #[must_use]
    pub fn key(mut self, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self
    }

    /// Naming a tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Expecting a version.
    #[must_use]
    pub fn if_match(mut self, version: &'a str) -> Self {
        self.if_match = Some(version);
        self
    }

    /// With another content type.
    #[must_use]
    pub fn content_type(mut self, content_type: &'a str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Posts a body.
    pub async fn post(&self, path: &str, body: impl Into<String>) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.platform.card.command_api);
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut request =
            client.post(url).header("content-type", self.content_type).body(body.into());
        if let Some(who) = self.who {
            let token = self.platform.card.tokens.get(who).context("no such person")?;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(tenant) = self.tenant {
            request = request.header("cs-tenant", tenant);
        }
        if let Some(version) = self.if_match {
            request = request.header("if-match", version);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, body, replayed })
    }
}

/// The last sequence of the log, as the auditor sees it.
pub async fn log_length(platform: &Platform) -> anyhow::Result<u64> {
    let token = platform.card.tokens.get("auditor").context("no auditor")?;
    let credential = client::Credential::Token(token.clone());
    let client = client::Client::new(&platform.card.query_api, credential)?;
    let log: Value = client.get("/v1/logs/dev.countersign.test-main").await?;
    log.get("last_sequence").and_then(Value::as_u64).context("no last_sequence")
}

/// The length of the log once it no longer grows: what is read is a mirror, which may be a moment behind.
pub async fn settled_length(platform: &Platform) -> anyhow::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = log_length(platform).await?;
    let mut same = 0;
    while same < 5 {
        anyhow::ensure!(Instant::now() < deadline, "the log grows and grows");
        tokio::time::sleep(STEP).await;
        let now = log_length(platform).await?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
