//! Checks: a submitted change has its agent read the live schema.

use crate::dispatcher::{Dispatcher, Order};
use crate::door::{Door, Told};
use crate::records::Records;
use crate::workflow::{Because, Setback, Workflow};
use client::commands::{DispatchJob, FailCheck};
use domain::agents::Agent;
use domain::catalog::DataSource;
use domain::changes::{Change, ChangeEvent};
use domain::ids::JobId;
use domain::registry::Event;
use trust::encoding::to_base64;
use trust::statement::Mode;

/// An agent that is away this long has missed the change.
const VALID_SECONDS: i64 = 24 * 60 * 60;
const STEP: &str = "introspect";

/// The workflow.
#[derive(Debug)]
pub struct Checks {
    records: Records,
    door: Door,
    dispatcher: Dispatcher,
}

impl Checks {
    /// With what it needs.
    pub fn new(records: &Records, door: &Door, dispatcher: &Dispatcher) -> Self {
        Self { records: records.clone(), door: door.clone(), dispatcher: dispatcher.clone() }
    }

    async fn introspect(&self, because: &Because<'_>) -> Result<(), Setback> {
        let change: Change = self.records.get(because.tenant(), because.aggregate()).await?;
        let id = change.data_source().ok_or_else(|| anyhow::anyhow!("no draft"))?;
        let source: DataSource = self.records.get(because.tenant(), &id.to_string()).await?;
        let target = source.registered.ok_or_else(|| anyhow::anyhow!("not registered"))?;
        let agent_id = target.agent.to_string();
        let (agent, (root, _)) = tokio::try_join!(
            self.records.get::<Agent>(because.tenant(), &agent_id),
            self.records.trust_root(because.tenant()),
        )?;
        let command = because.command(self.door.principal(), "dispatch_job", STEP);
        let job = JobId::derived("job", &[&command.to_string()]);
        let order = Order {
            job,
            mode: Mode::Introspect,
            data_source: id,
            fence: 0,
            steps: Vec::new(),
            change_sha256: None,
            not_after: because.recorded.time.plus_seconds(VALID_SECONDS),
        };
        let message = self.dispatcher.sign(because, &agent, &root, order)?;
        let body = DispatchJob {
            change: because.aggregate().parse()?,
            message: to_base64(&message.to_json()?),
        };
        if let Told::Refused { code } = self.door.tell(because, STEP, "/v1/jobs", &body).await {
            let path = format!("/v1/changes/{}/fail-check", because.aggregate());
            self.door.tell(because, "fail", &path, &FailCheck { code, job }).await;
        }
        Ok(())
    }
}

impl Workflow for Checks {
    const NAME: &'static str = "checks";

    async fn react(&self, because: &Because<'_>) -> Result<(), Setback> {
        match &because.event.event {
            Event::Change(ChangeEvent::Requested { .. }) => self.introspect(because).await,
            Event::Tenant(_)
            | Event::Principal(_)
            | Event::TrustRoot(_)
            | Event::DataSource(_)
            | Event::Change(_)
            | Event::Approval(_)
            | Event::Job(_)
            | Event::Agent(_)
            | Event::Log(_) => Ok(()),
        }
    }
}
