//! Approval routing: a checked change gets its manifest and its approval; decisions go back to the change.

use crate::door::{Door, Told};
use crate::records::Records;
use crate::workflow::{Because, Setback, Workflow};
use anyhow::anyhow;
use client::commands::{
    FailCheck, Nothing, OpenApproval, RecordApproval, RecordRejection, RequestApproval,
};
use domain::approvals::{Approval, ApprovalEvent};
use domain::catalog::DataSource;
use domain::changes::{Change, ChangeEvent};
use domain::ids::{ApprovalId, ChangeId};
use domain::jobs::{Finished, JobEvent, Mode};
use domain::policy::{builtin_quorum, builtin_stages};
use domain::registry::Event;
use domain::vocabulary::{Requirement, RootRef};
use trust::encoding::to_base64;
use trust::pinned::PinnedRoot;
use trust::statement::{
    AuthorRule, Change as Manifest, PolicyRef, RollbackRule, Statement as _, Step, StepKind,
    Target, Transition,
};

/// An approval is valid for at most a day, or as long as the root allows.
const LONGEST_VALIDITY_SECONDS: u64 = 24 * 60 * 60;
const OPEN: &str = "open";

/// The workflow.
#[derive(Debug)]
pub struct ApprovalRouting {
    records: Records,
    door: Door,
}

impl ApprovalRouting {
    /// With what it needs.
    pub fn new(records: &Records, door: &Door) -> Self {
        Self { records: records.clone(), door: door.clone() }
    }

    async fn open(&self, because: &Because<'_>, finished: &Finished) -> Result<(), Setback> {
        let id = finished.change;
        let change: Change = self.records.get(because.tenant(), &id.to_string()).await?;
        let (root, _) = self.records.trust_root(because.tenant()).await?;
        let fingerprint =
            finished.fingerprint_after.clone().or(finished.fingerprint_before.clone());
        let fingerprint = fingerprint.ok_or_else(|| {
            Setback::SetAside(anyhow!("a successful introspection without a fingerprint"))
        })?;
        let drafted = change.drafted.as_ref().ok_or_else(|| anyhow!("no draft"))?;
        let Some(rules) = root.root().environments.get(&drafted.environment) else {
            return self.fail(because, finished, "catalog.environment_not_in_root").await;
        };
        let manifest = self.manifest(because, id, &change, &root, &fingerprint).await?;
        let manifest = to_base64(&manifest.to_payload()?);
        let asserted = u64::from(rules.author == AuthorRule::Asserted);
        let quorum = u32::try_from(rules.quorum + asserted)?;
        let requirements = rules
            .requirements
            .iter()
            .map(|r| Ok(Requirement { role: r.role.clone(), count: u32::try_from(r.count)? }))
            .collect::<Result<_, std::num::TryFromIntError>>()?;
        let command = because.command(self.door.principal(), "open_approval", OPEN);
        let approval = ApprovalId::derived("approval", &[&command.to_string()]);
        let opening = OpenApproval {
            change: id,
            revision: change.revision,
            manifest: manifest.clone(),
            policy: builtin_quorum(),
            stages: builtin_stages(quorum, requirements),
            start: drafted.start,
        };
        if let Told::Refused { code } =
            self.door.tell(because, OPEN, "/v1/approvals", &opening).await
        {
            return self.fail(because, finished, &code).await;
        }
        let reference = root.reference();
        let request = RequestApproval {
            approval,
            manifest,
            fingerprint,
            root: RootRef { version: reference.version, sha256: reference.sha256 },
            policy: builtin_quorum(),
            job: because.aggregate().parse()?,
        };
        let path = format!("/v1/changes/{id}/request-approval");
        if let Told::Refused { .. } = self.door.tell(because, "request", &path, &request).await {
            // The change was taken back meanwhile: nobody shall sign for it.
            let path = format!("/v1/approvals/{approval}/close");
            self.door.tell(because, "close", &path, &Nothing {}).await;
        }
        Ok(())
    }

