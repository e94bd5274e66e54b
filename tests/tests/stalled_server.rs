//! A server that is silent for a while: nothing ends, and what was asked for goes on when it answers again.

use anyhow::Context as _;
use scenario::Platform;
use scenario::change::{submit, wait_for};
use scenario::scratch::Scratch;

#[tokio::test]
async fn the_platform_outlives_a_nats_server_that_does_not_answer() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let file = scratch.file("a.sql", "CREATE TABLE public.patient (id bigint);\n")?;
    let mut changes = Vec::new();
    for n in 0..5 {
        changes.push(submit(&platform, &format!("patient {n}"), &file).await?);
    }
    let nats = platform.service("nats-server").context("no nats-server")?;
    nats.pause()?;
    // Time itself is the condition: longer than any request to the server waits.
    tokio::time::sleep(nats::connection::REQUEST_TIMEOUT * 2).await;
    nats.resume()?;
    for change in &changes {
        wait_for(&platform, change, "pending_approval").await?;
    }
    platform.stop().await?;
    Ok(())
}
