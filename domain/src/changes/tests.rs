//! Given, when, then: changes.

use super::*;
use crate::given::{blob, by, digest, person};
use crate::ids::{AgentId, ChangeId};
use crate::policy::builtin_quorum;
use crate::vocabulary::{RootRef, Step};
use cqrs_es::test::TestFramework;

fn change() -> TestFramework<Change> {
    TestFramework::with(())
}

fn draft(start: Start, submit: bool) -> Draft {
    Draft {
        data_source: DataSourceId::derived("data_source", &["acme", "orders"]),
        environment: "dev".to_owned(),
        title: "add a note".into(),
        reason: None,
        sql: blob(b"select 1;"),
        steps: vec![Step { ordinal: 1, sha256: digest(b"select 1;"), transactional: true }],
        start,
        submit,
    }
}

fn drafted(start: Start) -> ChangeEvent {
    Change::draft(draft(start, false), person("ada")).remove(0)
}

fn approval() -> ApprovalId {
    ApprovalId::derived("approval", &["1"])
}

fn job() -> JobId {
    JobId::derived("job", &["1"])
}

fn request() -> ApprovalRequest {
    ApprovalRequest {
        approval: approval(),
        manifest: blob(b"{}"),
        change_sha256: digest(b"{}"),
        fingerprint: "pgfp1:0".to_owned(),
        root: RootRef { version: 1, sha256: digest(b"root") },
        policy: builtin_quorum(),
        job: job(),
    }
}

fn report(outcome: Outcome) -> ExecutionReport {
    ExecutionReport {
        job: job(),
        outcome,
        refusal: None,
        sqlstate: None,
        fingerprint: None,
        result: blob(b"result"),
    }
}

/// The events of a change up to a phase.
fn until(phase: Phase, start: Start) -> Vec<ChangeEvent> {
    let pending = Change { revision: 1, ..Change::default() }.request(request()).remove(0);
    let story = vec![
        (Phase::Draft, drafted(start)),
        (Phase::Checking, ChangeEvent::Requested { revision: 1 }),
        (Phase::PendingApproval, pending),
        (Phase::Approved, ChangeEvent::Approved { approval: approval() }),
        (Phase::Scheduled, ChangeEvent::Scheduled { start }),
        (Phase::Applying, ChangeEvent::Dispatched { job: job(), fence: 1 }),
        (Phase::Applied, ChangeEvent::Applied { job: job(), fingerprint: None }),
    ];
    let end = story.iter().position(|(at, _)| *at == phase).unwrap();
    story.into_iter().take(end + 1).map(|(_, event)| event).collect()
}

#[test]
fn a_change_is_drafted_and_submitted_in_one_commit() {
    let draft = draft(Start::OnApproval, true);
    change()
        .given_no_previous_events()
        .when(by("ada", ChangeCommand::Draft(draft)))
        .then_expect_events(vec![
            drafted(Start::OnApproval),
            ChangeEvent::Requested { revision: 1 },
        ]);
}

#[test]
fn a_draft_may_wait_to_be_submitted() {
    change()
        .given_no_previous_events()
        .when(by("ada", ChangeCommand::Draft(draft(Start::OnApproval, false))))
        .then_expect_events(vec![drafted(Start::OnApproval)]);
}

#[test]
fn a_change_is_drafted_only_once() {
    change()
        .given(vec![drafted(Start::OnApproval)])
        .when(by("ada", ChangeCommand::Draft(draft(Start::OnApproval, false))))
        .then_expect_error(ChangeError::AlreadyDrafted);
}

#[test]
fn a_change_that_does_not_exist_is_not_found() {
    for command in
        [ChangeCommand::Submit, ChangeCommand::Start, ChangeCommand::Cancel { as_operator: true }]
    {
        change()
            .given_no_previous_events()
            .when(by("ada", command))
            .then_expect_error(ChangeError::NotFound);
    }
}

#[test]
fn a_draft_is_submitted_by_its_author() {
    change()
        .given(vec![drafted(Start::OnApproval)])
        .when(by("ada", ChangeCommand::Submit))
        .then_expect_events(vec![ChangeEvent::Requested { revision: 1 }]);
}

