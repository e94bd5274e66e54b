//! How long it takes from the last approval to the applied change: `cargo run -p countersign-tests --bin latency [N]`.
//!
//! Prints figures and asserts nothing. What is measured, and from when to when, says `scenario::latency`.
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

use anyhow::Context as _;
use chrono::TimeDelta;
use ledger::Line;
use scenario::Platform;
use scenario::latency::{UNWATCHED, way};
use scenario::scratch::Scratch;
use std::collections::BTreeMap;
use trust::encoding::Timestamp;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let count = std::env::args().nth(1).map_or(Ok(20), |n| n.parse()).context("not a number")?;
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let mut took = Vec::new();
    let mut asked = Vec::new();
    for n in 0..count {
        let way = way(&platform, &scratch, n).await?;
        asked.push(way.asked);
        took.push(way.applied);
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
        if u128::try_from(after).is_ok_and(|after| after < UNWATCHED.as_millis()) {
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
