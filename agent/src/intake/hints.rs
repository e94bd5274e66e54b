//! Unsigned hints for people who watch. They decide nothing, so they may be late or lost, and never hold a job up.

use crate::answer::Answer;
use nats::queues::Report;
use nats::{AgentQueue, Traced};
use serde_json::{Value, json};
use std::time::Duration;
use trust::encoding::Timestamp;
use trust::statement::Job;

const PATIENCE: Duration = Duration::from_millis(500);

/// The job is here.
pub(super) async fn claimed(queue: &AgentQueue, job: &Job, now: Timestamp) {
    let hint = json!({ "job": job.job.as_str(), "attempt": job.attempt, "at": now.to_string() });
    send(queue, job.job.as_str(), job.attempt, Report::Claimed, &hint).await;
}

/// What the database said, where the site lets it out (`report = "full"`).
pub(super) async fn progress(queue: &AgentQueue, answer: &Answer) {
    let Some(message) = &answer.message else { return };
    let hint = json!({ "job": answer.job.as_str(), "attempt": answer.attempt, "message": message });
    send(queue, answer.job.as_str(), answer.attempt, Report::Progress(1), &hint).await;
}

async fn send(queue: &AgentQueue, job: &str, attempt: u64, report: Report, hint: &Value) {
    let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
    let message = Traced { payload: hint.to_string().into(), traceparent: None };
    let published = queue.publish(job, attempt, report, message);
    match tokio::time::timeout(PATIENCE, published).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(job.id = job, %error, "a hint was not published"),
        Err(_) => tracing::debug!(job.id = job, "a hint was not acknowledged in time"),
    }
}
