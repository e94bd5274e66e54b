//! Execution: a scheduled change gets the schema lock, its job, its result, and gives the lock back.

use crate::dispatcher::{Dispatcher, Order};
use crate::door::{Door, Told};
use crate::records::Records;
use crate::workflow::{Because, Setback, Workflow};
use anyhow::anyhow;
use client::commands::{DispatchJob, FailDispatch, LockFor, RecordDispatch, RecordResult};
use domain::agents::Agent;
use domain::approvals::Approval;
use domain::catalog::{DataSource, DataSourceEvent};
use domain::changes::{Change, ChangeEvent};
use domain::ids::{ChangeId, DataSourceId, JobId};
use domain::jobs::{JobEvent, Mode as JobMode};
use domain::registry::Event;
use trust::dsse::Envelope;
use trust::encoding::to_base64;
use trust::message::JobMessage;
use trust::statement::{Change as Manifest, Mode, Statement as _};

const DISPATCH: &str = "dispatch";

/// The workflow.
#[derive(Debug)]
pub struct Execution {
    records: Records,
    door: Door,
    dispatcher: Dispatcher,
}

impl Execution {
    /// With what it needs.
    pub fn new(records: &Records, door: &Door, dispatcher: &Dispatcher) -> Self {
        Self { records: records.clone(), door: door.clone(), dispatcher: dispatcher.clone() }
    }

    async fn request_lock(&self, because: &Because<'_>) -> Result<(), Setback> {
        let change: Change = self.records.get(because.tenant(), because.aggregate()).await?;
        let source = change.data_source().ok_or_else(|| anyhow!("no draft"))?;
        let path = format!("/v1/data-sources/{source}/request-lock");
        let body = LockFor { change: because.aggregate().parse()? };
        match self.door.tell(because, "lock", &path, &body).await {
            Told::Recorded => Ok(()),
            Told::Refused { code } => {
                // No job was made: the id only says which one it would have been.
                let command = because.command(self.door.principal(), "dispatch_job", DISPATCH);
                let job = JobId::derived("job", &[&command.to_string()]);
                let path = format!("/v1/changes/{}/fail-dispatch", because.aggregate());
                let failing = FailDispatch { code: code.clone(), job };
                match self.door.tell(because, "fail", &path, &failing).await {
                    Told::Recorded => Ok(()),
                    Told::Refused { .. } => {
                        let change = because.aggregate();
                        Err(Setback::SetAside(anyhow!("{change} gets no schema lock ({code})")))
                    }
                }
            }
        }
    }

    async fn release_lock(&self, because: &Because<'_>, change: ChangeId, source: DataSourceId) {
        let path = format!("/v1/data-sources/{source}/release-lock");
        self.door.tell(because, "release", &path, &LockFor { change }).await;
    }

    /// The lock is held: the job is signed, the change passes the point of no return, then the job is recorded.
    async fn dispatch(
        &self,
        because: &Because<'_>,
        id: ChangeId,
        fence: u64,
    ) -> Result<(), Setback> {
        // Somebody else's commit gave the lock to the next in line, which goes on in its own trace.
        let inherited = because.recorded.events.iter().flatten().any(|other| {
            matches!(other.event, Event::DataSource(DataSourceEvent::LockReleased { .. }))
        });
        let own = if inherited {
            self.records.traceparent::<Change>(because.tenant(), &id.to_string()).await?
        } else {
            because.traceparent.to_owned()
        };
        let because = &because.traced(&own);
        let source: DataSourceId = because.aggregate().parse()?;
        let command = because.command(self.door.principal(), "dispatch_job", DISPATCH);
        let job = JobId::derived("job", &[&command.to_string()]);
        let message = self.job(because, id, source, job, fence).await?;
        let body = DispatchJob { change: id, message: to_base64(&message.to_json()?) };
        let path = format!("/v1/changes/{id}/record-dispatch");
        let told = self.door.tell(because, "record", &path, &RecordDispatch { job, fence }).await;
        if let Told::Refused { .. } = told {
            // Taken back meanwhile.
            self.release_lock(because, id, source).await;
            return Ok(());
        }
        if let Told::Refused { code } = self.door.tell(because, DISPATCH, "/v1/jobs", &body).await {
            let path = format!("/v1/changes/{id}/fail-dispatch");
            self.door.tell(because, "fail", &path, &FailDispatch { code, job }).await;
        }
        Ok(())
    }