    async fn manifest(
        &self,
        because: &Because<'_>,
        id: ChangeId,
        change: &Change,
        root: &PinnedRoot,
        fingerprint: &str,
    ) -> Result<Manifest, Setback> {
        let drafted = change.drafted.as_ref().ok_or_else(|| anyhow!("no draft"))?;
        let target = drafted.data_source.to_string();
        let source: DataSource = self.records.get(because.tenant(), &target).await?;
        let registered = source.registered.ok_or_else(|| anyhow!("not registered"))?;
        let rules = root.root().environments.get(&drafted.environment);
        let validity = rules.map_or(0, |rules| rules.max_validity_seconds);
        let validity = i64::try_from(validity.min(LONGEST_VALIDITY_SECONDS))?;
        let issued_at = because.recorded.time;
        let policy = builtin_quorum();
        let forward = |step: &domain::vocabulary::Step| Step {
            ordinal: step.ordinal,
            sha256: step.sha256,
            transactional: step.transactional,
            kind: StepKind::Forward,
        };
        Ok(Manifest {
            tenant: because.tenant().parse()?,
            change: id.to_string().parse()?,
            revision: u64::from(change.revision),
            author: drafted.author.to_string().parse()?,
            environment: drafted.environment.clone(),
            root: root.reference(),
            issued_at,
            not_after: issued_at.plus_seconds(validity),
            transition: Transition { from: Some(fingerprint.parse()?), to: None },
            targets: Some(vec![Target { id: target.parse()?, name: registered.name }]),
            selector: None,
            steps: drafted.steps.iter().map(forward).collect(),
            rollback: RollbackRule::Never,
            requirements: Vec::new(),
            policy: PolicyRef { version: policy.version, sha256: policy.sha256 },
            break_glass: None,
        })
    }

    async fn fail(
        &self,
        because: &Because<'_>,
        finished: &Finished,
        code: &str,
    ) -> Result<(), Setback> {
        let path = format!("/v1/changes/{}/fail-check", finished.change);
        let body = FailCheck { code: code.to_owned(), job: because.aggregate().parse()? };
        self.door.tell(because, "fail", &path, &body).await;
        Ok(())
    }

    async fn job(&self, because: &Because<'_>, event: &JobEvent) -> Result<(), Setback> {
        match event {
            JobEvent::Succeeded(finished) if finished.mode == Mode::Introspect => {
                self.open(because, finished).await
            }
            JobEvent::Failed(finished)
            | JobEvent::Refused(finished)
            | JobEvent::OutcomeUnknown(finished)
                if finished.mode == Mode::Introspect =>
            {
                let named = finished.refusal.as_ref().or(finished.sqlstate.as_ref());
                let code = named.map_or(finished.outcome.name(), String::as_str);
                self.fail(because, finished, code).await
            }
            JobEvent::Dispatched(_)
            | JobEvent::Succeeded(_)
            | JobEvent::Failed(_)
            | JobEvent::Refused(_)
            | JobEvent::OutcomeUnknown(_) => Ok(()),
        }
    }

    async fn approval(&self, because: &Because<'_>, event: &ApprovalEvent) -> Result<(), Setback> {
        let approval: ApprovalId = because.aggregate().parse()?;
        match event {
            ApprovalEvent::Granted {} => {
                let change = self.change_of(because).await?;
                let path = format!("/v1/changes/{change}/record-approval");
                self.door.tell(because, "record", &path, &RecordApproval { approval }).await;
            }
            ApprovalEvent::Rejected { person, .. } => {
                let change = self.change_of(because).await?;
                let path = format!("/v1/changes/{change}/record-rejection");
                let body = RecordRejection { approval, by: *person };
                self.door.tell(because, "record", &path, &body).await;
            }
            ApprovalEvent::Opened(_) | ApprovalEvent::Signed(_) | ApprovalEvent::Closed {} => {}
        }
        Ok(())
    }

    async fn change_of(&self, because: &Because<'_>) -> Result<ChangeId, Setback> {
        let approval: Approval = self.records.get(because.tenant(), because.aggregate()).await?;
        let opened = approval.opened.ok_or_else(|| anyhow!("the approval was never opened"))?;
        Ok(opened.change)
    }

    async fn cancelled(&self, because: &Because<'_>) -> Result<(), Setback> {
        let change: Change = self.records.get(because.tenant(), because.aggregate()).await?;
        if let Some(pending) = change.pending {
            let path = format!("/v1/approvals/{}/close", pending.approval);
            self.door.tell(because, "close", &path, &Nothing {}).await;
        }
        Ok(())
    }
}

impl Workflow for ApprovalRouting {
    const NAME: &'static str = "approval_routing";

    async fn react(&self, because: &Because<'_>) -> Result<(), Setback> {
        match &because.event.event {
            Event::Job(event) => self.job(because, event).await,
            Event::Approval(event) => self.approval(because, event).await,
            Event::Change(ChangeEvent::Cancelled { .. }) => self.cancelled(because).await,
            Event::Tenant(_)
            | Event::Principal(_)
            | Event::TrustRoot(_)
            | Event::DataSource(_)
            | Event::Change(_)
            | Event::Agent(_)
            | Event::Log(_) => Ok(()),
        }
    }
}
