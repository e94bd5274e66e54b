//! `kill -9` at any moment: no two checkpoints are ever inconsistent, and nothing stays unsealed.

use crate::world::World;
use std::time::Duration;

/// More of them run in `cargo xtask storm ledger`.
const KILLS: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_sealer_that_is_killed_at_any_moment_never_contradicts_itself() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut random = fastrand::Rng::with_seed(11);
    let mut last = world.grow("before", 3).await?;
    for round in 0..KILLS {
        let sealer = world.sealer("killed")?;
        let moment = Duration::from_millis(random.u64(20..900));
        let grow = async {
            let mut grown = 0;
            loop {
                grown = world.append(&format!("{round}-{grown}")).await?;
                last = grown;
            }
        };
        let grown: Result<anyhow::Result<()>, _> = tokio::time::timeout(moment, grow).await;
        if let Ok(failed) = grown {
            failed?;
        }
        sealer.kill().await;
    }
    let sealer = world.sealer("last")?;
    world.until_sealed(&sealer, last).await?;
    let sizes = world.check_archive().await?;
    assert!(sizes.len() > 2, "{sizes:?}");
    Ok(())
}
