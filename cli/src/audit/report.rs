//! A verification in the four lines of PROTOCOL.md: record, approvals, execution, and what only the server asserts.

use super::conclusion::{ASSERTED, COMMIT_OF, Conclusion, Raised};
use super::objection::Objection;
use super::predecessor::Predecessor;
use crate::output::Document;
use ledger::{Report, Severity, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many findings people are shown; programs get all.
const SHOWN: usize = 20;

/// For people.
pub fn text(conclusion: &Conclusion) -> String {
    let mut lines = record(&conclusion.report);
    lines.extend(conclusion.predecessor.as_ref().map(|before| format!("  {}", before.told())));
    let broken: Vec<_> =
        conclusion.raised.iter().filter(|raised| raised.about.starts_with(COMMIT_OF)).collect();
    lines.extend(listed("references", &broken));
    lines.extend(approvals(conclusion));
    lines.extend(executions(conclusion));
    lines.push(format!("asserted by the server only: {}", ASSERTED.join("; ")));
    lines.push(format!("verdict: {}", name(conclusion.verdict())));
    sql::escaped(&lines.join("\n"))
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intact => "intact",
        Verdict::Tampered => "tampered",
        Verdict::Incomplete => "incomplete",
    }
}

fn record(report: &Report) -> Vec<String> {
    let Report { commits, aggregates, blobs_checked, last_sequence, origin, .. } = report;
    let held = format!(
        "{commits} commits of {aggregates} aggregates and {blobs_checked} blobs, \
         up to sequence {last_sequence} of {origin}"
    );
    let mut lines = match report.verdict {
        Verdict::Intact => vec![format!("record intact: {held}")],
        Verdict::Tampered | Verdict::Incomplete => {
            let first = report.first_bad().map(ToString::to_string).unwrap_or_default();
            vec![format!("record {}: {first}", name(report.verdict)), format!("  it holds {held}")]
        }
    };
    let others = report.findings.iter().skip(1);
    lines.extend(others.take(SHOWN).map(|finding| format!("  also: {finding}")));
    let all = report.tampering.saturating_add(report.incompleteness);
    let shown = u64::try_from(report.findings.len().min(SHOWN + 1)).unwrap_or(u64::MAX);
    if all > shown {
        lines.push(format!("  and {} findings more: -o json lists them", all - shown));
    }
    if report.declared_gaps > 0 {
        lines.push(format!("  {} lost sequences that the policy names", report.declared_gaps));
    }
    if let Some(sealed) = &report.sealed {
        let witnesses: Vec<_> = sealed.cosigned.iter().map(|it| it.witness.to_string()).collect();
        let by = if witnesses.is_empty() {
            String::new()
        } else {
            format!(", cosigned by {}", witnesses.join(" and "))
        };
        lines.push(format!(
            "  sealed under checkpoint {} with root {}{by}",
            sealed.size, sealed.root
        ));
    }
    lines.extend(report.completeness().map(|sentence| format!("  {sentence}")));
    lines.extend(report.caveats.iter().map(|caveat| format!("  {caveat}")));
    lines.extend(report.weakened.iter().map(|weakened| format!("  {weakened}")));
    lines
}

fn approvals(conclusion: &Conclusion) -> Vec<String> {
    let mut valid: BTreeMap<(u64, &str), Vec<String>> = BTreeMap::new();
    let mut lines = Vec::new();
    for approval in &conclusion.approvals {
        if let (Ok(people), Some(root)) = (&approval.people, approval.root) {
            let by = format!("{} by {}", approval.change, people.join(" and "));
            valid.entry((root, approval.tenant.as_str())).or_default().push(by);
        }
    }
    let about = |raised: &&Raised| {
        ["approval ", "root ", "change "].iter().any(|kind| raised.about.starts_with(kind))
    };
    let bad: Vec<_> = conclusion.raised.iter().filter(about).collect();
    for ((root, tenant), by) in &valid {
        lines.push(format!("approvals valid under root {root} of {tenant}: {} granted", by.len()));
        lines.extend(by.iter().take(SHOWN).map(|by| format!("  {by}")));
        if by.len() > SHOWN {
            lines.push(format!("  and {} more", by.len() - SHOWN));
        }
    }
    if valid.is_empty() && bad.is_empty() {
        lines.push("approvals: none was granted".to_owned());
    }
    lines.extend(listed("approvals", &bad));
    lines
}

