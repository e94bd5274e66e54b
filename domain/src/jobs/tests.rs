//! Given, when, then: jobs.

use super::*;
use crate::given::{blob, by, digest};
use crate::ids::{AgentId, ChangeId, DataSourceId};
use cqrs_es::test::TestFramework;
use trust::encoding::Sha256Digest;

fn job() -> TestFramework<Job> {
    TestFramework::with(())
}

fn dispatched() -> Dispatched {
    Dispatched {
        change: ChangeId::derived("change", &["1"]),
        data_source: DataSourceId::derived("data_source", &["1"]),
        agent: AgentId::derived("agent", &["1"]),
        agent_name: "edge".to_owned(),
        mode: Mode::Migrate,
        attempt: 1,
        fence: 1,
        message: blob(b"message"),
        job_sha256: digest(b"job"),
        change_sha256: Some(digest(b"manifest")),
        not_after: "2026-11-20T08:00:00.000000Z".parse().unwrap(),
    }
}

fn finished(outcome: Outcome, attempt: u32) -> Finished {
    Finished {
        change: ChangeId::derived("change", &["1"]),
        mode: Mode::Migrate,
        attempt,
        outcome,
        refusal: None,
        sqlstate: None,
        fingerprint_before: None,
        fingerprint_after: None,
        root: None,
        counted: vec![],
        started_at: "2026-11-20T07:00:00.000000Z".parse().unwrap(),
        finished_at: "2026-11-20T07:00:00.000000Z".parse().unwrap(),
        received_at: "2026-11-20T07:00:00.000000Z".parse().unwrap(),
        result: blob(b"result"),
        document: None,
    }
}

fn result(outcome: Outcome, attempt: u32, job_sha256: Sha256Digest) -> JobCommand {
    JobCommand::RecordResult { job_sha256, finished: finished(outcome, attempt) }
}

#[test]
fn a_job_is_dispatched_once() {
    job()
        .given_no_previous_events()
        .when(by("flow", JobCommand::Dispatch(dispatched())))
        .then_expect_events(vec![JobEvent::Dispatched(dispatched())]);
    job()
        .given(vec![JobEvent::Dispatched(dispatched())])
        .when(by("flow", JobCommand::Dispatch(dispatched())))
        .then_expect_error(JobError::AlreadyDispatched);
}

#[test]
fn a_result_becomes_the_event_of_its_outcome() {
    for (outcome, event) in [
        (Outcome::Succeeded, JobEvent::Succeeded as fn(Finished) -> JobEvent),
        (Outcome::FailedClean, JobEvent::Failed),
        (Outcome::FailedPartial, JobEvent::Failed),
        (Outcome::Refused, JobEvent::Refused),
        (Outcome::Unknown, JobEvent::OutcomeUnknown),
    ] {
        job()
            .given(vec![JobEvent::Dispatched(dispatched())])
            .when(by("flow", result(outcome, 1, digest(b"job"))))
            .then_expect_events(vec![event(finished(outcome, 1))]);
    }
}

#[test]
fn a_job_that_was_never_dispatched_has_no_result() {
    job()
        .given_no_previous_events()
        .when(by("flow", result(Outcome::Succeeded, 1, digest(b"job"))))
        .then_expect_error(JobError::NotFound);
}

#[test]
fn a_job_has_one_result() {
    job()
        .given(vec![
            JobEvent::Dispatched(dispatched()),
            JobEvent::Succeeded(finished(Outcome::Succeeded, 1)),
        ])
        .when(by("flow", result(Outcome::FailedClean, 1, digest(b"job"))))
        .then_expect_error(JobError::AlreadyFinished);
}

#[test]
fn a_result_of_another_attempt_or_of_other_bytes_is_refused() {
    job()
        .given(vec![JobEvent::Dispatched(dispatched())])
        .when(by("flow", result(Outcome::Succeeded, 2, digest(b"job"))))
        .then_expect_error(JobError::OtherAttempt);
    job()
        .given(vec![JobEvent::Dispatched(dispatched())])
        .when(by("flow", result(Outcome::Succeeded, 1, digest(b"other"))))
        .then_expect_error(JobError::OtherDigest);
}
