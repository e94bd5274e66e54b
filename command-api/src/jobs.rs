//! Jobs: recorded before they are sent, and the agents' signed results.

use crate::answer::Answer;
use crate::ask::{Ask, ByWorkflow};
use crate::problem::{DOCUMENT_MISMATCH, MESSAGE_INVALID, RESULT_INVALID};
use crate::state::{AppState, base64};
use axum::extract::State;
use chassis::Problem;
use chassis::body::PathId;
use client::ReceiptBody;
use client::commands::{DispatchJob, RecordJobResult};
use domain::agents::{Agent, AgentError};
use domain::catalog::{DataSource, DataSourceError};
use domain::ids::{DataSourceId, JobId};
use domain::jobs::{Dispatched, Finished, Job, JobCommand, JobError, Mode};
use domain::vocabulary::{Outcome, RootRef};
use ledger::BlobRef;
use trust::encoding::Timestamp;
use trust::message::{JobMessage, ResultMessage};
use trust::result::verify;
use trust::statement::{self, JobResult};

/// Largest body: a whole message (8 MiB) in base64.
pub const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;
/// How far the clocks of NATS and of this process may be apart.
const CLOCKS_DIFFER_SECONDS: i64 = 120;

/// Record a signed job, before it is sent.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = DispatchJob,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(change.id = %ask.body.change))]
pub async fn dispatch_job(
    State(state): State<AppState>,
    ask: Ask<ByWorkflow, DispatchJob>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    let invalid = |why: String| Problem::of(&MESSAGE_INVALID).detail(why);
    let bytes = base64("/message", &ask.body.message)?;
    let message = JobMessage::parse(&bytes).map_err(|error| invalid(error.to_string()))?;
    let job = message.job.statement();
    let request = ask.request(tenant, "dispatch_job");
    let id = JobId::derived("job", &[&request.command.to_string()]).to_string();
    if job.tenant.as_str() != tenant || job.job.as_str() != id {
        return Err(invalid(format!("the job of this command is {id} of tenant {tenant}")));
    }
    let data_source: DataSourceId =
        job.data_source.as_str().parse().map_err(|_| invalid("data_source".to_owned()))?;
    let missing = DataSourceError::NotFound;
    let found: DataSource = state.find(tenant, &data_source.to_string(), &missing).await?;
    let registered = found.registered.ok_or_else(|| Problem::refusal(&missing))?;
    let dispatched = Dispatched {
        change: ask.body.change,
        data_source,
        agent: registered.agent,
        agent_name: registered.agent_name,
        mode: mode(job.mode),
        attempt: u32::try_from(job.attempt).map_err(|error| invalid(error.to_string()))?,
        fence: job.fence,
        job_sha256: message.job.sha256(),
        change_sha256: job.change_sha256,
        not_after: job.not_after,
        message: state.blob(tenant, bytes, "application/json").await?,
    };
    let command = JobCommand::Dispatch(dispatched);
    let answered = state.execute::<Job, _, _, _>(&ask, "dispatch_job", &id, command).await?;
    Ok(Answer::created("jobs", &answered))
}