fn executions(conclusion: &Conclusion) -> Vec<String> {
    let mut claimed: BTreeMap<&str, BTreeMap<(&str, &str), u64>> = BTreeMap::new();
    for execution in &conclusion.executions {
        if let Ok(word) = &execution.word {
            let counts = claimed.entry(word.agent.as_str()).or_default();
            *counts.entry((execution.mode, execution.outcome)).or_default() += 1;
        }
    }
    let mut lines: Vec<_> = claimed
        .iter()
        .map(|(agent, counts)| {
            let counts: Vec<_> = counts
                .iter()
                .map(|((mode, outcome), count)| format!("{count} {mode} {outcome}"))
                .collect();
            format!("execution claimed by agent {agent}: {}", counts.join(", "))
        })
        .collect();
    let rest: Vec<_> = conclusion
        .raised
        .iter()
        .filter(|raised| {
            let elsewhere = ["approval ", "root ", "change ", COMMIT_OF];
            !elsewhere.iter().any(|kind| raised.about.starts_with(kind))
        })
        .collect();
    if lines.is_empty() && rest.is_empty() {
        lines.push("execution: no agent has reported a result".to_owned());
    }
    lines.extend(listed("execution and statements", &rest));
    lines
}

fn listed(what: &str, raised: &[&Raised]) -> Vec<String> {
    let line = |raised: &&Raised| {
        let verdict = match raised.severity {
            Severity::Tampering => "NOT valid",
            Severity::Incompleteness => "not verified",
        };
        format!("{what} {verdict}: {}", raised.told())
    };
    let more = raised.len().saturating_sub(SHOWN);
    let rest = (more > 0).then(|| format!("  and {more} more: -o json lists them"));
    raised.iter().take(SHOWN).map(line).chain(rest).collect()
}

/// For programs.
pub fn document(conclusion: &Conclusion) -> anyhow::Result<Document> {
    Ok(Document::record(value(conclusion)?, name(conclusion.verdict()), &[]))
}

/// The same, as a part of something larger.
pub fn value(conclusion: &Conclusion) -> anyhow::Result<Value> {
    let verdict = name(conclusion.verdict());
    let approvals: Vec<Value> = conclusion
        .approvals
        .iter()
        .map(|approval| {
            json!({"tenant": approval.tenant, "approval": approval.approval,
                "change": approval.change, "change_sha256": approval.change_sha256,
                "root_version": approval.root, "sequence": approval.sequence,
                "people": approval.people.as_ref().ok(),
                "code": approval.people.as_ref().err().map(Objection::code)})
        })
        .collect();
    let executions: Vec<Value> = conclusion
        .executions
        .iter()
        .map(|execution| {
            json!({"tenant": execution.tenant, "job": execution.job, "mode": execution.mode,
                "outcome": execution.outcome, "sequence": execution.sequence,
                "agent": execution.word.as_ref().ok().map(|word| &word.agent),
                "code": execution.word.as_ref().err().map(Objection::code)})
        })
        .collect();
    let changes: Vec<Value> = conclusion
        .changes
        .iter()
        .map(|change| {
            json!({"tenant": change.tenant, "change": change.change, "job": change.job,
                "sequence": change.sequence, "code": change.held.as_ref().err().map(Objection::code)})
        })
        .collect();
    let objections: Vec<Value> = conclusion
        .raised
        .iter()
        .map(|raised| {
            json!({"severity": raised.severity, "sequence": raised.sequence,
                "about": raised.about, "code": raised.objection.code(), "message": raised.told()})
        })
        .collect();
    Ok(json!({
        "verdict": verdict,
        "exit_code": conclusion.exit() as u8,
        "record": serde_json::to_value(&conclusion.report)?,
        "first_bad": conclusion.report.first_bad().map(serde_json::to_value).transpose()?,
        "approvals": approvals,
        "executions": executions,
        "applied": changes,
        "predecessor": conclusion.predecessor.as_ref().map(Predecessor::value),
        "objections": objections,
        "asserted_by_the_server_only": ASSERTED,
    }))
}
