//! Applied changes: each stands on an approval that holds and on an agent's word about the same manifest.

use super::approvals::CheckedApproval;
use super::evidence::{AppliedRecord, Evidence, Key};
use super::executions::CheckedExecution;
use super::objection::Objection;

/// An applied change, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedChange {
    /// Whose.
    pub tenant: String,
    /// Which.
    pub change: String,
    /// By which job.
    pub job: String,
    /// Where the log says so.
    pub sequence: u64,
    /// Whether both hold, as far as that is not an approval's or a job's own objection.
    pub held: Result<(), Objection>,
}

/// Checks every change that was applied.
pub fn check(
    evidence: &Evidence,
    approvals: &[CheckedApproval],
    executions: &[CheckedExecution],
) -> Vec<CheckedChange> {
    let applied = evidence.applied.iter().map(|(key, record)| CheckedChange {
        tenant: key.0.clone(),
        change: key.1.clone(),
        job: record.job.clone(),
        sequence: record.sequence,
        held: held(key, record, approvals, executions),
    });
    applied.collect()
}

fn held(
    (tenant, change): &Key,
    record: &AppliedRecord,
    approvals: &[CheckedApproval],
    executions: &[CheckedExecution],
) -> Result<(), Objection> {
    let mut granted =
        approvals.iter().filter(|a| a.tenant == *tenant && a.change == *change).peekable();
    if granted.peek().is_none() {
        return Err(Objection::NotApproved);
    }
    let execution = executions.iter().find(|e| e.tenant == *tenant && e.job == record.job);
    // A word that does not hold is that job's own objection.
    let Ok(word) = &execution.ok_or(Objection::NotClaimed)?.word else { return Ok(()) };
    if !word.succeeded {
        return Err(Objection::NotClaimed);
    }
    if word.fingerprint_after != record.fingerprint {
        return Err(Objection::Finished("fingerprint_after"));
    }
    if granted.any(|approval| approval.change_sha256 == word.change_sha256) {
        Ok(())
    } else {
        Err(Objection::OtherManifest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::approvals;
    use super::super::executions;
    use super::super::roots::Roots;
    use super::super::testimony::Testimony;
    use super::*;

    fn checked(spoil: impl FnOnce(&mut Testimony)) -> anyhow::Result<Result<(), Objection>> {
        let mut testimony = Testimony::new()?;
        spoil(&mut testimony);
        let (evidence, blobs) = (&testimony.evidence, &testimony.blobs);
        let policy = testimony.policy()?;
        let approvals = approvals::check(evidence, &Roots::open(evidence, &policy, blobs), blobs);
        let executions = executions::check(evidence, &policy, blobs);
        let mut found = check(evidence, &approvals, &executions);
        Ok(found.pop().ok_or_else(|| anyhow::anyhow!("nothing was applied"))?.held)
    }

    #[test]
    fn an_approved_change_that_an_agent_ran_holds() {
        assert_eq!(checked(|_| {}).unwrap(), Ok(()));
    }

    #[test]
    fn a_change_that_nobody_approved_is_tampering() {
        let found = checked(|t| t.approval().granted = None).unwrap();
        assert_eq!(found, Err(Objection::NotApproved));
        let found = checked(|t| t.evidence.approvals.clear()).unwrap();
        assert_eq!(found, Err(Objection::NotApproved));
    }

    #[test]
    fn a_change_that_no_agent_ran_is_tampering() {
        let found = checked(|t| t.evidence.jobs.clear()).unwrap();
        assert_eq!(found, Err(Objection::NotClaimed));
    }

    #[test]
    fn another_schema_afterwards_than_the_agents_is_tampering() {
        let found = checked(|t| t.applied().unwrap().fingerprint = None).unwrap();
        assert_eq!(found, Err(Objection::Finished("fingerprint_after")));
    }

    #[test]
    fn another_manifest_than_the_signed_one_is_tampering() {
        let found = checked(|t| t.replace_manifest(|m| m.revision = 2).unwrap()).unwrap();
        assert_eq!(found, Err(Objection::OtherManifest));
    }
}
