//! What a compromised control plane tries, with the dispatcher's real key.

use super::stage::{Stage, note};
use crate::change::{approve, get, submit, wait_for};
use crate::forged;
use crate::platform::Platform;
use crate::scratch::Scratch;
use crate::target::columns;
use trust::statement::{JobResult, Outcome};

/// Above every fence that the catalog has issued in this demo.
const FENCE: u64 = 100;

/// Plays both attacks.
pub async fn play(
    stage: &mut Stage,
    platform: &Platform,
    scratch: &Scratch,
    applied: &str,
) -> anyhow::Result<()> {
    let connection = forged::connect(platform).await?;
    stage.step("Ada submits another change; only Bob signs it");
    let file = scratch.file("backdoor.sql", "CREATE TABLE public.backdoor (id bigint);\n")?;
    let change = submit(platform, "a table nobody else agreed to", &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    approve(platform, "bob", &change).await?;
    stage.step("the dispatcher's own key signs a job for it, put straight into the job stream");
    let result = forged::dispatch(platform, &connection, &change, &["bob"], FENCE).await?;
    let nothing = columns(platform, "backdoor").await?.is_empty();
    stage.promise(
        "a change that one person signed is refused by the agent itself",
        told(&result),
        nothing && refused(&result, "quorum_not_met"),
    );
    stage.step("the change that was applied is dispatched a second time, with both signatures");
    let both = ["bob", "cyd"];
    let result = forged::dispatch(platform, &connection, applied, &both, FENCE).await?;
    stage.promise(
        "an approved change runs once: dispatched again it is consumed",
        told(&result),
        refused(&result, "consumed"),
    );
    let ada = platform.as_somebody("ada")?;
    ada.run(&["change", "cancel", &change]).await?;
    wait_for(platform, &change, "cancelled").await?;
    let ended = get(platform, &change).await?.change.state;
    note(&format!("Ada takes the one-person change back: {ended}"));
    Ok(())
}

fn refused(result: &JobResult, name: &str) -> bool {
    result.outcome == Outcome::Refused
        && result.refusal.as_ref().is_some_and(|reason| reason.name() == name)
}

fn told(result: &JobResult) -> String {
    let refusal = result.refusal.as_ref().map_or("none", |reason| reason.name());
    format!("signed by {}: {:?}, refusal {refusal}", result.agent, result.outcome)
}
