//! How long it takes from the last approval to the applied change: `cargo run -p countersign-tests --bin latency [N]`.
//!
//! Prints figures and asserts nothing. Each change makes a table; the clock starts when the granting decision is sent
//! and stops at the time of the commit that says `schema.applied`, both clocks of this machine.
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

use anyhow::Context as _;
use chassis::Clock;
use chrono::TimeDelta;
use scenario::Platform;
use scenario::change::{approve, reader, submit, wait_for};
use scenario::http::Raw;
use scenario::scratch::Scratch;
use serde_json::json;
use std::time::Duration;
use trust::dsse::Envelope;
use trust::encoding::Timestamp;
use trust::statement::{Change as Manifest, Statement as _};

const UNWATCHED: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let count = std::env::args().nth(1).map_or(Ok(20), |n| n.parse()).context("not a number")?;
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let mut took = Vec::new();
    for n in 0..count {
        let sql = format!("CREATE TABLE public.latency_{n} (id bigint PRIMARY KEY, note text);\n");
        let file = scratch.file("latency.sql", &sql)?;
        took.push(one(&platform, &file).await?);
    }
    took.sort();
    let at = |share: usize| took.get((took.len() * share / 100).min(took.len() - 1));
    let milliseconds = |share| at(share).map_or(0, TimeDelta::num_milliseconds);
    println!(
        "approve to applied, {count} changes one after another: p50 {} ms, p90 {} ms, slowest {} ms",
        milliseconds(50),
        milliseconds(90),
        milliseconds(100),
    );
    platform.stop().await?;
    Ok(())
}

async fn one(platform: &Platform, file: &std::path::Path) -> anyhow::Result<TimeDelta> {
    let id = submit(platform, "latency", file).await?;
    let pending = wait_for(platform, &id, "pending_approval").await?;
    approve(platform, "bob", &id).await?;
    let manifest = reader(platform)?.bytes(&format!("/v1/changes/{id}/manifest")).await?;
    let envelope = Envelope::around_payload(Manifest::PAYLOAD_TYPE, manifest.to_vec());
    let envelope = serde_json::to_value(envelope.sign_ed25519(&platform.key("cyd")?))?;
    let signature = envelope.pointer("/signatures/0").context("no signature")?;
    let body = json!({"decision": "approve", "signature": signature}).to_string();
    let approval = pending.change.approval.context("no approval")?;
    let asked = Clock::system().now();
    let path = format!("/v1/approvals/{approval}/decisions");
    let answer = Raw::new(platform, "cyd").post(&path, body).await?;
    anyhow::ensure!(answer.status == 202, "{}", answer.body);
    // Not looked at while it runs: looking takes the processor from what is measured.
    tokio::time::sleep(UNWATCHED).await;
    let applied = wait_for(platform, &id, "applied").await?;
    let entry = applied.change.history.iter().find(|entry| entry.event == "schema.applied");
    let applied: Timestamp = entry.context("no schema.applied")?.at.parse()?;
    Ok(applied.datetime() - asked.datetime())
}
