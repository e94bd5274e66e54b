//! The demo: each scene does something a user or an attacker would, and says what was promised and what was seen.

mod applied;
mod attacks;
mod evidence;
mod failing;
mod stage;

use crate::platform::Platform;
use crate::scratch::Scratch;
use stage::Stage;
use std::process::ExitCode;

/// Plays it; success only if every promise held.
pub async fn run() -> ExitCode {
    chassis::process::install_crypto();
    let mut stage = Stage::new();
    if let Err(error) = play(&mut stage).await {
        stage.broke_off(&error);
    }
    stage.curtain()
}

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let data = scratch.path().join("data");
    stage.step(
        "starting NATS, PostgreSQL, the SPIFFE issuer, every service, an agent and a database",
    );
    let platform = Platform::start(&data).await?;
    let applied = applied::play(stage, &platform, &scratch).await?;
    attacks::play(stage, &platform, &scratch, &applied).await?;
    failing::play(stage, &platform, &scratch).await?;
    evidence::play(stage, platform, &scratch).await
}
