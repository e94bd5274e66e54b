//! A change's jobs with what each agent's signed result says of the steps.

use crate::state::AppState;
use chassis::Problem;
use client::reads::JobBody;
use client::stories::{CheckBody, JobStory, StepStory};
use futures::future::try_join_all;
use trust::dsse::Envelope;
use trust::statement::{JobResult, StepOutcome, StepResult};

/// What was checked: by jobs that read the target.
pub fn checks(jobs: &[JobBody]) -> Vec<CheckBody> {
    let checks = jobs.iter().filter(|job| job.mode == "introspect").map(|job| {
        let state = match job.state.as_str() {
            "dispatched" => "running",
            "succeeded" => "passed",
            other => other,
        };
        CheckBody {
            name: "introspection".to_owned(),
            state: state.to_owned(),
            code: job.refusal.clone().or_else(|| job.sqlstate.clone()),
            job: job.id.clone(),
            started_at: job.created_at.clone(),
            finished_at: job.finished_at.clone(),
        }
    });
    checks.collect()
}

/// Every job's story.
pub async fn told(
    state: &AppState,
    tenant: &str,
    jobs: Vec<JobBody>,
) -> Result<Vec<JobStory>, Problem> {
    let stories = jobs.into_iter().map(|job| async move {
        let steps = steps(state, tenant, &job).await?;
        Ok::<_, Problem>(JobStory { job, steps })
    });
    try_join_all(stories).await
}

/// The result was verified when it was taken in; whoever doubts it reads the evidence. None if it cannot be read now.
async fn steps(
    state: &AppState,
    tenant: &str,
    job: &JobBody,
) -> Result<Option<Vec<StepStory>>, Problem> {
    // A check has no steps.
    let sha256 = job.result_sha256.as_ref().filter(|_| job.mode != "introspect");
    let Some(sha256) = sha256 else { return Ok(Some(Vec::new())) };
    let Some(bytes) = state.blob_if_at_hand(tenant, sha256).await else { return Ok(None) };
    let envelope = Envelope::parse(&bytes).map_err(|error| Problem::internal(&error))?;
    let result: JobResult = envelope.read().map_err(|error| Problem::internal(&error))?;
    Ok(Some(result.steps.into_iter().map(step).collect()))
}

fn step(step: StepResult) -> StepStory {
    let outcome = match step.outcome {
        StepOutcome::Succeeded => "succeeded",
        StepOutcome::Failed => "failed",
        StepOutcome::Unknown => "unknown",
        StepOutcome::NotRun => "not_run",
    };
    StepStory {
        ordinal: step.ordinal,
        sha256: step.sha256.to_string(),
        outcome: outcome.to_owned(),
        rows: step.rows,
        duration_ms: step.duration_ms,
        sqlstate: step.sqlstate,
    }
}
