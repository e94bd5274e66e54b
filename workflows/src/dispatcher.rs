//! The dispatcher: signs jobs with its key, and sends recorded jobs to their agents.

use crate::config::WorkflowsConfig;
use crate::records::Records;
use crate::workflow::{Because, Setback, Workflow};
use chassis::TraceContext;
use domain::agents::Agent;
use domain::ids::{DataSourceId, JobId};
use domain::jobs::JobEvent;
use domain::registry::Event;
use nats::{Connection, JobQueue, Traced};
use std::sync::Arc;
use tracing::Instrument as _;
use tracing::field::Empty;
use trust::dsse::Envelope;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;
use trust::message::JobMessage;
use trust::pinned::PinnedRoot;
use trust::statement::{Job, LogPosition, Mode};

/// Signs jobs. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    key: Arc<PrivateKey>,
}

/// What a job is to do.
#[derive(Debug)]
pub struct Order {
    /// Its id.
    pub job: JobId,
    /// What it may do.
    pub mode: Mode,
    /// The target.
    pub data_source: DataSourceId,
    /// The fencing token; 0 without a lock.
    pub fence: u64,
    /// Which steps.
    pub steps: Vec<u32>,
    /// Of the change, if it is about one.
    pub change_sha256: Option<Sha256Digest>,
    /// Until when the agent takes it.
    pub not_after: Timestamp,
}

impl Dispatcher {
    /// With the configured key.
    pub fn new(config: &WorkflowsConfig) -> anyhow::Result<Self> {
        Ok(Self { key: Arc::new(config.dispatcher_key()?) })
    }

    /// The signed message for the agent beside the data source. The same event always gives the same bytes, so that
    /// a restart repeats the command instead of issuing another.
    pub fn sign(
        &self,
        because: &Because<'_>,
        agent: &Agent,
        root: &PinnedRoot,
        order: Order,
    ) -> Result<JobMessage, Setback> {
        let enrolled = agent.enrolled.as_ref();
        let enrolled = enrolled.ok_or_else(|| anyhow::anyhow!("the agent is not enrolled"))?;
        let recorded = because.recorded;
        let job = Job {
            tenant: recorded.tenant.parse()?,
            job: order.job.to_string().parse()?,
            attempt: 1,
            fence: order.fence,
            dispatcher_epoch: root.root().roles.dispatcher.epoch,
            audience: enrolled.spiffe_id.parse()?,
            data_source: order.data_source.to_string().parse()?,
            mode: order.mode,
            steps: order.steps,
            issued_at: recorded.time,
            not_after: order.not_after,
            change_sha256: order.change_sha256,
            log: Some(LogPosition {
                origin: recorded.origin.as_str().parse()?,
                sequence: recorded.sequence,
                hash: recorded.hash.to_string().parse()?,
            }),
        };
        let envelope = Envelope::around(&job)?.sign_ed25519(&self.key);
        Ok(JobMessage::of(envelope)?)
    }
}

/// Sends every recorded job to its agent.
#[derive(Debug)]
pub struct Dispatch {
    records: Records,
    queue: JobQueue,
}

impl Dispatch {
    /// Over the connection to CTL.
    pub fn new(records: &Records, connection: &Connection) -> Self {
        Self { records: records.clone(), queue: JobQueue::new(connection) }
    }
}

impl Workflow for Dispatch {
    const NAME: &'static str = "dispatch";

    async fn react(&self, because: &Because<'_>) -> Result<(), Setback> {
        let Event::Job(JobEvent::Dispatched(dispatched)) = &because.event.event else {
            return Ok(());
        };
        let message = self.records.blob(because.tenant(), &dispatched.message).await?;
        let to = (because.tenant(), dispatched.agent_name.as_str(), because.aggregate());
        let span = tracing::info_span!("send_job", trace_id = Empty, job.id = because.aggregate());
        let trace = TraceContext::follow(&span, because.traceparent);
        let message = Traced { payload: message, traceparent: Some(trace.to_string()) };
        let sent =
            self.queue.dispatch(to, dispatched.attempt, message).instrument(span.clone()).await;
        let sequence = sent?;
        span.in_scope(|| {
            let agent = &dispatched.agent_name;
            tracing::info!(agent, queue.sequence = sequence, "job sent");
        });
        Ok(())
    }
}
