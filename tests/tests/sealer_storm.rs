//! The storm over the sealer in short (`cargo xtask storm sealer`).

use scenario::sealer_storm::{Plan, rage};

#[tokio::test(flavor = "multi_thread")]
async fn twelve_kills_and_two_old_copies_contradict_nothing() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let report = rage(Plan { kills: 12, seed: 7 }, |_| {}).await?;
    assert!(report.holds(), "{report}");
    assert_eq!((report.kills, report.set_backs), (12, 2), "{report}");
    assert!(report.checkpoints.0 > 5 && report.restored > 0, "{report}");
    Ok(())
}
