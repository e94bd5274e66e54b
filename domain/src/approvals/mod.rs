//! Approvals: people countersign one revision of a change, or reject it.
//!
//! Counting here answers "granted?" early; the agent counts again, from the signatures alone, before it runs anything.

mod command;
#[cfg(test)]
mod counting;
mod event;
#[cfg(test)]
mod tests;

pub use command::{ApprovalCommand, Signer};
pub use event::{ApprovalEvent, Opened, Signed};

use crate::Issued;
use crate::aggregate::aggregate;
use crate::ids::PrincipalId;
use crate::refusal::refusals;
use crate::vocabulary::{Requirement, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::Timestamp;

refusals! {
    /// Why a command on an approval was refused.
    ApprovalError {
        NotFound = "approvals.not_found", NotFound, "there is no such approval";
        AlreadyOpen = "approvals.already_open", Conflict, "the approval was opened already";
        Closed = "approvals.closed", Conflict, "the approval has been decided or closed";
        Expired = "approvals.expired", Conflict, "the approval's deadline has passed";
        AlreadySigned = "approvals.already_signed", Conflict, "you have signed this revision already";
        Author = "approvals.author_cannot_approve", Forbidden, "the author of a change cannot approve it";
        KeyNotInRoot = "approvals.key_not_in_root", Forbidden, "no key of the current trust root made this signature over this manifest";
        NotYourKey = "approvals.not_your_key", Forbidden, "the key belongs to another person";
        NoStages = "approvals.no_stages", Invalid, "an approval needs at least one stage with a quorum of at least 1";
    }
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It does not exist.
    #[default]
    Absent,
    /// People may sign.
    Open,
    /// Enough did.
    Granted,
    /// Somebody said no.
    Rejected,
    /// The change was taken back.
    Closed,
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Where it stands.
    pub phase: Phase,
    /// What it is about.
    pub opened: Option<Opened>,
    /// Who signed, with the roles that they hold for the environment.
    pub signed: BTreeMap<PrincipalId, Signed>,
}

aggregate!(Approval, "approval", ApprovalCommand, ApprovalEvent, ApprovalError);

impl Approval {
    fn decide(&self, issued: Issued<ApprovalCommand>) -> Result<Vec<ApprovalEvent>, ApprovalError> {
        let Issued { by, at, command, .. } = issued;
        match (self.phase, command) {
            (Phase::Absent, ApprovalCommand::Open(opened)) => Self::open(opened),
            (_, ApprovalCommand::Open(_)) => Err(ApprovalError::AlreadyOpen),
            (Phase::Absent, _) => Err(ApprovalError::NotFound),
            (Phase::Open, ApprovalCommand::Countersign { signer, signature }) => {
                let signer = self.may_decide(by.id, at, signer)?;
                if self.signed.contains_key(&by.id) {
                    return Err(ApprovalError::AlreadySigned);
                }
                Ok(self.countersign(Signed { person: by.id, roles: signer.roles, signature }))
            }
            (Phase::Open, ApprovalCommand::Reject { signer, statement, reason }) => {
                let Signer { person, .. } = self.may_decide(by.id, at, signer)?;
                Ok(vec![ApprovalEvent::Rejected { person, statement, reason }])
            }
            (Phase::Open, ApprovalCommand::Close) => Ok(vec![ApprovalEvent::Closed {}]),
            (Phase::Granted | Phase::Rejected | Phase::Closed, _) => Err(ApprovalError::Closed),
        }
    }

    fn open(opened: Opened) -> Result<Vec<ApprovalEvent>, ApprovalError> {
        if opened.stages.is_empty() || opened.stages.iter().any(|stage| stage.quorum == 0) {
            return Err(ApprovalError::NoStages);
        }
        Ok(vec![ApprovalEvent::Opened(opened)])
    }

    /// A decision is signed by the caller's own key, before the deadline, and never by the author.
    fn may_decide(
        &self,
        caller: PrincipalId,
        at: Timestamp,
        signer: Option<Signer>,
    ) -> Result<Signer, ApprovalError> {
        let opened = self.opened.as_ref().ok_or(ApprovalError::NotFound)?;
        let signer = signer.ok_or(ApprovalError::KeyNotInRoot)?;
        if signer.person != caller {
            return Err(ApprovalError::NotYourKey);
        }
        if caller == opened.author {
            return Err(ApprovalError::Author);
        }
        if at >= opened.deadline {
            return Err(ApprovalError::Expired);
        }
        Ok(signer)
    }

    fn countersign(&self, signed: Signed) -> Vec<ApprovalEvent> {
        let mut everyone = self.signed.clone();
        everyone.insert(signed.person, signed.clone());
        let stages = self.opened.iter().flat_map(|opened| &opened.stages);
        let granted = stages.into_iter().all(|stage| is_met(stage, &everyone));
        std::iter::once(ApprovalEvent::Signed(signed))
            .chain(granted.then_some(ApprovalEvent::Granted {}))
            .collect()
    }

    fn evolve(&mut self, event: ApprovalEvent) {
        match event {
            ApprovalEvent::Opened(opened) => {
                self.opened = Some(opened);
                self.phase = Phase::Open;
            }
            ApprovalEvent::Signed(signed) => {
                self.signed.insert(signed.person, signed);
            }
            ApprovalEvent::Granted {} => self.phase = Phase::Granted,
            ApprovalEvent::Rejected { .. } => self.phase = Phase::Rejected,
            ApprovalEvent::Closed {} => self.phase = Phase::Closed,
        }
    }
}

/// Enough distinct people, and of every required role. A person counts for every role that they hold.
pub fn is_met(stage: &Stage, signed: &BTreeMap<PrincipalId, Signed>) -> bool {
    let at_least = |count: usize, needed: u32| u32::try_from(count).is_ok_and(|c| c >= needed);
    let holds = |requirement: &Requirement| {
        let held = signed.values().filter(|s| s.roles.contains(&requirement.role)).count();
        at_least(held, requirement.count)
    };
    at_least(signed.len(), stage.quorum) && stage.requirements.iter().all(holds)
}
