//! The storm over the ledger in short (`cargo xtask storm ledger`).

use scenario::ledger_storm::{Plan, rage};

#[test]
fn two_hundred_attacks_are_found_where_they_are_and_nothing_else_is() {
    let report = rage(Plan { instances: 200, seed: 7, commits: 120 }, |_| {}).unwrap();
    assert!(report.holds(), "{report}");
    assert!(report.attacks.iter().all(|row| row.instances > 1), "{report}");
}
