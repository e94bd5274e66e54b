//! Line 9: exactly the approved bytes, in their order.

use super::{Reason, Refusal};
use crate::encoding::Sha256Digest;
use crate::statement::{Change, Job, RollbackRule, StepKind};
use std::collections::BTreeSet;
use std::ops::Range;

/// A step to run: a byte range of the message's SQL whose digest people signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedStep {
    /// Its ordinal in the change.
    pub ordinal: u32,
    /// SHA-256 of its exact bytes.
    pub sha256: Sha256Digest,
    /// Whether it runs in one transaction.
    pub transactional: bool,
    /// Where its bytes lie in the SQL.
    pub range: Range<usize>,
}

/// Line 9. In this version a change is one transactional forward step: the whole file.
pub(super) fn steps(job: &Job, change: &Change, sql: &[u8]) -> Result<Vec<AcceptedStep>, Refusal> {
    let ordinals: BTreeSet<u32> = change.steps.iter().map(|step| step.ordinal).collect();
    if ordinals.len() != change.steps.len() {
        return Err(Refusal::new(9, Reason::StepOrder, "an ordinal stands twice in the change"));
    }
    if change.rollback != RollbackRule::Never {
        return Err(Refusal::not_supported(9, "changes with rollback are not supported yet"));
    }
    let [step] = change.steps.as_slice() else {
        return Err(Refusal::not_supported(9, "more than one step is not supported yet"));
    };
    if step.kind != StepKind::Forward {
        return Err(Refusal::not_supported(9, "rollback steps are not supported yet"));
    }
    if !step.transactional {
        return Err(Refusal::not_supported(9, "non-transactional steps are not supported yet"));
    }
    if Sha256Digest::of(sql) != step.sha256 {
        let sentence = format!("the bytes of step {} are not the approved ones", step.ordinal);
        return Err(Refusal::new(9, Reason::StepMismatch, sentence));
    }
    if job.steps != [step.ordinal] {
        return Err(Refusal::new(9, Reason::StepOrder, "the job does not name the forward steps"));
    }
    Ok(vec![AcceptedStep {
        ordinal: step.ordinal,
        sha256: step.sha256,
        transactional: step.transactional,
        range: 0..sql.len(),
    }])
}
