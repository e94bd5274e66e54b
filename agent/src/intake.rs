//! The agent's queue: one job at a time, cancels as they come, every answer signed and published before its job is
//! acknowledged.

mod hints;
mod pending;

use crate::answer::Answer;
use crate::malformed;
use crate::signer::{Credentials, SignError};
use crate::worker::Worker;
use anyhow::Context as _;
use chassis::{Identity, TraceContext};
use nats::queues::Report;
use nats::{AgentQueue, Delivery, QueueError, Traced};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;
use trust::dsse::Parsed;
use trust::message::{AgentMessage, JobMessage, MessageError};
use trust::names::JobId;
use trust::result::ResultError;
use trust::statement::Cancel;

pub use pending::Pending;

/// A third of the 12 s (`nats::streams::ACK_WAIT`) after which an unacknowledged message is delivered again.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);
/// Longest wait for the messages that are known to lie behind a job.
const DRAIN_PATIENCE: Duration = Duration::from_millis(250);
/// How long nothing must have come until the agent makes ready for the next change.
const QUIET: Duration = Duration::from_millis(300);
/// Longest delay until a job is tried again whose target cannot be worked on.
const LONGEST_DELAY_SECONDS: u64 = 30;

/// The loop over one agent's queue.
pub struct Intake {
    queue: AgentQueue,
    pending: Pending,
    worker: Arc<Worker>,
    identity: Identity,
    /// Delivered while another job was running.
    waiting: VecDeque<Delivery>,
}

impl Intake {
    /// An intake that pulls from `queue`.
    pub fn new(
        queue: AgentQueue,
        pending: Pending,
        worker: Arc<Worker>,
        identity: Identity,
    ) -> Self {
        Self { queue, pending, worker, identity, waiting: VecDeque::new() }
    }

