//! The storm in short: everything is killed at least once while ten changes go through (`cargo xtask storm kills`).

use scenario::storm::{Plan, rage};

#[tokio::test(flavor = "multi_thread")]
async fn ten_changes_go_through_a_storm_and_nothing_is_lost_or_doubled() {
    chassis::process::install_crypto();
    let plan = Plan { changes: 10, seed: 7, kills_each: 1 };
    let report = rage(plan, |_| {}).await.unwrap();
    assert_eq!(report.findings.violations, Vec::<String>::new());
    assert_eq!(report.missing_kills(), Vec::<&str>::new());
    assert!(report.acknowledged >= 30, "{} commands", report.acknowledged);
    assert_eq!(report.findings.states.values().sum::<usize>(), 10);
    assert!(report.findings.states.get("applied").is_some_and(|applied| *applied >= 5));
}
