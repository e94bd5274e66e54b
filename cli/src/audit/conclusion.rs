//! What a verification comes to: the ledger's report and every objection to what the record claims.

use super::approvals::CheckedApproval;
use super::changes::CheckedChange;
use super::evidence::Evidence;
use super::executions::CheckedExecution;
use super::objection::Objection;
use super::predecessor::Predecessor;
use super::references::Broken;
use super::report;
use super::roots::Roots;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Format, Output};
use ledger::{Report, Scope, Severity, Verdict};
use std::error::Error as _;

/// What nobody but the server vouches for.
pub const ASSERTED: &[&str] = &[
    "times and the order of arrival, but for what hashes and signatures bind",
    "who acted, and who wrote a change where the root lets the author be asserted",
    "titles, reasons and comments",
    "which checks ran before an approval was opened",
    "locks and fences, and when jobs were dispatched",
    "received_at of every line and the text of bundle.json",
];

/// How an objection to a reference begins.
pub const COMMIT_OF: &str = "commit of ";

/// The outcome of a verification.
#[derive(Debug)]
pub struct Conclusion {
    /// On the record.
    pub report: Report,
    /// On granted approvals.
    pub approvals: Vec<CheckedApproval>,
    /// On jobs with a result.
    pub executions: Vec<CheckedExecution>,
    /// On applied changes.
    pub changes: Vec<CheckedChange>,
    /// The log that this one replaces.
    pub predecessor: Option<Predecessor>,
    /// Everything that is not borne out, worst first, then in the order of the log.
    pub raised: Vec<Raised>,
}

/// What was checked beyond the record's own form.
#[derive(Debug)]
pub struct Checked {
    /// Granted approvals.
    pub approvals: Vec<CheckedApproval>,
    /// Jobs with a result.
    pub executions: Vec<CheckedExecution>,
    /// Applied changes.
    pub changes: Vec<CheckedChange>,
    /// References that do not hold.
    pub broken: Vec<Broken>,
    /// Copies that differ.
    pub copies: Vec<(String, Objection)>,
    /// The log that this one replaces.
    pub predecessor: Option<Predecessor>,
}

/// An objection and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// How bad it is.
    pub severity: Severity,
    /// Where in the log, if somewhere.
    pub sequence: Option<u64>,
    /// A root, an approval, a job, a change or a file.
    pub about: String,
    /// What is wrong.
    pub objection: Objection,
}

impl Conclusion {
    /// Gathers what was found.
    pub fn new(report: Report, roots: &Roots, checked: Checked, evidence: &Evidence) -> Self {
        let Checked { approvals, executions, changes, broken, copies, predecessor } = checked;
        // A part does not claim to hold what its commits name elsewhere.
        let is_part = report.scope != Scope::Log;
        let is_complete = report.incompleteness == 0 && report.tampering == 0 && !is_part;
        let broken: Vec<_> = broken
            .into_iter()
            .filter(|broken| !(is_part && broken.objection.is_about_absence()))
            .collect();
        let mut raised = Vec::new();
        let mut raise = |sequence, about: String, objection: &Objection| {
            let severity = objection.severity(is_complete);
            raised.push(Raised { severity, sequence, about, objection: objection.clone() });
        };
        for ((tenant, version), objection) in roots.objections() {
            raise(None, format!("root {version} of {tenant}"), objection);
        }
        for approval in &approvals {
            let CheckedApproval { approval: id, change, sequence, people, .. } = approval;
            if let Err(objection) = people {
                raise(Some(*sequence), format!("approval {id} of {change}"), objection);
            }
        }
        for CheckedExecution { job, sequence, word, .. } in &executions {
            if let Err(objection) = word {
                raise(Some(*sequence), format!("result of {job}"), objection);
            }
        }
        for CheckedChange { change, sequence, held, .. } in &changes {
            if let Err(objection) = held {
                raise(Some(*sequence), format!("change {change}"), objection);
            }
        }
        for Broken { sequence, by, objection } in &broken {
            raise(Some(*sequence), format!("{COMMIT_OF}{by}"), objection);
        }
        for (name, objection) in &copies {
            raise(None, name.clone(), objection);
        }
        for (sequence, why) in &evidence.unreadable {
            raise(Some(*sequence), "event".to_owned(), &Objection::Unreadable(why.clone()));
        }
        raised.sort_by_key(|raised| (raised.severity, raised.sequence.unwrap_or(u64::MAX)));
        Self { report, approvals, executions, changes, predecessor, raised }
    }

    /// The worst of the record and of what it claims.
    pub fn verdict(&self) -> Verdict {
        let claims = match self.raised.first().map(|raised| raised.severity) {
            None => Verdict::Intact,
            Some(Severity::Tampering) => Verdict::Tampered,
            Some(Severity::Incompleteness) => Verdict::Incomplete,
        };
        match (self.report.verdict, claims) {
            (Verdict::Tampered, _) | (_, Verdict::Tampered) => Verdict::Tampered,
            (Verdict::Incomplete, _) | (_, Verdict::Incomplete) => Verdict::Incomplete,
            (Verdict::Intact, Verdict::Intact) => Verdict::Intact,
        }
    }

    /// 0, 7 or 8.
    pub fn exit(&self) -> Exit {
        match self.verdict() {
            Verdict::Intact => Exit::Ok,
            Verdict::Tampered => Exit::VerificationFailed,
            Verdict::Incomplete => Exit::VerificationIncomplete,
        }
    }

    /// Shows it: four lines for people, everything for programs.
    pub fn show(&self, output: &Output) -> Result<(), CliError> {
        let shown = match output.format() {
            Format::Table => output.line(&report::text(self)),
            Format::Json | Format::Yaml | Format::Name => output.document(&report::document(self)?),
        };
        Ok(shown?)
    }
}

impl Raised {
    /// One whole sentence, causes included. Safe to print.
    pub fn told(&self) -> String {
        let place = self.sequence.map(|s| format!("sequence {s}, ")).unwrap_or_default();
        let mut sentence = format!("{place}{}: {}", self.about, self.objection);
        let mut cause = self.objection.source();
        while let Some(error) = cause {
            sentence.push_str(": ");
            sentence.push_str(&error.to_string());
            cause = error.source();
        }
        sql::escaped(&sentence.replace('\n', " "))
    }
}
