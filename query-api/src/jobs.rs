//! Jobs: what was sent to which agent, and what it reported.

use crate::answer::{Answer, Answered};
use crate::paging::Paging;
use crate::problem::unread;
use crate::reading::Reading;
use crate::state::AppState;
use axum::extract::State;
use chassis::Problem;
use chassis::body::{PathId, StrictQuery};
use client::reads::{JobBody, Page};
use domain::ids::{ChangeId, JobId};
use domain::jobs::JobError;
use projections::jobs;
use serde::Deserialize;
use utoipa::IntoParams;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// On its way, or running.
    Dispatched,
    /// It ran.
    Succeeded,
    /// Nothing was left behind.
    FailedClean,
    /// Something was left behind.
    FailedPartial,
    /// The agent refused it.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl JobState {
    fn name(self) -> &'static str {
        match self {
            Self::Dispatched => "dispatched",
            Self::Succeeded => "succeeded",
            Self::FailedClean => "failed_clean",
            Self::FailedPartial => "failed_partial",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What may follow `GET /v1/jobs?`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only jobs that stand here, such as `dispatched`.
    #[param(value_type = Option<String>)]
    state: Option<JobState>,
    /// Only jobs of this change.
    #[param(value_type = Option<String>)]
    change: Option<ChangeId>,
    /// At most so many; 50 if absent, never more than 200.
    page_size: Option<u64>,
    /// From the page before.
    page_token: Option<String>,
}

/// List the tenant's jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, description = "A page of the jobs, the newest first", body = Page<JobBody>), Problem))]
#[tracing::instrument(skip_all)]
pub async fn list_jobs(
    State(state): State<AppState>,
    reading: Reading,
    StrictQuery(query): StrictQuery<JobsQuery>,
) -> Answered {
    let wanted = query.state.map(JobState::name);
    let change = query.change.map(|change| change.to_string());
    let bound = [wanted, change.as_deref()];
    let (size, token) = (query.page_size, query.page_token.as_deref());
    let paging = Paging::of(&reading, "jobs", &bound, size, token)?;
    let filter = jobs::Filter { state: wanted.map(str::to_owned), change };
    let listed = jobs::list(&state.database, &reading.tenant, &filter, paging.request()).await;
    Ok(Answer::page(&reading, paging.page(listed.map_err(unread)?)))
}

/// Read a job.
#[utoipa::path(get, path = "/v1/jobs/{job_id}", tag = "jobs",
    params(("job_id" = String, Path, description = "The job")),
    responses((status = 200, description = "The job", body = JobBody), Problem))]
#[tracing::instrument(skip_all, fields(job.id = %job))]
pub async fn get_job(
    State(state): State<AppState>,
    reading: Reading,
    PathId(job): PathId<JobId>,
) -> Answered {
    let found = jobs::find(&state.database, &reading.tenant, job).await;
    let body = found.map_err(unread)?.ok_or_else(|| Problem::refusal(&JobError::NotFound))?;
    Ok(Answer::json(&reading, body))
}
