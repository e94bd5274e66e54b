//! Every finding about a data folder, from facts with one thing broken.

use super::*;
use crate::doctor::clock::Clock;
use crate::doctor::finding::{FINDINGS, Severity};
use crate::doctor::local::database::DatabaseFacts;
use crate::doctor::local::log::{LogFacts, Reader, ReaderKind};
use crate::doctor::local::{CertificateFacts, ListenerFacts, PathFacts, ProcessFacts};
use chrono::Duration;
use std::collections::BTreeSet;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn process(name: &str) -> ProcessFacts {
    ProcessFacts {
        name: name.to_owned(),
        version: Some("0.1.0".to_owned()),
        is_ready: true,
        identity: (format!("unix:/s/{name}.sock"), Ok(now() + Duration::minutes(40))),
    }
}

fn reader(kind: ReaderKind, name: &str) -> Reader {
    Reader { kind, name: name.to_owned(), reached: 9 }
}

fn healthy() -> LocalFacts {
    let log = LogFacts {
        accounts: Vec::new(),
        gaps: BTreeSet::new(),
        end: 9,
        readers: vec![
            reader(ReaderKind::Mirror, "CS_LOG_main"),
            reader(ReaderKind::Projection, "change_list"),
            reader(ReaderKind::Workflow, "execution"),
        ],
        set_aside: vec![("intake".to_owned(), 0)],
        agents: vec![("acme_edge".to_owned(), true)],
    };
    let database = DatabaseFacts {
        version: 150_018,
        clock: Clock::seen("PostgreSQL", (now(), now()), (now(), now())),
        listeners: Vec::new(),
        parked: 0,
        condemned: 0,
    };
    let path = |path: &str, mode, is_folder| PathFacts { path: path.into(), mode, is_folder };
    let certificate = CertificateFacts {
        of: "the authority".to_owned(),
        not_after: Ok(now() + Duration::days(300)),
    };
    LocalFacts {
        data_dir: "/d".into(),
        own_version: "0.1.0".to_owned(),
        processes: vec![process("command-api"), process("agent")],
        listeners: vec![ListenerFacts {
            of: "command-api (people_listen)".to_owned(),
            address: "127.0.0.1:4610".parse().unwrap(),
            answers: true,
            development: true,
        }],
        paths: vec![
            path("/d", 0o711, true),
            path("/d/keys", 0o700, true),
            path("/d/keys/bob.pem", 0o600, false),
        ],
        certificates: vec![certificate],
        golden: Vec::new(),
        nats_version: Ok("2.15.1".to_owned()),
        log: Ok(log),
        database: Ok(database),
    }
}

/// The findings of facts in which one thing was broken.
fn broken(by: impl FnOnce(&mut LocalFacts)) -> Vec<(&'static str, Severity)> {
    let mut facts = healthy();
    by(&mut facts);
    let findings = judge(&facts, now());
    for finding in &findings {
        assert!(FINDINGS.contains(&finding.code), "{}", finding.code);
        assert_eq!(finding.severity == Severity::Ok, finding.mend.is_none(), "{finding:?}");
    }
    let wrong = findings.into_iter().filter(|finding| finding.severity != Severity::Ok);
    wrong.map(|finding| (finding.code, finding.severity)).collect()
}

fn log(by: impl FnOnce(&mut LogFacts)) -> Vec<(&'static str, Severity)> {
    broken(|facts| by(facts.log.as_mut().unwrap()))
}

fn database(by: impl FnOnce(&mut DatabaseFacts)) -> Vec<(&'static str, Severity)> {
    broken(|facts| by(facts.database.as_mut().unwrap()))
}

#[test]
fn a_healthy_stack_has_no_finding_but_good_ones() {
    assert_eq!(broken(|_| ()), []);
}

#[test]
fn old_servers_and_programs_of_other_versions_are_named() {
    for (version, expected) in [
        ("2.14.3", vec![("doctor.nats_version", Severity::Problem)]),
        ("2.14.4", vec![]),
        ("2.15.0-preview.1", vec![]),
        ("unknown", vec![("doctor.nats_version", Severity::Problem)]),
    ] {
        assert_eq!(
            broken(|facts| facts.nats_version = Ok(version.to_owned())),
            expected,
            "{version}"
        );
    }
    let old = [("doctor.postgres_version", Severity::Problem)];
    assert_eq!(database(|facts| facts.version = 130_022), old);
    let other = broken(|facts| facts.processes[1].version = Some("0.2.0".to_owned()));
    assert_eq!(other, [("doctor.binary_version", Severity::Problem)]);
}

