//! Executions: for each job result that the server took in, the agent's own signed word.

use super::blobs::Blobs;
use super::evidence::{Evidence, FinishedRecord, JobRecord, Key};
use super::objection::Objection;
use domain::jobs::{Dispatched, Finished};
use ledger::Policy;
use serde_json::Value;
use trust::dsse::{Envelope, Parsed};
use trust::encoding::Sha256Digest;
use trust::result::verify;
use trust::statement::{AgentAuthority, JobResult};

/// A job's result, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedExecution {
    /// Whose.
    pub tenant: String,
    /// Which.
    pub job: String,
    /// Where the log holds its result.
    pub sequence: u64,
    /// What it was to do.
    pub mode: &'static str,
    /// How it ended, as the server says.
    pub outcome: &'static str,
    /// What the agent says, or why nobody knows.
    pub word: Result<AgentsWord, Objection>,
}

/// What an agent's verified result says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentsWord {
    /// Its SPIFFE ID.
    pub agent: String,
    /// The manifest that it ran; none for what is not a change.
    pub change_sha256: Option<Sha256Digest>,
    /// Whether it ran to its end.
    pub succeeded: bool,
    /// The schema afterwards.
    pub fingerprint_after: Option<String>,
}

/// Checks every result that was taken in.
pub fn check(evidence: &Evidence, policy: &Policy, blobs: &dyn Blobs) -> Vec<CheckedExecution> {
    let authorities: Vec<AgentAuthority> = policy
        .agent_authorities
        .iter()
        .map(|authority| AgentAuthority {
            trust_domain: authority.trust_domain.clone(),
            spki_sha256: authority.spki_sha256,
            from: authority.from,
            until: authority.until,
        })
        .collect();
    let finished = evidence.jobs.iter().filter_map(|(key, record)| {
        record.finished.as_ref().map(|finished| one(key, record, finished, &authorities, blobs))
    });
    finished.collect()
}

fn one(
    (tenant, job): &Key,
    record: &JobRecord,
    finished: &FinishedRecord,
    authorities: &[AgentAuthority],
    blobs: &dyn Blobs,
) -> CheckedExecution {
    let said = &finished.said;
    CheckedExecution {
        tenant: tenant.clone(),
        job: job.clone(),
        sequence: finished.sequence,
        mode: said.mode.name(),
        outcome: said.outcome.name(),
        word: word(tenant, job, record.dispatched.as_ref(), finished, authorities, blobs),
    }
}

fn word(
    tenant: &str,
    job: &str,
    dispatched: Option<&Dispatched>,
    FinishedRecord { said, time, .. }: &FinishedRecord,
    authorities: &[AgentAuthority],
    blobs: &dyn Blobs,
) -> Result<AgentsWord, Objection> {
    let envelope = Envelope::parse(&blobs.named(&said.result)?)?;
    let parsed = Parsed::<JobResult>::from_envelope(envelope)?;
    let result = parsed.statement();
    let domain = result.agent.trust_domain();
    if !authorities.iter().any(|authority| authority.trust_domain == domain) {
        return Err(Objection::NoAuthority(domain.to_owned()));
    }
    // As of its arrival, as the server did (ADR 0009): it may have waited for the commit longer than a certificate lives.
    if said.received_at > *time {
        return Err(Objection::Finished("received_at"));
    }
    let verified = verify(&parsed, authorities, said.received_at)?;
    let result = verified.result();
    fits(tenant, job, dispatched, said, result)?;
    Ok(AgentsWord {
        agent: result.agent.to_string(),
        change_sha256: result.change_sha256,
        succeeded: result.outcome == trust::statement::Outcome::Succeeded,
        fingerprint_after: result.fingerprint_after.as_ref().map(ToString::to_string),
    })
}

/// Whether the record says what the agent said.
fn fits(
    tenant: &str,
    job: &str,
    dispatched: Option<&Dispatched>,
    said: &Finished,
    result: &JobResult,
) -> Result<(), Objection> {
    let same_job = dispatched.is_none_or(|dispatched| {
        dispatched.job_sha256 == result.job_sha256
            && dispatched.data_source.to_string() == result.data_source.as_str()
    });
    let agent = dispatched
        .is_none_or(|dispatched| result.agent.agent() == Some(dispatched.agent_name.as_str()));
    let text = |fingerprint: &Option<trust::names::Fingerprint>| {
        fingerprint.as_ref().map(ToString::to_string)
    };
    for (member, holds) in [
        ("tenant", result.tenant.as_str() == tenant),
        ("job", result.job.as_str() == job && same_job),
        ("agent", agent),
        ("attempt", result.attempt == u64::from(said.attempt)),
        ("mode", wire(&result.mode) == said.mode.name()),
        ("outcome", wire(&result.outcome) == said.outcome.name()),
        ("refusal", result.refusal.as_ref().map(|r| r.name().to_owned()) == said.refusal),
        ("fingerprint_before", text(&result.fingerprint_before) == said.fingerprint_before),
        ("fingerprint_after", text(&result.fingerprint_after) == said.fingerprint_after),
    ] {
        if !holds {
            return Err(Objection::Finished(member));
        }
    }
    Ok(())
}

