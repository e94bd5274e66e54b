//! Line 10: never twice, never backwards.

use super::{JournalView, Reason, Refusal, StoredResult};
use crate::dsse::Parsed;
use crate::encoding::Sha256Digest;
use crate::statement::{Change, Job};

/// How far a fence may be above the last one.
const FENCE_LEAP: u64 = 1 << 20;

/// The stored answer, if this very attempt has one.
pub(super) fn redelivered(job: &Parsed<Job>, journal: &JournalView) -> Option<StoredResult> {
    let stored = journal.stored.as_ref().filter(|stored| is_attempt(stored, job.statement()))?;
    (stored.job_sha256 == job.sha256()).then(|| stored.clone())
}

/// The attempt was answered when it had other bytes: whoever dispatches it again is confused or worse.
pub(super) fn attempt_is_new(job: &Parsed<Job>, journal: &JournalView) -> Result<(), Refusal> {
    if journal.stored.as_ref().is_some_and(|stored| is_attempt(stored, job.statement())) {
        let sentence = "this attempt of the job was answered when it had other bytes";
        return Err(Refusal::new(10, Reason::Consumed, sentence));
    }
    Ok(())
}

/// Line 10 for a job with a change.
pub(super) fn consumption(
    job: &Parsed<Job>,
    change: &Change,
    change_sha256: Sha256Digest,
    journal: &JournalView,
) -> Result<(), Refusal> {
    attempt_is_new(job, journal)?;
    if journal.consumed.contains(&change_sha256) {
        let sentence = format!("revision {} of the change has run here", change.revision);
        return Err(Refusal::new(10, Reason::Consumed, sentence));
    }
    let newest = journal.revisions.get(&change.change).copied().unwrap_or(0);
    if change.revision < newest {
        let sentence = format!("revision {newest} has been here, this is {}", change.revision);
        return Err(Refusal::new(10, Reason::RevisionSuperseded, sentence));
    }
    fence(job.statement(), journal)
}

fn fence(job: &Job, journal: &JournalView) -> Result<(), Refusal> {
    let epoch = job.dispatcher_epoch;
    let target = journal.target_fences.get(&epoch).copied().unwrap_or(0);
    let agent = journal.agent_fences.get(&epoch).copied().unwrap_or(0);
    let highest = target.max(agent);
    let fence = job.fence;
    if fence <= highest {
        let sentence = format!("fence {fence} is not above {highest}");
        return Err(Refusal::new(10, Reason::FenceReplayed, sentence));
    }
    if fence - highest > FENCE_LEAP {
        let sentence = format!("fence {fence} is more than 2^20 above {highest}");
        return Err(Refusal::new(10, Reason::FenceJump, sentence));
    }
    if target < agent {
        let sentence = format!(
            "the target's journal knows fence {target}, this agent {agent}: an older state of the target"
        );
        return Err(Refusal::new(10, Reason::TargetBehind, sentence));
    }
    Ok(())
}

fn is_attempt(stored: &StoredResult, job: &Job) -> bool {
    stored.job == job.job && stored.attempt == job.attempt
}
