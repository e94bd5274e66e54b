//! Attacks 3, 4 and 5: commits are deleted, inserted and reordered.

use crate::workbench::{Bundle, Workbench, id};
use crate::world::{
    COMMITS, TOUCHED, World, brackets, codes, first, index, relinked_by_the_writer, unsealed, world,
};
use anyhow::Context as _;
use countersign_ledger::{Caveat, Fault, Line, Scope, Verdict};
use serde_json::json;

fn without(bench: &Workbench, leaves: impl Fn(&Line) -> bool) -> Workbench {
    let mut forged = bench.clone();
    forged.lines.retain(|line| !leaves(line));
    forged
}

/// The blobs of what is gone stay: their commits may be among it.
fn with_holes(world: &World, leaves: impl Fn(&Line) -> bool) -> Bundle {
    let mut bundle = world.whole.clone();
    let lines = world.log.bench.lines.iter().zip(&world.whole.lines);
    bundle.lines =
        lines.filter(|(line, _)| !leaves(line)).map(|(_, bytes)| bytes.clone()).collect();
    bundle
}

#[test]
fn attack_03_a_deleted_commit_is_missing_by_its_sequence() {
    let world = world().unwrap();
    for sequence in [1, 2, TOUCHED, COMMITS] {
        let bundle = with_holes(world, |line| line.sequence == sequence);
        let report = world.verify(&bundle).unwrap();
        let missing = Fault::Missing { first: sequence, last: sequence };
        assert_eq!((report.exit_code(), &report.first_bad().unwrap().fault), (8, &missing));
        assert!(codes(&report).contains(&"root_unchecked"), "what is missing leaves no root");
    }
}

#[test]
fn attack_03_a_deleted_range_is_missing_from_end_to_end() {
    let world = world().unwrap();
    let bundle = with_holes(world, |line| (300..=349).contains(&line.sequence));
    let report = world.verify(&bundle).unwrap();
    let missing = Fault::Missing { first: 300, last: 349 };
    assert_eq!((report.exit_code(), &report.first_bad().unwrap().fault), (8, &missing));
}

#[test]
fn attack_03_a_deleted_aggregate_is_missing_commit_by_commit() {
    let world = world().unwrap();
    let subject = &world.line(TOUCHED).unwrap().subject;
    let report = world.verify(&with_holes(world, |line| line.subject == *subject)).unwrap();
    assert_eq!(report.exit_code(), 8);
    let expected: Vec<u64> = world
        .log
        .bench
        .lines
        .iter()
        .filter(|line| line.subject == *subject)
        .map(|line| line.sequence)
        .collect();
    let missing = report.findings.iter().filter(|finding| finding.fault.code() == "missing");
    let missing: Vec<u64> = missing.filter_map(|finding| finding.sequence).collect();
    assert_eq!(missing, expected);
}

#[test]
fn attack_03_a_closed_hole_breaks_the_next_link_of_its_aggregate() {
    let world = world().unwrap();
    let mut forged = without(&world.log.bench, |line| line.sequence == TOUCHED);
    for line in forged.lines.iter_mut().filter(|line| line.sequence > TOUCHED) {
        line.sequence -= 1;
    }
    let next = world.next_of_its_aggregate(TOUCHED).unwrap().sequence;
    let report = world.verify(&unsealed(&forged).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "version_mismatch", Some(next - 1)));
}

/// Renumbered and linked anew with the writer's key: a commit, and a whole aggregate.
#[test]
fn attack_03_a_hole_that_the_writer_closes_is_seen_by_checkpoints_alone() {
    let world = world().unwrap();
    let subject = world.line(TOUCHED).unwrap().subject.clone();
    let of_aggregate = world.log.bench.lines.iter().find(|line| line.subject == subject);
    let first_of_aggregate = of_aggregate.unwrap().sequence;
    let one = without(&world.log.bench, |line| line.sequence == TOUCHED);
    let aggregate = without(&world.log.bench, |line| line.subject == subject);
    for (forged, touched) in [(one, TOUCHED), (aggregate, first_of_aggregate)] {
        let forged = relinked_by_the_writer(forged).unwrap();
        let bare = unsealed(&forged).unwrap();
        let report = world.verify(&bare).unwrap();
        assert_eq!((report.verdict, report.caveats), (Verdict::Intact, vec![Caveat::NotSealed]));
        let report = world.verify_kept(&bare).unwrap();
        assert_eq!((report.exit_code(), codes(&report)[0]), (7, "fork"));
        assert!(brackets(&report, touched), "{touched} {} {:?}", report.agreed_to, first(&report));
        // Under its own checkpoint the log is too short.
        let report = world.verify(&world.under_genuine(&forged).unwrap()).unwrap();
        assert_eq!((report.exit_code(), codes(&report)[0]), (8, "missing"));
        let mut fitted = world.under_genuine(&forged).unwrap();
        let size = u64::try_from(forged.lines.len()).unwrap();
        world.log.manifest(&mut fitted, size, &Scope::Log).unwrap();
        let report = world.verify(&fitted).unwrap();
        assert_eq!((report.exit_code(), codes(&report)[0]), (7, "tree_size_mismatch"));
    }
}

