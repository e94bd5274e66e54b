//! A reader that goes away early does not turn a verdict into success.

use anyhow::Context as _;
use scenario::change::{approve, submit, wait_for};
use scenario::platform::Platform;
use scenario::running::platform;
use scenario::scratch::Scratch;
use std::process::{Command, Stdio};

/// The exit code of a call whose output nobody reads.
fn unread(platform: &Platform, arguments: &[&str]) -> anyhow::Result<i32> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut command = Command::new(platform.as_somebody("ada")?.program());
    let ended = command
        .args(arguments)
        .env("COUNTERSIGN_COMMAND_API", &platform.card.command_api)
        .env("COUNTERSIGN_QUERY_API", &platform.card.query_api)
        .env("COUNTERSIGN_TOKEN", platform.card.tokens.get("ada").context("no token")?)
        .stdin(Stdio::null())
        .stdout(writer)
        .status()?;
    ended.code().context("killed by a signal")
}

#[tokio::test]
async fn a_tampered_bundle_and_a_failed_change_keep_their_exit_codes() -> anyhow::Result<()> {
    let platform = platform("closed-pipe").await?;
    let scratch = Scratch::new()?;
    let file = scratch.file("a.sql", "SELECT 1/0;\n")?;
    let change = submit(platform, "fails", &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    approve(platform, "bob", &change).await?;
    approve(platform, "cyd", &change).await?;
    assert_eq!(unread(platform, &["change", "watch", &change, "-o", "json"])?, 6);

    let bundle = scratch.path().join("bundle");
    let out = bundle.to_str().context("a path that is not UTF-8")?;
    platform.as_somebody("auditor")?.run(&["audit", "export", "--out", out]).await?;
    let policy = platform.card.verify_policy.to_str().context("a path that is not UTF-8")?;
    let verify = ["audit", "verify", out, "--policy", policy];
    assert_eq!(unread(platform, &verify)?, 0);
    let commits = bundle.join("commits.ndjson");
    let text = std::fs::read_to_string(&commits)?;
    std::fs::write(&commits, text.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1))?;
    assert_eq!(unread(platform, &verify)?, 7);
    Ok(())
}