#[test]
fn a_draft_is_not_submitted_by_somebody_else() {
    change()
        .given(vec![drafted(Start::OnApproval)])
        .when(by("eve", ChangeCommand::Submit))
        .then_expect_error(ChangeError::NotYours);
}

#[test]
fn a_change_is_submitted_only_once() {
    change()
        .given(until(Phase::Checking, Start::OnApproval))
        .when(by("ada", ChangeCommand::Submit))
        .then_expect_error(ChangeError::NotDraft);
}

#[test]
fn a_checked_change_waits_for_approval() {
    let expected = until(Phase::PendingApproval, Start::OnApproval).pop().unwrap();
    change()
        .given(until(Phase::Checking, Start::OnApproval))
        .when(by("flow", ChangeCommand::RequestApproval(request())))
        .then_expect_events(vec![expected]);
}

#[test]
fn approval_is_requested_once_per_revision() {
    change()
        .given(until(Phase::PendingApproval, Start::OnApproval))
        .when(by("flow", ChangeCommand::RequestApproval(request())))
        .then_expect_error(ChangeError::NotChecking);
}

#[test]
fn a_failed_check_ends_the_change_with_its_name() {
    let command = ChangeCommand::FailCheck { code: "mode_not_allowed".to_owned(), job: job() };
    change()
        .given(until(Phase::Checking, Start::OnApproval))
        .when(by("flow", command.clone()))
        .then_expect_events(vec![ChangeEvent::Failed {
            code: "mode_not_allowed".to_owned(),
            job: Some(job()),
        }]);
    change()
        .given(until(Phase::PendingApproval, Start::OnApproval))
        .when(by("flow", command))
        .then_expect_error(ChangeError::NotChecking);
}

#[test]
fn an_approval_schedules_at_once_or_waits_for_release() {
    let command = ChangeCommand::RecordApproval { approval: approval() };
    change()
        .given(until(Phase::PendingApproval, Start::OnApproval))
        .when(by("flow", command.clone()))
        .then_expect_events(vec![
            ChangeEvent::Approved { approval: approval() },
            ChangeEvent::Scheduled { start: Start::OnApproval },
        ]);
    change()
        .given(until(Phase::PendingApproval, Start::OnRelease))
        .when(by("flow", command))
        .then_expect_events(vec![ChangeEvent::Approved { approval: approval() }]);
}

#[test]
fn an_approval_of_another_revision_does_not_count() {
    let other = ApprovalId::derived("approval", &["2"]);
    for command in [
        ChangeCommand::RecordApproval { approval: other },
        ChangeCommand::RecordRejection { approval: other, by: person("bob") },
    ] {
        change()
            .given(until(Phase::PendingApproval, Start::OnApproval))
            .when(by("flow", command))
            .then_expect_error(ChangeError::OtherApproval);
    }
}

#[test]
fn an_approval_is_recorded_only_once() {
    change()
        .given(until(Phase::Approved, Start::OnRelease))
        .when(by("flow", ChangeCommand::RecordApproval { approval: approval() }))
        .then_expect_error(ChangeError::NotPending);
}

#[test]
fn a_rejection_ends_the_change() {
    let command = ChangeCommand::RecordRejection { approval: approval(), by: person("bob") };
    let rejected = ChangeEvent::Rejected { approval: approval(), by: person("bob") };
    change()
        .given(until(Phase::PendingApproval, Start::OnApproval))
        .when(by("flow", command.clone()))
        .then_expect_events(vec![rejected.clone()]);
    change()
        .given([until(Phase::PendingApproval, Start::OnApproval), vec![rejected]].concat())
        .when(by("flow", command))
        .then_expect_error(ChangeError::NotPending);
}

#[test]
fn an_approved_change_is_started_once() {
    change()
        .given(until(Phase::Approved, Start::OnRelease))
        .when(by("ops", ChangeCommand::Start))
        .then_expect_events(vec![ChangeEvent::Scheduled { start: Start::OnRelease }]);
    for phase in [Phase::PendingApproval, Phase::Scheduled, Phase::Applied] {
        change()
            .given(until(phase, Start::OnRelease))
            .when(by("ops", ChangeCommand::Start))
            .then_expect_error(ChangeError::NotApproved);
    }
}

