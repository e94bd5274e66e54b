//! The record: verified, then changed by somebody who owns the files.

use super::stage::{Stage, note};
use crate::command_line::Answered;
use crate::platform::Platform;
use crate::scratch::Scratch;
use crate::stored_block;
use anyhow::Context as _;
use ledger::Line;
use std::path::Path;

/// Early in the log, and nothing that the control plane needs to start again.
const EARLY: usize = 4;

/// Plays it.
pub async fn play(stage: &mut Stage, platform: Platform, scratch: &Scratch) -> anyhow::Result<()> {
    let bundle = scratch.path().join("bundle");
    let policy = platform.card.verify_policy.clone();
    let (bundle_text, policy_text) = (text(&bundle)?, text(&policy)?);
    let auditor = platform.as_somebody("auditor")?;
    stage.step("the auditor exports the log and verifies it offline");
    auditor.run(&["audit", "export", "--out", bundle_text]).await?;
    let verified = auditor.call(&["audit", "verify", bundle_text, "--policy", policy_text]).await?;
    note(&verified.out);
    stage.promise("the exported record proves itself", told(&verified), verified.code == 0);

    stage.step("one byte of the exported bundle is flipped");
    let commits = bundle.join("commits.ndjson");
    let untouched = std::fs::read(&commits)?;
    let victim = line(&untouched, EARLY)?;
    std::fs::write(&commits, flipped(&untouched, EARLY)?)?;
    let caught = auditor.call(&["audit", "verify", bundle_text, "--policy", policy_text]).await?;
    std::fs::write(&commits, &untouched)?;
    let named = caught.out.contains(&format!("sequence {}", victim.sequence));
    stage.promise(
        "a flipped byte is found and the commit named (exit 7)",
        told(&caught),
        caught.code == 7 && named,
    );

    stage.step("everything stops; one byte early in the server's stored block is flipped; everything starts");
    let stopped = platform.stop().await?;
    let id = String::from_utf8_lossy(&victim.payload).into_owned();
    let needle = id.split("\"command\":{\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let blocks = stored_block::flip(&stopped.data_dir, "CS_LOG_main", needle.context("a commit")?)?;
    note(&format!("sequence {} in {blocks} stored blocks", victim.sequence));
    let platform = stopped.start_again().await?;
    let auditor = platform.as_somebody("auditor")?;
    let arguments = ["audit", "verify", "--policy", policy_text, "--expect", bundle_text];
    let caught = auditor.call(&arguments).await?;
    let named = caught.out.contains(&format!("sequence {}", victim.sequence));
    stage.promise(
        "what the server lost is missed against the earlier bundle (exit 8)",
        told(&caught),
        caught.code == 8 && named,
    );
    platform.stop().await?;
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// A line of `commits.ndjson`, from 0.
fn line(commits: &[u8], index: usize) -> anyhow::Result<Line> {
    let line = commits.split_inclusive(|byte| *byte == b'\n').nth(index).context("a short log")?;
    Ok(Line::parse(line)?)
}

/// The same bytes with one bit of that line's payload flipped.
fn flipped(commits: &[u8], index: usize) -> anyhow::Result<Vec<u8>> {
    let before: usize =
        commits.split_inclusive(|byte| *byte == b'\n').take(index).map(<[u8]>::len).sum();
    let marker = b"\"payload\":\"";
    let rest = commits.get(before..).context("a short log")?;
    let found = rest.windows(marker.len()).position(|window| window == marker);
    let at = before + found.context("a line without a payload")? + marker.len() + 40;
    let mut bytes = commits.to_vec();
    let byte = bytes.get_mut(at).context("a short payload")?;
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    Ok(bytes)
}

fn told(answered: &Answered) -> String {
    let first_bad = answered.out.lines().find(|line| line.contains("sequence"));
    let line = first_bad.or_else(|| answered.out.lines().next()).unwrap_or_default();
    format!("exit {}: {}", answered.code, line.trim())
}
