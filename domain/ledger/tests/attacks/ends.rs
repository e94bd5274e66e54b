//! Attacks 6 and 7: the end of the log is cut off, sealed or not.

use crate::world::{COMMITS, codes, first, unsealed, world};
use countersign_ledger::{Caveat, Fault, Kept, Scope, Verdict};

const SHORTEST: u64 = COMMITS - 100;

/// Each of the last 100 sizes, under the bundle's own checkpoint, without it, and against a kept one.
#[test]
fn attack_06_a_sealed_end_cannot_be_cut_off() {
    let world = world().unwrap();
    let mut sealed = world.verifier().unwrap();
    let without = || {
        let bench = &world.log.bench;
        countersign_ledger::Verifier::new(&world.log.policy, &bench.origin, &bench.shard)
    };
    let mut bare = without().unwrap();
    let mut held = without().unwrap().expecting_checkpoint(&world.kept[9]);
    for (size, line) in (1..).zip(&world.whole.lines) {
        for verifier in [&mut sealed, &mut bare, &mut held] {
            verifier.line(line);
        }
        if !(SHORTEST..COMMITS).contains(&size) {
            continue;
        }
        let report = sealed.clone().finish_without_blobs();
        let missing = Fault::Missing { first: size + 1, last: COMMITS };
        assert_eq!((report.exit_code(), &report.first_bad().unwrap().fault), (8, &missing));
        // Without the checkpoint, and with a manifest that fits, nothing is missing: the report says what that means.
        let report = bare.clone().ending_at(size).finish_without_blobs();
        assert_eq!(report.verdict, Verdict::Intact);
        assert!(report.caveats.contains(&Caveat::NotSealed), "never plainly intact");
        let report = held.clone().ending_at(size).finish_without_blobs();
        assert_eq!((report.exit_code(), codes(&report)), (8, vec!["kept_checkpoint_unchecked"]));
    }
}

/// The same as bundles: as it is, with a manifest that fits, and under an older checkpoint of the log's own.
#[test]
fn attack_06_an_older_checkpoint_does_not_hide_the_cut() {
    let world = world().unwrap();
    for size in [SHORTEST, 950, COMMITS - 1] {
        let mut forged = world.log.bench.clone();
        forged.lines.truncate(usize::try_from(size).unwrap());
        let mut bundle = world.under_genuine(&forged).unwrap();
        let report = world.verify(&bundle).unwrap();
        assert_eq!((report.exit_code(), codes(&report)), (8, vec!["missing", "root_unchecked"]));
        world.log.manifest(&mut bundle, size, &Scope::Log).unwrap();
        let report = world.verify(&bundle).unwrap();
        let lie = Fault::TreeSize { stated: size, sealed: COMMITS };
        assert_eq!((report.exit_code(), &report.first_bad().unwrap().fault), (7, &lie));
        let head = world.log.heads[usize::try_from(size).unwrap()];
        let older = world.log.note(&head).unwrap();
        let older = crate::world::with_checkpoint(bundle, &older);
        // That is a true bundle of an earlier day, and says of which size; a later checkpoint shows that it is old.
        let report = world.verify(&older).unwrap();
        assert_eq!((report.verdict, report.sealed.unwrap().size), (Verdict::Intact, size));
        let report = world.verify_kept(&older).unwrap();
        assert_eq!(report.exit_code(), 8);
        assert!(codes(&report).iter().all(|code| *code == "kept_checkpoint_unchecked"));
        assert_eq!(report.agreed_to, size, "everything that is there is as it was sealed");
    }
}

#[test]
fn attack_06_a_file_that_ends_inside_a_line_is_damaged_there() {
    let world = world().unwrap();
    let mut bundle = world.whole.clone();
    let last = bundle.lines.last_mut().unwrap();
    last.truncate(last.len() / 2);
    let report = world.verify(&bundle).unwrap();
    assert_eq!(first(&report), (7, "line_damaged", Some(COMMITS)));
}

/// Sealed up to 950, acknowledged up to 1,000, cut to 960.
#[test]
fn attack_07_receipts_report_a_cut_in_the_unsealed_window() {
    let world = world().unwrap();
    let mut cut = world.log.bench.clone();
    cut.lines.truncate(960);
    let bundle = unsealed(&cut).unwrap();
    let checkpoints = [world.log.kept(950).unwrap()];
    let kept = Kept { checkpoints: &checkpoints, ..Kept::default() };
    let report = world.log.verify_against(&bundle, &kept).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "nothing shows what was acknowledged and lost");
    assert_eq!(report.caveats, [Caveat::NotSealed]);
    assert!(report.caveats[0].to_string().contains("the end is unprovable"));
    let receipts = &world.receipts[955..];
    let report = world.log.verify_against(&bundle, &Kept { receipts, ..kept }).unwrap();
    assert_eq!(first(&report), (8, "receipt_missing", Some(961)));
    assert_eq!(codes(&report), vec!["receipt_missing"; 40]);
}

/// What was acknowledged is sealed later as something else: the promise is asked again as a leaf.
#[test]
fn attack_07_a_receipt_is_held_against_what_was_sealed_instead() {
    let world = world().unwrap();
    let mut other = crate::world::grown(955).unwrap();
    for n in 956..=COMMITS {
        let data = serde_json::json!({"instead": n});
        let change = crate::workbench::id("chg", 77).unwrap();
        other.append("acme", "change", change, "schema.requested", data).unwrap();
    }
    let other = crate::workbench::sealed::SealedLog::of(other).unwrap();
    let receipts = &world.receipts[900..];
    let kept = Kept { receipts, ..Kept::default() };
    let report = other.verify_against(&other.whole().unwrap(), &kept).unwrap();
    assert_eq!(first(&report), (7, "receipt_contradicted", Some(956)));
    assert_eq!(codes(&report), vec!["receipt_contradicted"; 45]);
}
