//! What a change waits for, as a sentence with a name and a time.

use crate::countersigning::progress;
use client::reads::{ApprovalBody, DataSourceBody, JobBody};
use domain::changes::Phase;

/// What other contexts say about a change now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// Its approval.
    pub approval: Option<&'a ApprovalBody>,
    /// Its job whose result is still awaited.
    pub job: Option<&'a JobBody>,
    /// Its target.
    pub data_source: Option<&'a DataSourceBody>,
}

/// The sentence; none where nothing is waited for.
pub fn sentence(change: &str, phase: Phase, facts: Facts<'_>) -> Option<String> {
    match phase {
        Phase::Checking => Some(facts.job.map_or_else(
            || "waiting for the introspection of the target to be dispatched".to_owned(),
            for_agent,
        )),
        Phase::PendingApproval => Some(
            facts
                .approval
                .map_or_else(|| "waiting for the approval to open".to_owned(), for_approval),
        ),
        Phase::Approved => Some("waiting for somebody to start it".to_owned()),
        Phase::Scheduled => Some(for_lock(change, facts.data_source)),
        Phase::Applying => Some(
            facts.job.map_or_else(|| "waiting for the result to be taken in".to_owned(), for_agent),
        ),
        Phase::Absent
        | Phase::Draft
        | Phase::Applied
        | Phase::Rejected
        | Phase::Cancelled
        | Phase::Failed
        | Phase::Unknown => None,
    }
}

fn for_agent(job: &JobBody) -> String {
    format!("waiting for agent {} since {} (job {})", job.agent, job.created_at, job.id)
}

fn for_lock(change: &str, data_source: Option<&DataSourceBody>) -> String {
    let held = data_source.and_then(|source| Some((source, source.locked_by.as_deref()?)));
    match held {
        Some((source, holder)) if holder != change => {
            format!("waiting for the schema lock of {}, held by {holder}", source.name)
        }
        Some(_) => "waiting for its job to be dispatched".to_owned(),
        None => "waiting for the schema lock".to_owned(),
    }
}

/// The first stage that is not complete.
fn for_approval(approval: &ApprovalBody) -> String {
    if approval.state != "open" {
        return format!("waiting for the decision to be taken in: {}", approval.state);
    }
    let Some(stage) = progress(approval).into_iter().find(|stage| !stage.complete) else {
        return "waiting for the approval to be granted".to_owned();
    };
    let missing = stage.missing.iter();
    let missing: Vec<String> =
        missing.map(|it| format!("{} more with the role {}", it.count, it.role)).collect();
    let roles =
        if missing.is_empty() { String::new() } else { format!(" ({})", missing.join(", ")) };
    format!("waiting for approval: {} of {} signatures{roles}", stage.signed, stage.quorum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::reads::SignedBody;
    use serde_json::json;

    fn approval(signed: &[(&str, &[&str])]) -> ApprovalBody {
        let signed = signed.iter().map(|(person, roles)| SignedBody {
            person: (*person).to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            at: String::new(),
        });
        ApprovalBody {
            id: "apr_1".to_owned(),
            change: "chg_1".to_owned(),
            revision: 1,
            environment: "production".to_owned(),
            state: "open".to_owned(),
            change_sha256: String::new(),
            root_version: 1,
            policy: "builtin/quorum".to_owned(),
            stages: json!([{"name": "countersign", "quorum": 2,
                "requirements": [{"role": "dba", "count": 1}]}]),
            signed: signed.collect(),
            rejected_by: None,
            deadline: String::new(),
            created_at: String::new(),
            updated_at: String::new(),
        }
    }

    fn job() -> JobBody {
        JobBody {
            id: "job_1".to_owned(),
            change: "chg_1".to_owned(),
            data_source_id: "dsc_1".to_owned(),
            data_source: "orders".to_owned(),
            agent_id: "agt_1".to_owned(),
            agent: "edge-1".to_owned(),
            mode: "migrate".to_owned(),
            state: "dispatched".to_owned(),
            fence: 1,
            attempt: 1,
            refusal: None,
            sqlstate: None,
            counted: Vec::new(),
            created_at: "2026-11-20T07:00:00.000000Z".to_owned(),
            started_at: None,
            ended_at: None,
            finished_at: None,
            result_sha256: None,
        }
    }

    #[test]
    fn an_agent_that_does_not_answer_is_named_with_the_time() {
        let job = job();
        let facts = Facts { job: Some(&job), ..Facts::default() };
        for phase in [Phase::Checking, Phase::Applying] {
            assert_eq!(
                sentence("chg_1", phase, facts).unwrap(),
                "waiting for agent edge-1 since 2026-11-20T07:00:00.000000Z (job job_1)"
            );
        }
    }

    #[test]
    fn missing_signatures_are_counted_and_their_roles_named() {
        for (signed, expected) in [
            (vec![], "0 of 2 signatures (1 more with the role dba)"),
            (vec![("bob", &["dba"][..])], "1 of 2 signatures"),
            (
                vec![("bob", &[][..]), ("eve", &[][..])],
                "2 of 2 signatures (1 more with the role dba)",
            ),
        ] {
            let approval = approval(&signed);
            let facts = Facts { approval: Some(&approval), ..Facts::default() };
            let found = sentence("chg_1", Phase::PendingApproval, facts).unwrap();
            assert_eq!(found, format!("waiting for approval: {expected}"));
        }
    }

    #[test]
    fn a_lock_that_another_change_holds_is_named() {
        let mut source = DataSourceBody {
            id: "dsc_1".to_owned(),
            name: "orders".to_owned(),
            engine: "postgresql".to_owned(),
            environment: "production".to_owned(),
            agent_id: "agt_1".to_owned(),
            agent: "edge-1".to_owned(),
            labels: std::collections::BTreeMap::new(),
            locked_by: Some("chg_2".to_owned()),
            fence: 3,
            created_at: String::new(),
        };
        let said = |source: &DataSourceBody| {
            let facts = Facts { data_source: Some(source), ..Facts::default() };
            sentence("chg_1", Phase::Scheduled, facts)
        };
        let held = said(&source).unwrap();
        assert_eq!(held, "waiting for the schema lock of orders, held by chg_2");
        source.locked_by = Some("chg_1".to_owned());
        assert_eq!(said(&source).unwrap(), "waiting for its job to be dispatched");
    }

    #[test]
    fn what_has_ended_waits_for_nothing() {
        let job = job();
        let facts = Facts { job: Some(&job), ..Facts::default() };
        for phase in [Phase::Draft, Phase::Applied, Phase::Failed, Phase::Cancelled] {
            assert_eq!(sentence("chg_1", phase, facts), None);
        }
    }
}