#[test]
fn a_change_is_dispatched_only_when_scheduled() {
    let command = ChangeCommand::RecordDispatch { job: job(), fence: 7 };
    change()
        .given(until(Phase::Scheduled, Start::OnApproval))
        .when(by("flow", command.clone()))
        .then_expect_events(vec![ChangeEvent::Dispatched { job: job(), fence: 7 }]);
    for phase in [Phase::Approved, Phase::Applying] {
        change()
            .given(until(phase, Start::OnRelease))
            .when(by("flow", command.clone()))
            .then_expect_error(ChangeError::NotScheduled);
    }
}

#[test]
fn a_result_ends_the_change_as_the_agent_says() {
    for (outcome, ended) in [
        (Outcome::Succeeded, ChangeEvent::Applied { job: job(), fingerprint: None }),
        (
            Outcome::FailedClean,
            ChangeEvent::Failed { code: "failed_clean".to_owned(), job: Some(job()) },
        ),
        (
            Outcome::FailedPartial,
            ChangeEvent::Failed { code: "failed_partial".to_owned(), job: Some(job()) },
        ),
        (Outcome::Refused, ChangeEvent::Failed { code: "refused".to_owned(), job: Some(job()) }),
        (Outcome::Unknown, ChangeEvent::OutcomeUnknown { job: job() }),
    ] {
        let taken = ChangeEvent::ResultTaken {
            job: job(),
            outcome,
            refusal: None,
            sqlstate: None,
            result: blob(b"result"),
        };
        change()
            .given(until(Phase::Applying, Start::OnApproval))
            .when(by("flow", ChangeCommand::RecordResult(report(outcome))))
            .then_expect_events(vec![taken, ended]);
    }
}

/// How a change ends on a report of these words.
fn ended(outcome: Outcome, refusal: Option<&str>, sqlstate: Option<&str>) -> ChangeEvent {
    let report = ExecutionReport {
        refusal: refusal.map(str::to_owned),
        sqlstate: sqlstate.map(str::to_owned),
        fingerprint: Some("pgfp1:1".to_owned()),
        ..report(outcome)
    };
    let applying = Change { job: Some(job()), ..Change::default() };
    applying.take_result(report).unwrap().pop().unwrap()
}

#[test]
fn a_failed_change_shows_the_refusal_before_the_sqlstate() {
    let failed = |code: &str| ChangeEvent::Failed { code: code.to_owned(), job: Some(job()) };
    let refused = ended(Outcome::Refused, Some("drifted"), Some("42P07"));
    assert_eq!(refused, failed("drifted"));
    assert_eq!(ended(Outcome::FailedClean, None, Some("42P07")), failed("42P07"));
}

#[test]
fn a_partly_applied_change_never_looks_cleanly_failed() {
    let failed = ended(Outcome::FailedPartial, None, Some("42P07"));
    let code = "failed_partial".to_owned();
    assert_eq!(failed, ChangeEvent::Failed { code, job: Some(job()) });
}

#[test]
fn an_applied_change_has_the_fingerprint_of_its_result() {
    let applied = ChangeEvent::Applied { job: job(), fingerprint: Some("pgfp1:1".to_owned()) };
    assert_eq!(ended(Outcome::Succeeded, None, None), applied);
}

#[test]
fn a_change_whose_job_was_never_recorded_fails_once() {
    let command =
        ChangeCommand::FailDispatch { code: "jobs.message_invalid".to_owned(), job: job() };
    let failed = ChangeEvent::Failed { code: "jobs.message_invalid".to_owned(), job: Some(job()) };
    change()
        .given(until(Phase::Applying, Start::OnApproval))
        .when(by("flow", command.clone()))
        .then_expect_events(vec![failed]);
    change()
        .given(until(Phase::Applied, Start::OnApproval))
        .when(by("flow", command))
        .then_expect_error(ChangeError::NotApplying);
    let other = JobId::derived("job", &["2"]);
    change()
        .given(until(Phase::Applying, Start::OnApproval))
        .when(by("flow", ChangeCommand::FailDispatch { code: "x".to_owned(), job: other }))
        .then_expect_error(ChangeError::OtherJob);
}

