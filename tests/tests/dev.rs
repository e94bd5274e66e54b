//! `countersign dev` itself: a taken port, two interrupts, a second start on the same data.

use anyhow::Context as _;
use devkit::workspace::Binaries;
use devkit::{Child, Program};
use scenario::Platform;
use scenario::change::{get, submit, wait_for};
use scenario::platform::card;
use scenario::scratch::Scratch;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

async fn dev(data: &Path, arguments: &[&str]) -> anyhow::Result<Child> {
    let packages = ["countersign-cli", "countersign-command-api", "countersign-query-api"];
    let more = ["countersign-projections", "countersign-workflows", "countersign-agent"];
    let packages: Vec<_> = packages.into_iter().chain(more).collect();
    let binaries = Binaries::build(&packages, &[]).await?;
    let log = data.with_extension("log");
    let program = Program::new("countersign dev", binaries.path("countersign")?, log);
    let program = program
        .arguments(["dev", "--free-ports", "--data-dir"])
        .argument(data)
        .arguments(arguments);
    Ok(program.spawn()?)
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let child = dev(&scratch.path().join("d"), &["--command-api-port", &port]).await?;
    let status = child.wait().await;
    assert_eq!(status.code(), Some(1));
    let told = child.log_text();
    assert!(told.contains(&format!("port {port} for command-api is taken")), "{told}");
    assert!(told.contains("(cli.port_taken)"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_second_interrupt_ends_everything_at_once() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let child = dev(&scratch.path().join("d"), &["-o", "json"]).await?;
    let ready = || async { child.log_text().contains("\"command_api\"").then_some(()) };
    child.until(PATIENCE, ready).await?;
    let agent = card(&child.log_text()).and_then(|card| card.service("agent"));
    // A process that does not stop: the first interrupt has something to wait for.
    agent.context("no agent runs")?.pause()?;
    child.send_interrupt();
    let stopping = || async { child.log_text().contains("Ctrl-C again").then_some(()) };
    child.until(PATIENCE, stopping).await?;
    child.send_interrupt();
    let status = child.wait().await;
    assert_eq!(status.code(), Some(130));
    assert!(child.log_text().contains("(cli.interrupted)"), "{}", child.log_text());
    Ok(())
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart_and_goes_on() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let file = scratch.file("a.sql", "CREATE TABLE public.kept (id bigint);\n")?;
    let change = submit(&platform, "kept", &file).await?;
    wait_for(&platform, &change, "pending_approval").await?;
    let tokens = platform.card.tokens.clone();
    let platform = platform.stop().await?.start_again().await?;
    assert_eq!(platform.card.tokens, tokens);
    let kept = get(&platform, &change).await?;
    assert_eq!(kept.change.state, "pending_approval");
    scenario::change::approve(&platform, "bob", &change).await?;
    scenario::change::approve(&platform, "cyd", &change).await?;
    wait_for(&platform, &change, "applied").await.context("after the restart")?;
    platform.stop().await?;
    Ok(())
}
