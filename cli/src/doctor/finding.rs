//! What doctor says: one finding for each thing that it looked at, with a stable code and the command that mends it.

use crate::output::Document;
use serde::Serialize;

/// Every code that a finding can have: a list for tests, which hold it against `docs/doctor.md`.
#[cfg(test)]
pub const FINDINGS: &[&str] = &[
    "doctor.agent_away",
    "doctor.api_unreachable",
    "doctor.binary_version",
    "doctor.certificate_expires",
    "doctor.clock_offset",
    "doctor.condemned",
    "doctor.data_folder",
    "doctor.development_exposed",
    "doctor.development_root",
    "doctor.file_open",
    "doctor.folder_open",
    "doctor.golden_key",
    "doctor.job_stuck",
    "doctor.log_shortened",
    "doctor.mirror_lag",
    "doctor.nats_version",
    "doctor.not_ready",
    "doctor.not_running",
    "doctor.not_seen",
    "doctor.parked",
    "doctor.port_unreachable",
    "doctor.postgres_version",
    "doctor.projection_lag",
    "doctor.root_expires",
    "doctor.set_aside",
    "doctor.spiffe_silent",
    "doctor.stream_differs",
    "doctor.stream_erasable",
    "doctor.stream_loses",
    "doctor.stream_missing",
    "doctor.stream_sources",
    "doctor.token_in_clear",
    "doctor.workflow_lag",
];

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It harms, or will: exit 1.
    Problem,
    /// Somebody should look.
    Warning,
    /// It is not as it should be, and whoever runs it has said so: nothing is to be done.
    #[cfg(feature = "dev")]
    Note,
    /// It is as it should be.
    Ok,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `doctor.<thing>`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// For people.
    pub sentence: String,
    /// The command that mends it; none where nothing is broken.
    pub mend: Option<String>,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            #[cfg(feature = "dev")]
            Self::Note => "note",
            Self::Ok => "ok",
        }
    }
}

impl Finding {
    /// As it should be.
    pub fn ok(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, severity: Severity::Ok, sentence: sentence.into(), mend: None }
    }

    /// Known, and nothing is to be done.
    #[cfg(feature = "dev")]
    pub fn note(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, severity: Severity::Note, sentence: sentence.into(), mend: None }
    }

    /// Somebody should look.
    pub fn warning(
        code: &'static str,
        sentence: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (sentence, mend) = (sentence.into(), Some(mend.into()));
        Self { code, severity: Severity::Warning, sentence, mend }
    }

    /// It harms, or will.
    pub fn problem(
        code: &'static str,
        sentence: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (sentence, mend) = (sentence.into(), Some(mend.into()));
        Self { code, severity: Severity::Problem, sentence, mend }
    }
}

/// What is wrong; where nothing is, one finding that says so.
pub fn or_ok(wrong: Vec<Finding>, code: &'static str, sentence: impl Into<String>) -> Vec<Finding> {
    if wrong.is_empty() { vec![Finding::ok(code, sentence)] } else { wrong }
}

/// Whether one of them is a problem.
pub fn has_problem(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Problem)
}

/// The findings to be shown, what matters most first.
pub fn document(mut findings: Vec<Finding>) -> anyhow::Result<Document> {
    findings.sort_by_key(|finding| finding.severity);
    let value = serde_json::to_value(&findings)?;
    let rows = findings.into_iter().map(|finding| {
        let Finding { code, severity, sentence, mend } = finding;
        let cells = [severity.name().to_owned(), code.to_owned(), sentence];
        (code.to_owned(), cells.into_iter().chain([mend.unwrap_or_default()]).collect())
    });
    Ok(Document::list(value, &["severity", "code", "finding", "mend with"], rows.collect()))
}

/// A path as a shell takes it.
#[cfg(feature = "dev")]
pub fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented_once_and_nothing_else_is() {
        assert!(FINDINGS.is_sorted());
        let page = include_str!("../../../docs/doctor.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `doctor."));
        let mut rows: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        rows.sort_unstable();
        let codes = FINDINGS.iter().filter_map(|code| code.strip_prefix("doctor."));
        assert_eq!(rows, codes.collect::<Vec<_>>());
    }

    #[test]
    fn what_matters_most_comes_first_and_decides() {
        let fine = Finding::ok("doctor.parked", "nothing is parked");
        let odd = Finding::warning("doctor.clock_offset", "a little off", "look");
        let bad = Finding::problem("doctor.file_open", "open", "chmod 600 f");
        assert!(!has_problem(&[fine.clone(), odd.clone()]));
        assert!(has_problem(&[fine.clone(), bad.clone()]));
        let sorted = document(vec![fine.clone(), odd.clone(), bad.clone()]).unwrap();
        assert_eq!(sorted, document(vec![bad, odd, fine]).unwrap());
    }

    #[cfg(feature = "dev")]
    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted(std::path::Path::new("/a/b.pem")), "/a/b.pem");
        assert_eq!(quoted(std::path::Path::new("/it's a/b")), "'/it'\\''s a/b'");
    }
}
