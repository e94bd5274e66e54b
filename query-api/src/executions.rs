//! A change's jobs with what each agent's signed result says of the steps.

use crate::state::AppState;
use chassis::Problem;
use client::reads::JobBody;
use client::stories::{JobStory, StepStory};
use futures::future::try_join_all;
use trust::dsse::Envelope;
use trust::statement::{JobResult, StepOutcome, StepResult};

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

/// The result was verified when it was taken in; whoever doubts it reads the evidence.
async fn steps(state: &AppState, tenant: &str, job: &JobBody) -> Result<Vec<StepStory>, Problem> {
    let Some(sha256) = &job.result_sha256 else { return Ok(Vec::new()) };
    // A check has no steps.
    if job.mode == "introspect" {
        return Ok(Vec::new());
    }
    let bytes = state.named_blob(tenant, sha256).await?;
    let envelope = Envelope::parse(&bytes).map_err(|error| Problem::internal(&error))?;
    let result: JobResult = envelope.read().map_err(|error| Problem::internal(&error))?;
    Ok(result.steps.into_iter().map(step).collect())
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