/// A line more where another one stands.
#[test]
fn attack_04_an_inserted_line_takes_anothers_place() {
    let world = world().unwrap();
    let mut bundle = world.whole.clone();
    let copy = bundle.lines[index(TOUCHED).unwrap()].clone();
    bundle.lines.insert(index(TOUCHED + 1).unwrap(), copy);
    let report = world.verify(&bundle).unwrap();
    assert_eq!(first(&report), (7, "misplaced", Some(TOUCHED)));
    assert_eq!(report.first_bad().unwrap().line, Some(TOUCHED + 1));
}

/// A well-formed commit at the end of another aggregate, everything after it renumbered and linked anew.
#[test]
fn attack_04_an_inserted_commit_of_the_writer_is_seen_by_checkpoints_alone() {
    let world = world().unwrap();
    let mut forged = world.log.bench.clone();
    let data = json!({"inserted": true});
    let change = id("chg", 3).unwrap();
    forged.append("acme", "change", change, "schema.requested", data).unwrap();
    let inserted = forged.lines.pop().unwrap();
    forged.lines.insert(index(TOUCHED).unwrap(), inserted);
    let forged = relinked_by_the_writer(forged).unwrap();
    let bare = unsealed(&forged).unwrap();
    assert_eq!(world.verify(&bare).unwrap().verdict, Verdict::Intact);
    let report = world.verify_kept(&bare).unwrap();
    assert_eq!(first(&report), (7, "fork", Some(500)));
    assert!(brackets(&report, TOUCHED));
    let report = world.verify(&world.under_genuine(&forged).unwrap()).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch", "beyond_end"]));
}

#[test]
fn attack_05_reordered_versions_of_an_aggregate_break_its_chain() {
    let world = world().unwrap();
    let other = world.next_of_its_aggregate(TOUCHED).unwrap().sequence;
    let report = world.verify(&swapped(world, TOUCHED, other).unwrap()).unwrap();
    assert_eq!(first(&report), (7, "version_mismatch", Some(TOUCHED)));
}

/// Neighbours of different aggregates that change places with their numbers: every chain and signature still holds.
#[test]
fn attack_05_reordered_neighbours_of_two_aggregates_are_seen_by_the_tree_alone() {
    let world = world().unwrap();
    let (one, other) = (world.line(TOUCHED).unwrap(), world.line(TOUCHED + 1).unwrap());
    assert_ne!(one.subject, other.subject);
    let bundle = swapped(world, TOUCHED, TOUCHED + 1).unwrap();
    let report = world.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["root_mismatch"]));
    assert_eq!(first(&report).2, Some(COMMITS));
    let report = world.verify_kept(&bundle).unwrap();
    assert_eq!(first(&report), (7, "fork", Some(500)));
    assert!(brackets(&report, TOUCHED));
    let mut bare = bundle;
    bare.files.remove("checkpoint");
    assert_eq!(world.verify(&bare).unwrap().verdict, Verdict::Intact);
}

/// Two lines that changed places with their numbers.
fn swapped(world: &World, one: u64, other: u64) -> anyhow::Result<Bundle> {
    let mut bundle = world.whole.clone();
    for (at, from) in [(one, other), (other, one)] {
        let line = Line { sequence: at, ..world.line(from)?.clone() };
        *bundle.lines.get_mut(index(at)?).context("a line")? = line.encode()?;
    }
    Ok(bundle)
}

#[test]
fn attack_05_lines_that_changed_places_alone_are_misplaced() {
    let world = world().unwrap();
    let mut bundle = world.whole.clone();
    bundle.lines.swap(index(TOUCHED).unwrap(), index(TOUCHED + 1).unwrap());
    let report = world.verify(&bundle).unwrap();
    assert_eq!((report.exit_code(), codes(&report)[0]), (7, "misplaced"));
    assert_eq!(report.first_bad().unwrap().line, Some(TOUCHED));
}
