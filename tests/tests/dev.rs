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
    let folder = data.to_str().context("a path that is not UTF-8")?;
    let arguments = [["--data-dir", folder].as_slice(), arguments].concat();
    spawned(&data.with_extension("log"), &arguments).await
}

async fn spawned(log: &Path, arguments: &[&str]) -> anyhow::Result<Child> {
    let packages = ["countersign-cli", "countersign-command-api", "countersign-query-api"];
    let more = ["countersign-projections", "countersign-workflows", "countersign-agent"];
    let packages: Vec<_> = packages.into_iter().chain(more).collect();
    let binaries = Binaries::build(&packages, &[]).await?;
    let program = Program::new("countersign dev", binaries.path("countersign")?, log);
    Ok(program.arguments(["dev", "--free-ports"]).arguments(arguments).spawn()?)
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
async fn reset_refuses_a_folder_in_use_and_starts_anew_on_one_that_is_not() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let data = scratch.path().join("d");
    let platform = Platform::start(&data).await?;
    let refused = dev(&data, &["--reset"]).await?;
    assert_eq!(refused.wait().await.code(), Some(1));
    let told = refused.log_text();
    assert!(told.contains("another process uses the data folder"), "{told}");
    let file = scratch.file("a.sql", "CREATE TABLE public.lives (id bigint);\n")?;
    submit(&platform, "it lives", &file).await?;
    let tokens = platform.card.tokens.clone();
    platform.stop().await?;
    let anew = dev(&data, &["--reset", "-o", "json"]).await?;
    let card = anew.until(PATIENCE, || async { card(&anew.log_text()) }).await?;
    assert_ne!(card.tokens, tokens);
    assert!(anew.interrupt(PATIENCE).await.success());
    Ok(())
}

#[tokio::test]
async fn an_ephemeral_start_leaves_nothing() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let child = spawned(&scratch.path().join("log"), &["--ephemeral", "-o", "json"]).await?;
    let card = child.until(PATIENCE, || async { card(&child.log_text()) }).await?;
    assert!(card.data_dir.is_dir());
    assert!(child.interrupt(PATIENCE).await.success());
    assert!(!card.data_dir.exists());
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_ends_everything_and_is_named() -> anyhow::Result<()> {
    for name in ["nats-server", "postgres"] {
        let scratch = Scratch::new()?;
        let child = dev(&scratch.path().join("d"), &["-o", "json"]).await?;
        let card = child.until(PATIENCE, || async { card(&child.log_text()) }).await?;
        card.service(name).context("no such process")?.kill()?;
        assert_eq!(child.wait().await.code(), Some(1));
        let told = child.log_text();
        assert!(told.contains(&format!("{name} ended with")), "{told}");
    }
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