/// The wire name of a word.
fn wire<T: serde::Serialize>(word: &T) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().map_or_else(|| Value::Null.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::testimony::{AGENT, Testimony};
    use super::*;
    use domain::vocabulary::Outcome;
    use ledger::Severity;
    use trust::encoding::Timestamp;
    use trust::result::ResultError;

    fn checked(spoil: impl FnOnce(&mut Testimony)) -> anyhow::Result<CheckedExecution> {
        let mut testimony = Testimony::new()?;
        spoil(&mut testimony);
        let mut found = check(&testimony.evidence, &testimony.policy()?, &testimony.blobs);
        found.pop().ok_or_else(|| anyhow::anyhow!("no job has a result"))
    }

    fn objection(spoil: impl FnOnce(&mut Testimony)) -> anyhow::Result<Objection> {
        match checked(spoil)?.word {
            Err(objection) => Ok(objection),
            Ok(word) => anyhow::bail!("it was taken: {word:?}"),
        }
    }

    #[test]
    fn an_agents_signed_result_is_its_word() {
        let word = checked(|_| {}).unwrap().word.unwrap();
        assert_eq!(word.agent, AGENT);
        assert!(word.succeeded && word.change_sha256.is_some());
    }

    #[test]
    fn a_result_that_the_server_reports_differently_is_tampering() {
        let found = objection(|t| t.finished().unwrap().said.outcome = Outcome::FailedClean);
        assert_eq!(found.unwrap(), Objection::Finished("outcome"));
        let found = objection(|t| t.finished().unwrap().said.fingerprint_after = None).unwrap();
        assert_eq!(found, Objection::Finished("fingerprint_after"));
        let other = Sha256Digest::of(b"other");
        let found = objection(|t| t.dispatched().unwrap().job_sha256 = other).unwrap();
        assert_eq!(found, Objection::Finished("job"));
        assert_eq!(found.severity(false), Severity::Tampering);
        let found = objection(|t| t.dispatched().unwrap().agent_name = "other".to_owned());
        assert_eq!(found.unwrap(), Objection::Finished("agent"));
    }

    #[test]
    fn a_result_that_waited_longer_than_its_certificate_lives_is_still_the_agents_word() {
        // The testimony's certificates end with November.
        let december: Timestamp = "2026-12-20T07:00:00.000000Z".parse().unwrap();
        let waited = |t: &mut Testimony| {
            t.authorities[0].until = december.plus_seconds(86_400);
            t.finished().unwrap().time = december;
        };
        assert!(checked(waited).unwrap().word.is_ok());
        let found = objection(|t| {
            waited(t);
            t.finished().unwrap().said.received_at = december;
        });
        assert!(matches!(found.unwrap(), Objection::Result(_)));
    }

    #[test]
    fn a_result_that_arrived_after_its_commit_is_tampering() {
        let found = objection(|t| {
            let said = &mut t.finished().unwrap().said;
            said.received_at = said.received_at.plus_seconds(60);
        });
        assert_eq!(found.unwrap(), Objection::Finished("received_at"));
    }

    #[test]
    fn an_authority_that_the_policy_does_not_name_is_not_believed() {
        let found = objection(|t| t.authorities.clear()).unwrap();
        assert_eq!(found, Objection::NoAuthority("example.org".to_owned()));
        assert_eq!(found.severity(true), Severity::Incompleteness);
        let other = Sha256Digest::of(b"other authority");
        let found = objection(|t| t.authorities[0].spki_sha256 = other).unwrap();
        assert_eq!(found, Objection::Result(ResultError::AuthorityUnknown));
        assert_eq!(found.severity(true), Severity::Tampering);
        let found = objection(|t| t.authorities[0].until = t.authorities[0].from).unwrap();
        assert_eq!(found, Objection::Result(ResultError::AuthorityUnknown));
    }
}
