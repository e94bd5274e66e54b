//! How long it takes from the last approval to the applied change.
//!
//! Each change makes a table; the clock starts when the granting decision is sent and stops at the time of the commit
//! that says `schema.applied`, both clocks of this machine.

use crate::change::{approve, reader, submit, wait_for};
use crate::http::Raw;
use crate::platform::Platform;
use crate::scratch::Scratch;
use anyhow::Context as _;
use chassis::Clock;
use chrono::TimeDelta;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use trust::dsse::Envelope;
use trust::encoding::Timestamp;
use trust::statement::{Change as Manifest, Statement as _};

/// Nobody reads a change and signs it faster.
const THOUGHT: Duration = Duration::from_secs(1);
/// How long nobody looks at a change after its last approval.
pub const UNWATCHED: Duration = Duration::from_millis(500);

/// One change's way from its last approval to applied.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// When the granting decision was sent.
    pub asked: Timestamp,
    /// How much later the change was applied.
    pub applied: TimeDelta,
}

/// Takes the `n`-th change of this scratch folder from submission to applied.
pub async fn way(platform: &Platform, scratch: &Scratch, n: usize) -> anyhow::Result<Way> {
    let sql = format!("CREATE TABLE public.latency_{n} (id bigint PRIMARY KEY, note text);\n");
    one(platform, &scratch.file("latency.sql", &sql)?).await
}

async fn one(platform: &Platform, file: &Path) -> anyhow::Result<Way> {
    let id = submit(platform, "latency", file).await?;
    let pending = wait_for(platform, &id, "pending_approval").await?;
    approve(platform, "bob", &id).await?;
    let manifest = reader(platform)?.bytes(&format!("/v1/changes/{id}/manifest")).await?;
    let envelope = Envelope::around_payload(Manifest::PAYLOAD_TYPE, manifest.to_vec());
    let envelope = serde_json::to_value(envelope.sign_ed25519(&platform.key("cyd")?))?;
    let signature = envelope.pointer("/signatures/0").context("no signature")?;
    let body = json!({"decision": "approve", "signature": signature}).to_string();
    let approval = pending.change.approval.context("no approval")?;
    tokio::time::sleep(THOUGHT).await;
    let asked = Clock::system().now();
    let path = format!("/v1/approvals/{approval}/decisions");
    let answer = Raw::new(platform, "cyd").post(&path, body).await?;
    anyhow::ensure!(answer.status == 202, "{}", answer.body);
    // Not looked at while it runs: looking takes the processor from what is measured.
    tokio::time::sleep(UNWATCHED).await;
    let applied = wait_for(platform, &id, "applied").await?;
    let entry = applied.change.history.iter().find(|entry| entry.event == "schema.applied");
    let applied: Timestamp = entry.context("no schema.applied")?.at.parse()?;
    Ok(Way { asked, applied: applied.datetime() - asked.datetime() })
}
