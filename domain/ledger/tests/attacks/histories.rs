//! Attacks 8 and 9: the log has two histories, or another one than before.

use crate::workbench::sealed::SealedLog;
use crate::workbench::{Workbench, id};
use crate::world::{
    COMMITS, TOUCHED, brackets, codes, edited, first, grown, relinked_by_the_writer, unwitnessed,
    with_checkpoint, world,
};
use countersign_ledger::tree::consistency_proof;
use countersign_ledger::{Caveat, Fork, ForkError, Kept, Verdict, verify_bundle_against};
use trust::keys::PrivateKey;

/// The log as it would be had another commit been written at 417, with everything after it.
fn other_view() -> anyhow::Result<SealedLog> {
    let bench = &world()?.log.bench;
    let forged = edited(bench, TOUCHED, &bench.writer, |envelope| {
        "other".clone_into(&mut envelope.correlation_id);
    })?;
    SealedLog::of(relinked_by_the_writer(forged)?)
}

/// The log shows one history to one and another to the other; both are good by themselves.
#[test]
fn attack_08_two_views_of_one_log_are_a_transferable_proof() {
    let world = world().unwrap();
    let other = other_view().unwrap();
    let sealed = unwitnessed(&other, 1_795_160_000).unwrap();
    let mut alone = world.log.policy.clone();
    alone.logs[0].witness_quorum = 0;
    let bundle = with_checkpoint(other.whole().unwrap(), &sealed);
    let view = |kept: &Kept<'_>| verify_bundle_against(&bundle, &alone, &other.bench.shard, kept);
    let report = view(&Kept::default()).unwrap();
    assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![Caveat::NotWitnessed]));
    let kept = Kept { checkpoints: &world.kept, ..Kept::default() };
    let report = view(&kept).unwrap();
    assert_eq!(first(&report), (7, "fork", Some(500)));
    assert!(brackets(&report, TOUCHED));
    // Both notes convince whoever trusts the log's key, and nobody needs to be trusted who hands them on.
    let policy = &alone.logs[0];
    let one = world.kept[9].note().clone();
    let fork = Fork::at_one_size(one.clone(), sealed.clone(), policy).unwrap();
    let handed_on = Fork::parse(&fork.encode().unwrap()).unwrap();
    assert_eq!(handed_on.verify(policy), Ok(()));
    assert_eq!((handed_on.earlier(), handed_on.later()), (&one, &sealed));
    let earlier = world.kept[6].note().clone();
    let past = consistency_proof(700, &other.head(), &other.tiles).unwrap();
    let fork = Fork::against_the_past(earlier, sealed, past, policy).unwrap();
    assert_eq!(Fork::parse(&fork.encode().unwrap()).unwrap().verify(policy), Ok(()));
    let mut stranger = policy.clone();
    stranger.keys = vec![PrivateKey::from_seed(&[77; 32]).public().into()];
    assert!(matches!(fork.verify(&stranger), Err(ForkError::Checkpoint { .. })));
}

/// Honest checkpoints of one history give no proof of a fork, however they are put together.
#[test]
fn attack_08_no_fork_can_be_made_of_an_honest_log() {
    let world = world().unwrap();
    let policy = &world.log.policy.logs[0];
    let notes: Vec<_> = world.kept.iter().map(|kept| kept.note().clone()).collect();
    for (one, other) in (0..10).flat_map(|one| (one..10).map(move |other| (one, other))) {
        let made = if one == other {
            Fork::at_one_size(notes[one].clone(), notes[other].clone(), policy)
        } else {
            let head = world.kept[other].head();
            let past = consistency_proof(world.kept[one].head().size, &head, &world.log.tiles);
            let (earlier, later) = (notes[one].clone(), notes[other].clone());
            Fork::against_the_past(earlier, later, past.unwrap(), policy)
        };
        assert_eq!(made, Err(ForkError::Consistent));
    }
}

#[test]
fn attack_08_a_view_without_the_witness_is_not_believed() {
    let other = other_view().unwrap();
    let sealed = unwitnessed(&other, 1_795_160_000).unwrap();
    let report = other.verify(&with_checkpoint(other.whole().unwrap(), &sealed)).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (8, vec!["witness_quorum"]));
}

/// The stream is deleted and made anew under the same name and with the same keys.
#[test]
fn attack_09_a_log_that_was_made_anew_is_not_the_one_that_was_kept() {
    let world = world().unwrap();
    let mut anew = Workbench::opened().unwrap();
    for n in 2..=150 {
        let change = id("chg", n % 4).unwrap();
        let data = serde_json::json!({"anew": n});
        anew.append("acme", "change", change, "schema.requested", data).unwrap();
    }
    let anew = SealedLog::of(anew).unwrap();
    let bundle = anew.whole().unwrap();
    assert_eq!(anew.verify(&bundle).unwrap().verdict, Verdict::Intact, "good by itself");
    let kept =
        Kept { checkpoints: &world.kept[..1], receipts: &world.receipts[1..2], bundle: None };
    let report = anew.verify_against(&bundle, &kept).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["receipt_contradicted", "fork"]));
    let earlier = Kept { bundle: Some(&world.whole), ..Kept::default() };
    let report = anew.verify_against(&bundle, &earlier).unwrap();
    assert_eq!(first(&report), (7, "rewritten", Some(2)));
}

/// Of a backup nothing is false. It is shorter than what was sealed, or goes on differently.
#[test]
fn attack_09_an_old_backup_is_shorter_or_goes_on_differently() {
    let world = world().unwrap();
    let backup = SealedLog::of(grown(700).unwrap()).unwrap();
    let report = world.verify_kept(&backup.whole().unwrap()).unwrap();
    assert_eq!((report.exit_code(), report.agreed_to), (8, 700));
    assert_eq!(codes(&report), vec!["kept_checkpoint_unchecked"; 3]);
    let mut gone_on = backup.bench;
    for n in 701..=COMMITS {
        let data = serde_json::json!({"again": n});
        let change = id("chg", n % 11).unwrap();
        gone_on.append("acme", "change", change, "schema.requested", data).unwrap();
    }
    let gone_on = SealedLog::of(gone_on).unwrap();
    let report = world.verify_kept(&gone_on.whole().unwrap()).unwrap();
    assert_eq!(first(&report), (7, "fork", Some(800)));
    assert!(brackets(&report, 701) && report.agreed_to == 700);
}