/// Take in an agent's signed result.
#[utoipa::path(post, path = "/v1/jobs/{job_id}/record-result", tag = "jobs",
    params(("job_id" = String, Path, description = "The job")), request_body = RecordJobResult,
    responses((status = 202, description = "It is recorded; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all, fields(job.id = %job))]
pub async fn record_job_result(
    State(state): State<AppState>,
    PathId(job): PathId<JobId>,
    ask: Ask<ByWorkflow, RecordJobResult>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    let bytes = base64("/message", &ask.body.message)?;
    let message = ResultMessage::parse(&bytes).map_err(|error| invalid(error.to_string()))?;
    let id = job.to_string();
    // People wait for this: what does not need each other is read, and stored, at once.
    let (found, root) = tokio::try_join!(
        state.find::<Job>(tenant, &id, &JobError::NotFound),
        state.trust_root(tenant),
    )?;
    let dispatched = found.dispatched.ok_or_else(|| Problem::refusal(&JobError::NotFound))?;
    let result = message.result.statement();
    let agent: Agent =
        state.find(tenant, &dispatched.agent.to_string(), &AgentError::NotFound).await?;
    let agent = agent.enrolled.ok_or_else(|| Problem::refusal(&AgentError::NotFound))?;
    if result.tenant.as_str() != tenant || result.agent.as_str() != agent.spiffe_id {
        return Err(invalid("it is of another tenant, or from another agent".to_owned()));
    }
    fits(job, &dispatched, result)?;
    let root = root.root();
    is_countable(result, root.roles.people.len())?;
    let received_at = arrival(ask.body.received_at, ask.at)?;
    verify(&message.result, &root.agent_authorities, received_at)
        .map_err(|error| invalid(error.to_string()))?;
    let envelope = message.result.envelope().to_json();
    let envelope = envelope.map_err(|error| invalid(error.to_string()))?;
    let (document, blob) = tokio::try_join!(
        document(&state, tenant, &message),
        state.blob(tenant, envelope, "application/vnd.countersign.result.v1+json"),
    )?;
    let finished = finished(&dispatched, result, received_at, blob, document)?;
    let command = JobCommand::RecordResult { job_sha256: result.job_sha256, finished };
    state.accept::<Job, _, _, _>(&ask, ("jobs", "record_job_result"), &id, command).await
}

fn invalid(why: String) -> Problem {
    Problem::of(&RESULT_INVALID).detail(why)
}

/// Whether the result is about this job, as it was dispatched. Attempt and digest are the domain's to compare.
fn fits(job: JobId, dispatched: &Dispatched, result: &JobResult) -> Result<(), Problem> {
    for (member, holds) in [
        ("job", result.job.as_str() == job.to_string()),
        ("data_source", result.data_source.as_str() == dispatched.data_source.to_string()),
        ("mode", mode(result.mode) == dispatched.mode),
        ("fence", result.fence == dispatched.fence),
        ("change_sha256", result.change_sha256 == dispatched.change_sha256),
    ] {
        if !holds {
            return Err(invalid(format!("its {member} is not the dispatched job's")));
        }
    }
    Ok(())
}

/// An agent counts people of the root. More of them would let its word outgrow a commit.
fn is_countable(result: &JobResult, people: usize) -> Result<(), Problem> {
    let counted = result.counted.len();
    if counted > people {
        return Err(invalid(format!("it counts {counted} people; the root has {people}")));
    }
    Ok(())
}

/// As of when the certificate must be valid: it lives for an hour, and a result may wait longer for us (ADR 0009).
fn arrival(stated: Timestamp, now: Timestamp) -> Result<Timestamp, Problem> {
    if stated > now.plus_seconds(CLOCKS_DIFFER_SECONDS) {
        return Err(invalid(format!("it says that it arrived in the future ({stated})")));
    }
    Ok(stated.min(now))
}

/// The fingerprint's document, if it has the fingerprint that the signed result names.
async fn document(
    state: &AppState,
    tenant: &str,
    message: &ResultMessage,
) -> Result<Option<BlobRef>, Problem> {
    let Some(bytes) = &message.document else { return Ok(None) };
    let fingerprint = sql::pgfp1::fingerprint(bytes);
    let result = message.result.statement();
    let named = [&result.fingerprint_after, &result.fingerprint_before];
    if !named.iter().any(|f| f.as_ref().is_some_and(|f| f.as_str() == fingerprint)) {
        return Err(Problem::of(&DOCUMENT_MISMATCH));
    }
    state.blob(tenant, bytes.clone(), "application/json").await.map(Some)
}

fn finished(
    dispatched: &Dispatched,
    result: &JobResult,
    received_at: Timestamp,
    blob: BlobRef,
    document: Option<BlobRef>,
) -> Result<Finished, Problem> {
    let attempt = u32::try_from(result.attempt).map_err(|error| invalid(error.to_string()))?;
    let text = |fingerprint: &Option<trust::names::Fingerprint>| {
        fingerprint.as_ref().map(|fingerprint| fingerprint.as_str().to_owned())
    };
    Ok(Finished {
        change: dispatched.change,
        mode: mode(result.mode),
        attempt,
        outcome: outcome(result.outcome),
        refusal: result.refusal.as_ref().map(|reason| reason.name().to_owned()),
        sqlstate: result.steps.iter().find_map(|step| step.sqlstate.clone()),
        fingerprint_before: text(&result.fingerprint_before),
        fingerprint_after: text(&result.fingerprint_after),
        root: Some(RootRef { version: result.root.version, sha256: result.root.sha256 }),
        counted: result.counted.iter().map(|person| person.as_str().to_owned()).collect(),
        started_at: result.started_at,
        finished_at: result.finished_at,
        received_at,
        result: blob,
        document,
    })
}

fn mode(mode: statement::Mode) -> Mode {
    match mode {
        statement::Mode::Introspect => Mode::Introspect,
        statement::Mode::Validate => Mode::Validate,
        statement::Mode::Migrate => Mode::Migrate,
        statement::Mode::Rollback => Mode::Rollback,
    }
}

fn outcome(outcome: statement::Outcome) -> Outcome {
    match outcome {
        statement::Outcome::Succeeded => Outcome::Succeeded,
        statement::Outcome::FailedClean => Outcome::FailedClean,
        statement::Outcome::FailedPartial => Outcome::FailedPartial,
        statement::Outcome::Unknown => Outcome::Unknown,
        statement::Outcome::Refused => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{AgentId, ChangeId, PrincipalId};
    use trust::encoding::Sha256Digest;

    fn job() -> JobId {
        JobId::derived("job", &["1"])
    }

    fn data_source() -> DataSourceId {
        DataSourceId::derived("data_source", &["acme", "shop"])
    }

    fn time() -> Timestamp {
        "2026-11-20T07:00:00.000000Z".parse().unwrap()
    }

    fn dispatched() -> Dispatched {
        Dispatched {
            change: ChangeId::derived("change", &["1"]),
            data_source: data_source(),
            agent: AgentId::derived("agent", &["acme", "edge"]),
            agent_name: "edge".to_owned(),
            mode: Mode::Migrate,
            attempt: 1,
            fence: 7,
            message: BlobRef::of(b"message", "application/json"),
            job_sha256: Sha256Digest::of(b"job"),
            change_sha256: Some(Sha256Digest::of(b"manifest")),
            not_after: time().plus_seconds(600),
        }
    }

    fn result() -> JobResult {
        JobResult {
            tenant: "acme".parse().unwrap(),
            agent: "spiffe://example.org/tenant/acme/agent/edge".parse().unwrap(),
            data_source: data_source().to_string().parse().unwrap(),
            job: job().to_string().parse().unwrap(),
            attempt: 1,
            fence: 7,
            job_sha256: Sha256Digest::of(b"job"),
            change_sha256: Some(Sha256Digest::of(b"manifest")),
            root: statement::RootRef { version: 1, sha256: Sha256Digest::of(b"root") },
            mode: statement::Mode::Migrate,
            outcome: statement::Outcome::Succeeded,
            refusal: None,
            counted: Vec::new(),
            started_at: time(),
            finished_at: time(),
            steps: Vec::new(),
            fingerprint_before: None,
            fingerprint_after: None,
        }
    }

    fn refused(spoil: impl FnOnce(&mut JobResult)) -> String {
        let mut result = result();
        spoil(&mut result);
        let problem = fits(job(), &dispatched(), &result).unwrap_err();
        assert_eq!(problem.code(), RESULT_INVALID.code);
        problem.to_string()
    }

    #[test]
    fn a_result_is_about_the_job_as_it_was_dispatched() {
        assert!(fits(job(), &dispatched(), &result()).is_ok());
        let other = |kind: &str| JobId::derived(kind, &["2"]).to_string();
        let told = refused(|r| r.job = other("job").parse().unwrap());
        assert!(told.contains("its job is"), "{told}");
        let other = DataSourceId::derived("data_source", &["acme", "other"]).to_string();
        let told = refused(|r| r.data_source = other.parse().unwrap());
        assert!(told.contains("its data_source is"), "{told}");
        let told = refused(|r| r.mode = statement::Mode::Rollback);
        assert!(told.contains("its mode is"), "{told}");
        let told = refused(|r| r.fence = 8);
        assert!(told.contains("its fence is"), "{told}");
        for other in [None, Some(Sha256Digest::of(b"other"))] {
            let told = refused(|r| r.change_sha256 = other);
            assert!(told.contains("its change_sha256 is"), "{told}");
        }
    }

    #[test]
    fn a_result_counts_at_most_the_roots_people() {
        let person = |n: u32| PrincipalId::derived("principal", &[&n.to_string()]).to_string();
        let counted = (0..3).map(|n| person(n).parse().unwrap()).collect();
        let result = JobResult { counted, ..result() };
        assert!(is_countable(&result, 3).is_ok());
        assert_eq!(is_countable(&result, 2).unwrap_err().code(), RESULT_INVALID.code);
    }

    #[test]
    fn a_result_arrived_before_it_is_recorded_and_never_in_the_future() {
        let late = time().plus_seconds(-86_400);
        assert_eq!(arrival(late, time()).unwrap(), late);
        // The clocks of two processes: the record never says that it came after its own commit.
        let ahead = time().plus_seconds(CLOCKS_DIFFER_SECONDS);
        assert_eq!(arrival(ahead, time()).unwrap(), time());
        let beyond = ahead.plus_seconds(1);
        assert_eq!(arrival(beyond, time()).unwrap_err().code(), RESULT_INVALID.code);
    }
}
