//! How long it takes from the last approval to the applied change: `cargo run -p countersign-tests --bin latency [N]`.
//!
//! Prints figures and asserts nothing. Each change makes a table; the clock starts when the granting decision is sent
//! and stops at the time of the commit that says `schema.applied`, both clocks of this machine.
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

use anyhow::Context as _;
use chassis::Clock;
use chrono::TimeDelta;
use ledger::Line;
use scenario::Platform;
use scenario::change::{approve, reader, submit, wait_for};
use scenario::http::Raw;
use scenario::scratch::Scratch;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use trust::dsse::Envelope;
use trust::encoding::Timestamp;
use trust::statement::{Change as Manifest, Statement as _};

/// Nobody reads a change and signs it faster.
const THOUGHT: Duration = Duration::from_secs(1);
const UNWATCHED_MS: i64 = 500;
const UNWATCHED: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let count = std::env::args().nth(1).map_or(Ok(20), |n| n.parse()).context("not a number")?;
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let mut took = Vec::new();
    let mut asked = Vec::new();
    for n in 0..count {
        let sql = format!("CREATE TABLE public.latency_{n} (id bigint PRIMARY KEY, note text);\n");
        let file = scratch.file("latency.sql", &sql)?;
        let (at, applied) = one(&platform, &file).await?;
        asked.push(at);
        took.push(applied);
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
    let folder = scratch.path().join("bundle");
    let folder = folder.to_str().context("a path that is not UTF-8")?;
    platform.as_somebody("auditor")?.run(&["audit", "export", "--out", folder]).await?;
    print_steps(&std::fs::read_to_string(format!("{folder}/commits.ndjson"))?, &asked)?;
    platform.stop().await?;
    Ok(())
}

/// When the server stored each commit on the way, as medians after the decision was sent.
fn print_steps(lines: &str, asked: &[Timestamp]) -> anyhow::Result<()> {
    let mut steps: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in lines.lines() {
        let line: Line = serde_json::from_str(line)?;
        let envelope: ledger::Envelope = serde_json::from_slice(&line.payload)?;
        let before = asked.iter().rev().find(|asked| **asked <= line.received_at);
        let Some(asked) = before else { continue };
        let after = (line.received_at.datetime() - asked.datetime()).num_milliseconds();
        let kinds: Vec<_> = envelope.events.iter().map(|event| event.kind.to_string()).collect();
        if after < UNWATCHED_MS {
            steps.entry(kinds.join(" + ")).or_default().push(after);
        }
    }
    let mut steps: Vec<_> = steps.into_iter().collect();
    for (_, after) in &mut steps {
        after.sort_unstable();
    }
    steps.retain(|(_, after)| after.len() * 2 > asked.len());
    steps.sort_by_key(|(_, after)| after.get(after.len() / 2).copied());
    for (kinds, after) in steps {
        println!("  {:>4} ms  {kinds}", after.get(after.len() / 2).copied().unwrap_or_default());
    }
    Ok(())
}

async fn one(
    platform: &Platform,
    file: &std::path::Path,
) -> anyhow::Result<(Timestamp, TimeDelta)> {
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
    Ok((asked, applied.datetime() - asked.datetime()))
}
