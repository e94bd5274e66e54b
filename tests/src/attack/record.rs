//! What one run of schemathesis wrote down: every request that it sent, and what it found.

use anyhow::Context as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trust::encoding::from_base64;

/// The answers of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// How often each status was answered.
    pub statuses: BTreeMap<u64, usize>,
    /// The sequences of the commits that receipts name.
    pub committed: BTreeSet<u64>,
    /// Requests without any answer.
    pub unanswered: usize,
    /// What was found wrong, one line each.
    pub failures: BTreeSet<String>,
}

impl Record {
    /// From the lines of a report.
    pub fn read(report: &str) -> anyhow::Result<Self> {
        let mut record = Self::default();
        for line in report.lines() {
            let event: Value = serde_json::from_str(line).context("a line is not JSON")?;
            let recorder = event.pointer("/ScenarioFinished/recorder");
            record.scenario(recorder.unwrap_or(&Value::Null));
            if let Some(error) = event.get("NonFatalError").or_else(|| event.get("FatalError")) {
                record.failures.insert(format!("schemathesis: {error}"));
            }
        }
        Ok(record)
    }

    /// Statuses of 500 and more.
    pub fn server_errors(&self) -> usize {
        self.statuses.range(500..).map(|(_, count)| count).sum()
    }

    /// All requests.
    pub fn requests(&self) -> usize {
        self.statuses.values().sum::<usize>() + self.unanswered
    }

    fn scenario(&mut self, recorder: &Value) {
        let label = recorder.get("label").and_then(Value::as_str).unwrap_or_default();
        let all = |name| recorder.get(name).and_then(Value::as_object).into_iter().flatten();
        for (case, interaction) in all("interactions") {
            self.interaction(label, case, interaction);
        }
        let checks = all("checks").filter_map(|(_, checks)| checks.as_array()).flatten();
        for check in checks.filter(|check| check.get("status") != Some(&Value::from("success"))) {
            let name = check.get("name").and_then(Value::as_str).unwrap_or("a check");
            self.failures.insert(format!("{label}: {name}: {}", shortened(check)));
        }
    }

    fn interaction(&mut self, label: &str, case: &str, interaction: &Value) {
        let response = interaction.get("response").unwrap_or(&Value::Null);
        let Some(status) = response.get("status_code").and_then(Value::as_u64) else {
            self.unanswered += 1;
            self.failures.insert(format!("{label}: case {case} got no answer"));
            return;
        };
        *self.statuses.entry(status).or_default() += 1;
        let content = response.pointer("/content/$base64").and_then(Value::as_str);
        let content = content.and_then(|content| from_base64(content).ok()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&content).unwrap_or_default();
        // Only a receipt has both.
        if body.get("signature").is_some_and(Value::is_string) && (200..300).contains(&status) {
            self.committed.extend(body.get("sequence").and_then(Value::as_u64));
        }
        if status >= 500 {
            let code = body.get("code").and_then(Value::as_str).unwrap_or("no code");
            self.failures.insert(format!("{label}: {status} {code}"));
        }
    }
}

fn shortened(value: &Value) -> String {
    let failure = value.pointer("/failure_info/failure").or_else(|| value.get("failure_info"));
    failure.unwrap_or(value).to_string().chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use trust::encoding::to_base64;

    fn answered(status: u16, body: &Value) -> Value {
        let content = json!({"$base64": to_base64(body.to_string().as_bytes())});
        json!({"response": {"status_code": status, "content": content}})
    }

    #[test]
    fn statuses_commits_and_failures_are_counted() {
        let receipt = json!({"sequence": 7, "signature": "s"});
        let recorder = json!({
            "label": "POST /v1/changes",
            "interactions": {
                "a": answered(201, &receipt),
                "b": answered(201, &receipt),
                "c": answered(500, &json!({"code": "internal"})),
                "d": {"response": null},
            },
            "checks": {
                "a": [{"name": "not_a_server_error", "status": "success"}],
                "c": [{"name": "not_a_server_error", "status": "failure", "failure_info": "x"}],
            },
        });
        let line = json!({"ScenarioFinished": {"recorder": recorder}}).to_string();
        let record = Record::read(&line).unwrap();
        assert_eq!(record.statuses, BTreeMap::from([(201, 2), (500, 1)]));
        assert_eq!(record.committed, BTreeSet::from([7]));
        assert_eq!((record.server_errors(), record.requests(), record.unanswered), (1, 4, 1));
        let failures: Vec<&str> = record.failures.iter().map(String::as_str).collect();
        assert_eq!(
            failures,
            [
                "POST /v1/changes: 500 internal",
                "POST /v1/changes: case d got no answer",
                "POST /v1/changes: not_a_server_error: \"x\"",
            ]
        );
    }
}