#[test]
fn an_address_that_does_not_answer_or_that_everybody_reaches_is_named() {
    let silent = broken(|facts| facts.listeners[0].answers = false);
    assert_eq!(silent, [("doctor.port_unreachable", Severity::Problem)]);
    let open =
        |facts: &mut LocalFacts| facts.listeners[0].address = "0.0.0.0:4610".parse().unwrap();
    assert_eq!(broken(open), [("doctor.development_exposed", Severity::Problem)]);
    let real = broken(|facts| {
        open(facts);
        facts.listeners[0].development = false;
    });
    assert_eq!(real, []);
}

#[test]
fn a_process_that_is_not_ready_is_named() {
    let unready = broken(|facts| facts.processes[0].is_ready = false);
    assert_eq!(unready, [("doctor.not_ready", Severity::Problem)]);
}

#[test]
fn secrets_that_others_can_reach_are_named() {
    for mode in [0o640, 0o604, 0o644] {
        let file = broken(|facts| facts.paths[2].mode = mode);
        assert_eq!(file, [("doctor.file_open", Severity::Problem)], "{mode:o}");
    }
    let folder = broken(|facts| facts.paths[1].mode = 0o711);
    assert_eq!(folder, [("doctor.folder_open", Severity::Problem)]);
    let all = broken(|facts| facts.paths[0].mode = 0o755);
    assert_eq!(all, [("doctor.folder_open", Severity::Problem)]);
}

#[test]
fn certificates_are_named_before_and_after_their_end() {
    let code = "doctor.certificate_expires";
    for (left, severity) in
        [(Duration::days(29), Severity::Warning), (Duration::zero(), Severity::Problem)]
    {
        let found = broken(|facts| facts.certificates[0].not_after = Ok(now() + left));
        assert_eq!(found, [(code, severity)]);
    }
    let found = broken(|facts| facts.certificates[0].not_after = Err("gone".to_owned()));
    assert_eq!(found, [(code, Severity::Problem)]);
    let found = broken(|facts| facts.processes[0].identity.1 = Ok(now() + Duration::minutes(4)));
    assert_eq!(found, [(code, Severity::Warning)]);
}

#[test]
fn a_silent_spiffe_socket_is_named() {
    let found = broken(|facts| facts.processes[0].identity.1 = Err("nobody listens".to_owned()));
    assert_eq!(found, [("doctor.spiffe_silent", Severity::Problem)]);
}

#[test]
fn a_golden_key_is_named() {
    let found = broken(|facts| facts.golden.push("/d/keys/writer.pem".to_owned()));
    assert_eq!(found, [("doctor.golden_key", Severity::Problem)]);
}

#[test]
fn a_clock_that_is_off_is_named() {
    let off = |facts: &mut DatabaseFacts| facts.clock.ahead = Duration::seconds(300);
    assert_eq!(database(off), [("doctor.clock_offset", Severity::Problem)]);
}

#[test]
fn every_kind_of_reader_that_stays_behind_is_named() {
    for (index, code) in ["doctor.mirror_lag", "doctor.projection_lag", "doctor.workflow_lag"]
        .into_iter()
        .enumerate()
    {
        let found = log(|facts| facts.readers[index].reached = 8);
        assert_eq!(found, [(code, Severity::Problem)]);
    }
}

#[test]
fn what_was_set_aside_parked_or_condemned_is_named() {
    let aside = log(|facts| facts.set_aside[0].1 = 2);
    assert_eq!(aside, [("doctor.set_aside", Severity::Warning)]);
    let parked = database(|facts| facts.parked = 1);
    assert_eq!(parked, [("doctor.parked", Severity::Problem)]);
    let condemned = database(|facts| facts.condemned = 1);
    assert_eq!(condemned, [("doctor.condemned", Severity::Problem)]);
}

#[test]
fn an_agent_that_does_not_pull_is_away() {
    let away = log(|facts| facts.agents[0].1 = false);
    assert_eq!(away, [("doctor.agent_away", Severity::Problem)]);
}

#[test]
fn what_could_not_be_looked_at_is_a_problem() {
    let found = broken(|facts| {
        facts.log = Err("no connection".to_owned());
        facts.nats_version = Err("no connection".to_owned());
    });
    assert_eq!(found, [("doctor.not_seen", Severity::Problem)]);
    let found = broken(|facts| facts.database = Err("no connection".to_owned()));
    assert_eq!(found, [("doctor.not_seen", Severity::Problem)]);
}

#[test]
fn a_stack_that_does_not_run_is_one_finding() {
    let found = broken(|facts| {
        facts.listeners[0].answers = false;
        facts.processes[0].version = None;
        facts.log = Err("no connection".to_owned());
        facts.database = Err("no connection".to_owned());
    });
    assert_eq!(found, [("doctor.not_running", Severity::Problem)]);
}
