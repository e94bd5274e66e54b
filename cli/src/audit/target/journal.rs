//! A target's journal as a file: one JSON object a line, as the target's own `psql` writes them.

use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::strict::{self, StrictError};

/// What writes the file: `psql -XAtq -c "$(countersign audit target-query)" > journal.ndjson`.
///
/// The result's digest is computed now, not taken from the column beside it.
pub const QUERY: &str = r#"SELECT line FROM (
SELECT 1 AS part, NULL AS job, pg_catalog.jsonb_build_object('table', 'version', 'version', version,
    'data_source', data_source, 'taken_at', pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS line FROM ONLY countersign.version
UNION ALL SELECT 2, job, pg_catalog.jsonb_build_object('table', 'journal', 'job', job, 'attempt', attempt,
    'ordinal', ordinal, 'job_sha256', job_sha256, 'change', change, 'change_sha256', change_sha256,
    'step_sha256', step_sha256, 'fence', fence,
    'state', state) FROM ONLY countersign.journal
UNION ALL SELECT 3, job, pg_catalog.jsonb_build_object('table', 'results', 'job', job, 'attempt', attempt,
    'result_sha256', pg_catalog.encode(pg_catalog.sha256(result), 'hex')) FROM ONLY countersign.results
) AS journal ORDER BY part, job"#;

/// Longest line of the file, bytes.
const MAX_LINE: u64 = 64 << 10;
/// Most lines of the file.
const MAX_LINES: usize = 4_000_000;

/// Why a file is not a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    /// A line is not what the query writes.
    #[error("line {line} is not one that the query writes")]
    Line {
        /// From 1.
        line: usize,
        /// Why.
        source: StrictError,
    },
    /// A line is too long, or there are too many.
    #[error("line {0} is longer than any that the query writes, or the file has too many")]
    TooLarge(usize),
    /// Nothing says which target it is of.
    #[error("no line says which data source it is of")]
    NoVersion,
    /// It is of two targets.
    #[error("it is of two data sources: {0} and {1}")]
    TwoSources(String, String),
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Begun, and its end is unknown or partial.
    Started,
    /// Done.
    Succeeded,
    /// Failed, and nothing of it is left.
    Failed,
}

impl StepState {
    /// The name in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "table", rename_all = "snake_case", deny_unknown_fields)]
enum Row {
    Version {
        #[serde(rename = "version")]
        _version: u32,
        data_source: String,
        taken_at: Timestamp,
    },
    Journal(Step),
    Results(Answer),
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The job.
    pub job: String,
    /// Its attempt.
    pub attempt: u64,
    /// Which step of the change.
    pub ordinal: u32,
    /// Of the job statement's payload.
    pub job_sha256: Sha256Digest,
    /// The change.
    pub change: String,
    /// Of the manifest's payload.
    pub change_sha256: Sha256Digest,
    /// Of the step's bytes.
    #[serde(rename = "step_sha256")]
    pub sha256: Sha256Digest,
    /// The fencing token of the schema lock.
    pub fence: u64,
    /// How far it came.
    pub state: StepState,
}

/// The answer that an attempt got.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The job.
    pub job: String,
    /// Its attempt.
    pub attempt: u64,
    /// Of the exact result payload.
    pub result_sha256: Sha256Digest,
}

/// What a target remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The target.
    pub data_source: String,
    /// When the file was written, by the target's clock.
    pub taken_at: Timestamp,
    /// Steps that began.
    pub steps: Vec<Step>,
    /// Answers that were given.
    pub answers: Vec<Answer>,
}

impl Journal {
    /// Reads a file that [`QUERY`] wrote.
    pub fn read(source: impl Read) -> Result<Self, JournalError> {
        let mut reader = BufReader::new(source);
        let (mut version, mut steps, mut answers) = (None, Vec::new(), Vec::new());
        for line in 1.. {
            let mut bytes = Vec::new();
            reader.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                break;
            }
            if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_LINE) || line > MAX_LINES
            {
                return Err(JournalError::TooLarge(line));
            }
            let text = bytes.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let row = strict::parse(text);
            match row.map_err(|source| JournalError::Line { line, source })? {
                Row::Version { data_source: found, taken_at, .. } => match version {
                    Some((known, _)) if known != found => {
                        return Err(JournalError::TwoSources(known, found));
                    }
                    _ => version = Some((found, taken_at)),
                },
                Row::Journal(step) => steps.push(step),
                Row::Results(answer) => answers.push(answer),
            }
        }
        let (data_source, taken_at) = version.ok_or(JournalError::NoVersion)?;
        Ok(Self { data_source, taken_at, steps, answers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = r#"{"table": "version", "version": 1, "data_source": "data_source_1", "taken_at": "2026-11-20T08:00:00.000000Z"}"#;

    fn refused(text: &str) -> JournalError {
        Journal::read(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_empty_journal_still_says_of_which_target_it_is() {
        let journal = Journal::read(format!("{VERSION}\n\n").as_bytes()).unwrap();
        assert_eq!((journal.data_source.as_str(), journal.steps.len()), ("data_source_1", 0));
        assert!(matches!(refused(""), JournalError::NoVersion));
        let other = VERSION.replace("_1", "_2");
        let two = refused(&format!("{VERSION}\n{other}"));
        assert!(matches!(two, JournalError::TwoSources(..)), "{two}");
    }

    #[test]
    fn a_line_of_another_form_is_refused_by_its_number() {
        for wrong in ["{}", "text", r#"{"table": "journal"}"#, r#"{"table": "version", "a": 1}"#] {
            let found = refused(&format!("{VERSION}\n{wrong}"));
            assert!(matches!(found, JournalError::Line { line: 2, .. }), "{wrong}: {found}");
        }
        let long = format!("{VERSION}\n{}", "x".repeat(70_000));
        assert!(matches!(refused(&long), JournalError::TooLarge(2)));
    }
}
