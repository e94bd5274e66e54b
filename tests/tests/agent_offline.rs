//! An agent that is away: people are told what is waited for and since when, and it goes on when the agent is back.

use anyhow::Context as _;
use scenario::Platform;
use scenario::change::{get, submit, wait_for};
use scenario::scratch::Scratch;
use std::time::Duration;

#[tokio::test]
async fn a_change_says_that_it_waits_for_an_agent_and_since_when() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let agent = platform.service("agent").context("no agent runs")?;
    agent.pause()?;
    let file = scratch.file("a.sql", "CREATE TABLE public.late (id bigint);\n")?;
    let change = submit(&platform, "late", &file).await?;
    let waiting = wait_for(&platform, &change, "checking").await?;
    let told = waits_for_agent(&platform, &change).await?;
    assert!(told.starts_with("waiting for agent edge since 20"), "{told}");
    assert_eq!(waiting.change.state, "checking");
    agent.resume()?;
    wait_for(&platform, &change, "pending_approval").await?;
    platform.stop().await?;
    Ok(())
}

/// The job is on its way a moment after the change was submitted.
async fn waits_for_agent(platform: &Platform, change: &str) -> anyhow::Result<String> {
    let told = async {
        loop {
            let told = get(platform, change).await?.waiting_for.unwrap_or_default();
            if told.contains("agent") {
                return Ok(told);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.context("nothing waits")?
}