    /// Works until `stopping` fires; the job under way is finished first.
    pub async fn run(mut self, stopping: CancellationToken) -> anyhow::Result<()> {
        while !stopping.is_cancelled() {
            let delivery = tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                delivery = self.next() => delivery?,
            };
            // What is not settled is delivered again, and answered from the journal then.
            if let Err(error) = self.take(delivery).await {
                tracing::error!(error = format!("{error:#}"), "not settled: it comes again");
            }
        }
        Ok(())
    }

    /// What was held back comes first. Nothing to do for a moment is the time to make ready for what comes.
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        if let Some(held) = self.waiting.pop_front() {
            return Ok(held);
        }
        if let Ok(next) = tokio::time::timeout(QUIET, self.queue.next()).await {
            return next;
        }
        self.worker.make_ready().await;
        self.queue.next().await
    }

    async fn take(&mut self, delivery: Delivery) -> anyhow::Result<()> {
        let Some(job) = job_of(delivery.subject()) else {
            tracing::error!(
                queue.sequence = delivery.sequence,
                "a message on no job's subject is dropped"
            );
            return Ok(delivery.acknowledge().await?);
        };
        match AgentMessage::parse(delivery.payload()) {
            Ok(AgentMessage::Job(message)) if message.job.statement().job == job => {
                let mode = message.job.statement().mode.name();
                let span = tracing::info_span!("job", trace_id = Empty, job.id = %job, mode);
                TraceContext::follow(&span, delivery.traceparent());
                self.job(&delivery, &message).instrument(span).await
            }
            Ok(AgentMessage::Cancel(cancel)) => Ok(self.keep(&delivery, &cancel).await?),
            Ok(AgentMessage::Job(_)) => {
                self.malformed(&delivery, job, &MessageError::Form(other_subject())).await
            }
            Err(error) => self.malformed(&delivery, job, &error).await,
        }
    }

    async fn job(&mut self, delivery: &Delivery, message: &JobMessage) -> anyhow::Result<()> {
        let said = message.job.statement();
        tracing::info!(
            job.id = %said.job, attempt = said.attempt, mode = said.mode.name(), data_source = %said.data_source,
            delivered = delivery.delivered, "job taken in"
        );
        hints::claimed(&self.queue, said, self.worker.clock().now()).await;
        let cancelled = CancellationToken::new();
        let behind = self.pending.count().await;
        self.drain(behind, message, &cancelled).await?;
        let worker = Arc::clone(&self.worker);
        let working = Box::pin(worker.work(message, &cancelled));
        let began = Instant::now();
        let ended = self.while_working(delivery, message, &cancelled, working).await?;
        count(said.mode.name(), ended.as_ref().ok(), began);
        match ended {
            Ok(answer) => {
                hints::progress(&self.queue, &answer).await;
                self.publish(delivery, &answer).await
            }
            Err(error) => {
                let seconds = 1_u64 << delivery.delivered.min(5);
                let delay = Duration::from_secs(seconds.min(LONGEST_DELAY_SECONDS));
                tracing::error!(job.id = %said.job, error = error.described(), ?delay, "nothing can be said yet: again later");
                Ok(delivery.again_after(delay).await?)
            }
        }
    }

    /// Takes in what is known to lie in the queue behind a job, so that a cancel sent before it began is seen.
    async fn drain(
        &mut self,
        behind: u64,
        message: &JobMessage,
        cancelled: &CancellationToken,
    ) -> Result<(), QueueError> {
        for _ in 0..behind {
            match tokio::time::timeout(DRAIN_PATIENCE, self.queue.next()).await {
                Ok(next) => self.arrived(next?, message, cancelled).await?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Drives the work, keeps its message ours, and hears cancels.
    async fn while_working<T>(
        &mut self,
        delivery: &Delivery,
        message: &JobMessage,
        cancelled: &CancellationToken,
        working: impl Future<Output = T>,
    ) -> Result<T, QueueError> {
        let mut working = pin!(working);
        let mut alive = tokio::time::interval(SIGN_OF_LIFE);
        alive.tick().await;
        loop {
            tokio::select! {
                done = &mut working => return Ok(done),
                next = self.queue.next() => match next {
                    Ok(next) => self.arrived(next, message, cancelled).await?,
                    // The work goes on; the loop over the queue reports it afterwards.
                    Err(error) => {
                        tracing::error!(%error, "the queue ended while a job runs");
                        return Ok(working.await);
                    }
                },
                _ = alive.tick() => self.sign_of_life(delivery).await,
            }
        }
    }

    async fn sign_of_life(&self, delivery: &Delivery) {
        for held in [delivery].into_iter().chain(&self.waiting) {
            if let Err(error) = held.in_progress().await {
                tracing::warn!(%error, "a held message may be delivered again");
            }
        }
    }

    async fn arrived(
        &mut self,
        next: Delivery,
        running: &JobMessage,
        cancelled: &CancellationToken,
    ) -> Result<(), QueueError> {
        let Ok(AgentMessage::Cancel(cancel)) = AgentMessage::parse(next.payload()) else {
            self.waiting.push_back(next);
            return Ok(());
        };
        let job = &cancel.statement().job;
        if *job == running.job.statement().job && self.worker.takes_back(&cancel, running) {
            tracing::info!(job.id = %job, "the job is taken back");
            cancelled.cancel();
        }
        self.keep(&next, &cancel).await
    }

    async fn keep(&self, delivery: &Delivery, cancel: &Parsed<Cancel>) -> Result<(), QueueError> {
        let job = &cancel.statement().job;
        match self.worker.keep_cancel(cancel) {
            Ok(()) => delivery.acknowledge().await,
            Err(error) => {
                tracing::error!(job.id = %job, %error, "a cancel cannot be kept: again later");
                delivery.again_after(Duration::from_secs(1)).await
            }
        }
    }

    async fn malformed(
        &self,
        delivery: &Delivery,
        job: JobId,
        error: &MessageError,
    ) -> anyhow::Result<()> {
        let subject = delivery.subject();
        match malformed::refuse(&self.worker, job, delivery.payload(), error) {
            Ok(Some(answer)) => self.publish(delivery, &answer).await,
            Ok(None) => {
                tracing::error!(subject, %error, "a malformed message is dropped");
                Ok(delivery.acknowledge().await?)
            }
            // It would be as unwritable the next time, and hold the queue up for ever.
            Err(unwritable) => {
                tracing::error!(subject, %error, %unwritable, "a malformed message is dropped: no answer to it can be written");
                Ok(delivery.acknowledge().await?)
            }
        }
    }

    /// Signs and publishes until it is acknowledged; only then is the job settled.
    async fn publish(&self, delivery: &Delivery, answer: &Answer) -> anyhow::Result<()> {
        let message = match self.sign(answer) {
            Ok(message) => message,
            Err(SignError::Result(ResultError::Statement(error))) => {
                tracing::error!(job.id = %answer.job, %error, "the answer is no valid result, now or later: dropped");
                return Ok(delivery.acknowledge().await?);
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::error!(job.id = %answer.job, error = format!("{error:#}"), "the answer cannot be signed: again later");
                return Ok(delivery.again_after(Duration::from_secs(2)).await?);
            }
        };
        let trace = delivery.traceparent().parse::<TraceContext>();
        let traceparent = trace.ok().map(|trace| trace.to_string());
        let message = Traced { payload: message.into(), traceparent };
        let attempt = u32::try_from(answer.attempt).unwrap_or(u32::MAX);
        let job = answer.job.as_str();
        self.queue
            .publish(job, attempt, report(answer), message)
            .await
            .with_context(|| format!("the result of {job} cannot be published"))?;
        tracing::info!(
            job.id = job, attempt, outcome = ?answer.outcome, refusal = answer.refusal.map(trust::accept::Reason::name),
            "answered"
        );
        // Settled late or twice is harmless: the stored answer is given again.
        if let Err(error) = delivery.acknowledge().await {
            tracing::warn!(job.id = job, %error, "the job may be delivered again");
        }
        Ok(())
    }

    fn sign(&self, answer: &Answer) -> Result<Vec<u8>, SignError> {
        let credentials = Credentials::current(self.identity.source())?;
        credentials.sign(answer, self.worker.clock().now())
    }
}

/// Rate, errors and duration of jobs, by mode and outcome.
fn count(mode: &'static str, answer: Option<&Answer>, began: Instant) {
    let outcome = answer.map_or("not_yet", |answer| answer.outcome.name());
    let labels = [("mode", mode), ("outcome", outcome)];
    metrics::counter!("agent_jobs_total", &labels).increment(1);
    metrics::histogram!("agent_job_duration_seconds", &labels).record(began.elapsed());
}

/// Of different bytes under one job's name each has its own refusal.
fn report(answer: &Answer) -> Report {
    answer.disowned.map_or(Report::Result, |digest| {
        let first = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        Report::Disowned(u64::from_be_bytes(first))
    })
}

/// The job of `cs.jobs.<tenant>.<agent>.<job>`.
fn job_of(subject: &str) -> Option<JobId> {
    subject.rsplit('.').next()?.parse().ok()
}

fn other_subject() -> trust::strict::StrictError {
    trust::strict::StrictError::Shape("the job is another one than its subject's".to_owned())
}