    async fn job(
        &self,
        because: &Because<'_>,
        id: ChangeId,
        data_source: DataSourceId,
        job: JobId,
        fence: u64,
    ) -> Result<JobMessage, Setback> {
        let tenant = because.tenant();
        let (change_id, source_id) = (id.to_string(), data_source.to_string());
        // The agent waits for this: what does not need each other is read at once.
        let (change, source, (root, envelope)) = tokio::try_join!(
            self.records.get::<Change>(tenant, &change_id),
            self.records.get::<DataSource>(tenant, &source_id),
            self.records.trust_root(tenant),
        )?;
        let drafted = change.drafted.ok_or_else(|| anyhow!("no draft"))?;
        let pending = change.pending.ok_or_else(|| anyhow!("no manifest"))?;
        let target = source.registered.ok_or_else(|| anyhow!("not registered"))?;
        let (approval_id, agent_id) = (pending.approval.to_string(), target.agent.to_string());
        let (approval, agent, bytes, sql) = tokio::try_join!(
            self.records.get::<Approval>(tenant, &approval_id),
            self.records.get::<Agent>(tenant, &agent_id),
            self.records.blob(tenant, &pending.manifest),
            self.records.blob(tenant, &drafted.sql),
        )?;
        let manifest = Manifest::parse(&bytes)?;
        let mut signed = Envelope::around_payload(Manifest::PAYLOAD_TYPE, bytes.to_vec());
        for person in approval.signed.into_values() {
            signed = signed.with_signature(serde_json::from_value(person.signature)?);
        }
        let order = Order {
            job,
            mode: Mode::Migrate,
            data_source,
            fence,
            steps: drafted.steps.iter().map(|step| step.ordinal).collect(),
            change_sha256: Some(pending.change_sha256),
            not_after: manifest.not_after,
        };
        let mut message = self.dispatcher.sign(because, &agent, &root, order)?;
        message.change = Some(signed);
        message.roots = vec![envelope];
        message.sql = Some(sql.to_vec());
        Ok(message)
    }

    async fn record_result(&self, because: &Because<'_>, change: ChangeId) -> Result<(), Setback> {
        let path = format!("/v1/changes/{change}/record-result");
        let body = RecordResult { job: because.aggregate().parse()? };
        self.door.tell(because, "result", &path, &body).await;
        Ok(())
    }

    /// A change that has ended gives its lock back, or its place in the line.
    async fn ended(&self, because: &Because<'_>) -> Result<(), Setback> {
        let id: ChangeId = because.aggregate().parse()?;
        let change: Change = self.records.get(because.tenant(), because.aggregate()).await?;
        if let (Some(_), Some(source)) = (&change.pending, change.data_source()) {
            self.release_lock(because, id, source).await;
        }
        Ok(())
    }

    async fn change(&self, because: &Because<'_>, event: &ChangeEvent) -> Result<(), Setback> {
        match event {
            ChangeEvent::Scheduled { .. } => self.request_lock(because).await,
            ChangeEvent::Applied { .. }
            | ChangeEvent::Failed { .. }
            | ChangeEvent::OutcomeUnknown { .. }
            | ChangeEvent::Cancelled { .. } => self.ended(because).await,
            ChangeEvent::Drafted(_)
            | ChangeEvent::Requested { .. }
            | ChangeEvent::PendingApproval(_)
            | ChangeEvent::Approved { .. }
            | ChangeEvent::Rejected { .. }
            | ChangeEvent::Dispatched { .. }
            | ChangeEvent::ResultTaken { .. }
            | ChangeEvent::Resolved { .. } => Ok(()),
        }
    }

    async fn finished(&self, because: &Because<'_>, event: &JobEvent) -> Result<(), Setback> {
        match event {
            JobEvent::Succeeded(finished)
            | JobEvent::Failed(finished)
            | JobEvent::Refused(finished)
            | JobEvent::OutcomeUnknown(finished)
                if finished.mode == JobMode::Migrate =>
            {
                self.record_result(because, finished.change).await
            }
            JobEvent::Dispatched(_)
            | JobEvent::Succeeded(_)
            | JobEvent::Failed(_)
            | JobEvent::Refused(_)
            | JobEvent::OutcomeUnknown(_) => Ok(()),
        }
    }
}

impl Workflow for Execution {
    const NAME: &'static str = "execution";

    async fn react(&self, because: &Because<'_>) -> Result<(), Setback> {
        match &because.event.event {
            Event::Change(event) => self.change(because, event).await,
            Event::Job(event) => self.finished(because, event).await,
            Event::DataSource(DataSourceEvent::LockGranted { change, fence }) => {
                self.dispatch(because, *change, *fence).await
            }
            Event::Tenant(_)
            | Event::Principal(_)
            | Event::TrustRoot(_)
            | Event::DataSource(_)
            | Event::Approval(_)
            | Event::Agent(_)
            | Event::Log(_) => Ok(()),
        }
    }
}