#[test]
fn a_change_that_gets_no_lock_fails_without_a_job() {
    let code = || "catalog.lock_queue_full".to_owned();
    change()
        .given(until(Phase::Scheduled, Start::OnApproval))
        .when(by("flow", ChangeCommand::FailDispatch { code: code(), job: job() }))
        .then_expect_events(vec![ChangeEvent::Failed { code: code(), job: None }]);
    change()
        .given(until(Phase::Approved, Start::OnRelease))
        .when(by("flow", ChangeCommand::FailDispatch { code: code(), job: job() }))
        .then_expect_error(ChangeError::NotApplying);
}

#[test]
fn a_result_of_another_job_is_refused() {
    let other =
        ExecutionReport { job: JobId::derived("job", &["2"]), ..report(Outcome::Succeeded) };
    change()
        .given(until(Phase::Applying, Start::OnApproval))
        .when(by("flow", ChangeCommand::RecordResult(other)))
        .then_expect_error(ChangeError::OtherJob);
}

#[test]
fn a_result_is_taken_in_once() {
    change()
        .given(until(Phase::Applied, Start::OnApproval))
        .when(by("flow", ChangeCommand::RecordResult(report(Outcome::Succeeded))))
        .then_expect_error(ChangeError::NotApplying);
}

#[test]
fn a_change_is_cancelled_by_its_author_or_an_operator_until_it_is_being_applied() {
    for phase in
        [Phase::Draft, Phase::Checking, Phase::PendingApproval, Phase::Approved, Phase::Scheduled]
    {
        change()
            .given(until(phase, Start::OnRelease))
            .when(by("ada", ChangeCommand::Cancel { as_operator: false }))
            .then_expect_events(vec![ChangeEvent::Cancelled { by: person("ada") }]);
    }
    change()
        .given(until(Phase::Checking, Start::OnRelease))
        .when(by("ops", ChangeCommand::Cancel { as_operator: true }))
        .then_expect_events(vec![ChangeEvent::Cancelled { by: person("ops") }]);
    change()
        .given(until(Phase::Checking, Start::OnRelease))
        .when(by("eve", ChangeCommand::Cancel { as_operator: false }))
        .then_expect_error(ChangeError::NotYours);
    change()
        .given(until(Phase::Applying, Start::OnRelease))
        .when(by("ada", ChangeCommand::Cancel { as_operator: false }))
        .then_expect_error(ChangeError::AlreadyApplying);
    change()
        .given(until(Phase::Applied, Start::OnRelease))
        .when(by("ada", ChangeCommand::Cancel { as_operator: false }))
        .then_expect_error(ChangeError::Ended);
}

#[test]
fn a_change_that_ended_is_not_cancelled() {
    for end in [
        ChangeEvent::Cancelled { by: person("ada") },
        ChangeEvent::Rejected { approval: approval(), by: person("bob") },
        ChangeEvent::Failed { code: "42P07".to_owned(), job: Some(job()) },
        ChangeEvent::OutcomeUnknown { job: job() },
    ] {
        for as_operator in [true, false] {
            change()
                .given([until(Phase::Checking, Start::OnRelease), vec![end.clone()]].concat())
                .when(by("ada", ChangeCommand::Cancel { as_operator }))
                .then_expect_error(ChangeError::Ended);
        }
    }
}

#[test]
fn an_unknown_outcome_is_resolved_once_by_who_looked() {
    let unknown = || {
        let ended = ChangeEvent::OutcomeUnknown { job: job() };
        [until(Phase::Applying, Start::OnApproval), vec![ended]].concat()
    };
    let resolve = |found| ChangeCommand::Resolve { found, reason: "the table is there".into() };
    for found in [Found::Applied, Found::Failed] {
        let resolved =
            ChangeEvent::Resolved { found, reason: "the table is there".into(), by: person("ops") };
        change()
            .given(unknown())
            .when(by("ops", resolve(found)))
            .then_expect_events(vec![resolved.clone()]);
        change()
            .given([unknown(), vec![resolved]].concat())
            .when(by("ops", resolve(found)))
            .then_expect_error(ChangeError::NotUnknown);
    }
    for phase in [Phase::Draft, Phase::Applying, Phase::Applied] {
        change()
            .given(until(phase, Start::OnApproval))
            .when(by("ops", resolve(Found::Applied)))
            .then_expect_error(ChangeError::NotUnknown);
    }
}

#[test]
fn an_id_names_its_kind() {
    let change = ChangeId::derived("change", &["1"]).to_string();
    assert!(change.parse::<AgentId>().is_err());
}
