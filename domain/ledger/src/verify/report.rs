//! What a verification found, and the verdict that follows from it.

use crate::blob::BlobError;
use crate::condemn::Reason;
use crate::hash::CommitHash;
use crate::line::LineError;
use crate::name::Origin;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt::{self, Write as _};
use trust::encoding::Sha256Digest;

/// How many findings of each severity a report lists; all are counted.
pub const LISTED_FINDINGS: usize = 1_000;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was found, and nothing is missing.
    Intact,
    /// Something is there that an honest log cannot hold.
    Tampered,
    /// Nothing false was found, but something is missing, so that not everything could be checked.
    Incomplete,
}

impl Verdict {
    /// 0, 7 or 8.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Intact => 0,
            Self::Tampered => 7,
            Self::Incomplete => 8,
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// No honest log, honestly exported, shows this.
    Tampering,
    /// Something is missing.
    Incompleteness,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line is not what the format writes.
    #[error("the line is damaged")]
    Line(#[source] LineError),
    /// A message is condemned.
    #[error("the message is condemned")]
    Condemned(#[source] Reason),
    /// A line stands in another's place: swapped, repeated, inserted or renumbered.
    #[error("it stands where sequence {expected} belongs")]
    Misplaced {
        /// The sequence that belongs there.
        expected: u64,
    },
    /// A line beyond the end that the bundle states.
    #[error("the bundle says that the log ends at sequence {tree_size}")]
    BeyondEnd {
        /// Its `tree_size`.
        tree_size: u64,
    },
    /// Sequence 1 is something else than `log.opened` of tenant `system`.
    #[error("sequence 1 is not log.opened of tenant system")]
    NotOpened,
    /// An earlier bundle holds another commit at this sequence.
    #[error("the earlier bundle has {earlier} at this sequence, this one {found}")]
    Rewritten {
        /// The hash in the earlier bundle.
        earlier: CommitHash,
        /// The hash here.
        found: CommitHash,
    },
    /// The earlier bundle is itself damaged, so it proves nothing.
    #[error("the earlier bundle is itself damaged at its line {line}")]
    EarlierDamaged {
        /// The first bad line of it.
        line: u64,
    },
    /// The earlier bundle is of another log.
    #[error("the earlier bundle is of the log {0}")]
    EarlierOfOtherLog(Origin),
    /// A blob is not what a commit names.
    #[error("the blob {sha256} is not what the commit names")]
    Blob {
        /// Its name.
        sha256: Sha256Digest,
        /// How it differs.
        #[source]
        source: BlobError,
    },
    /// A blob that no commit names.
    #[error("no commit names the blob {0}")]
    BlobUnnamed(Sha256Digest),
    /// A file or folder that a bundle does not have, a link, a second entry of a name, or a name that leads out of it.
    #[error("a bundle holds no such file: {0:?}")]
    ForeignFile(String),
    /// Sequences without a line.
    #[error("sequences {first} to {last} are missing")]
    Missing {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Sequences that an earlier bundle has.
    #[error("sequences {first} to {last} are missing; the earlier bundle has them")]
    MissingSinceEarlier {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A sequence that the policy names as lost: the policy is wrong, or the gap was filled.
    #[error("the policy says that this sequence is lost, and it is here: one of them is wrong")]
    GapPresent,
    /// Earlier versions of the aggregate are lost, so that this commit's link cannot be checked.
    #[error("it is version {found}, and version {expected} is among what is missing")]
    Unlinked {
        /// The first missing version.
        expected: u64,
        /// Its own version.
        found: u64,
    },
    /// The earlier bundle itself lacks commits, so that less is expected than there was.
    #[error("the earlier bundle is itself incomplete from sequence {sequence} on")]
    EarlierIncomplete {
        /// The first that it lacks.
        sequence: u64,
    },
    /// A blob that a commit names is not there.
    #[error("the blob {0} is missing")]
    BlobMissing(Sha256Digest),
    /// A blob that no commit names, but commits are missing that may have.
    #[error("no commit that is here names the blob {0}")]
    BlobUnexplained(Sha256Digest),
    /// A file of the bundle is not there.
    #[error("the bundle has no {0}")]
    FileMissing(&'static str),
    /// Something that this verifier cannot check.
    #[error("{0} cannot be checked by this version")]
    Unchecked(&'static str),
}

impl Fault {
    /// A stable name for output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line(_) => "line_damaged",
            Self::Condemned(reason) => reason.code(),
            Self::Misplaced { .. } => "misplaced",
            Self::BeyondEnd { .. } => "beyond_end",
            Self::NotOpened => "not_opened",
            Self::Rewritten { .. } => "rewritten",
            Self::EarlierDamaged { .. } => "earlier_damaged",
            Self::EarlierOfOtherLog(_) => "earlier_of_other_log",
            Self::Blob { .. } => "blob_mismatch",
            Self::BlobUnnamed(_) => "blob_unnamed",
            Self::ForeignFile(_) => "foreign_file",
            Self::Missing { .. } => "missing",
            Self::MissingSinceEarlier { .. } => "missing_since_earlier",
            Self::EarlierIncomplete { .. } => "earlier_incomplete",
            Self::GapPresent => "gap_present",
            Self::Unlinked { .. } => "unlinked",
            Self::BlobMissing(_) => "blob_missing",
            Self::BlobUnexplained(_) => "blob_unexplained",
            Self::FileMissing(_) => "file_missing",
            Self::Unchecked(_) => "unchecked",
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Line(_)
            | Self::Condemned(_)
            | Self::Misplaced { .. }
            | Self::BeyondEnd { .. }
            | Self::NotOpened
            | Self::Rewritten { .. }
            | Self::EarlierDamaged { .. }
            | Self::EarlierOfOtherLog(_)
            | Self::Blob { .. }
            | Self::BlobUnnamed(_)
            | Self::ForeignFile(_) => Severity::Tampering,
            Self::Missing { .. }
            | Self::MissingSinceEarlier { .. }
            | Self::EarlierIncomplete { .. }
            | Self::GapPresent
            | Self::Unlinked { .. }
            | Self::BlobMissing(_)
            | Self::BlobUnexplained(_)
            | Self::FileMissing(_)
            | Self::Unchecked(_) => Severity::Incompleteness,
        }
    }
}

/// A fault and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line of `commits.ndjson`, from 1.
    pub line: Option<u64>,
    /// Sequence of the log: the line's own, or for a damaged line the one that belongs there.
    pub sequence: Option<u64>,
    /// Subject of the message.
    pub subject: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Finding {
    /// One whole sentence, causes included: this is the end of the error chain. Safe to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequence = self.sequence.map(|sequence| format!("sequence {sequence}"));
        let line = self.line.map(|line| format!("line {line}"));
        let place: Vec<_> = [sequence, line, self.subject.clone()].into_iter().flatten().collect();
        let mut sentence = place.join(", ");
        if !sentence.is_empty() {
            sentence.push_str(": ");
        }
        sentence.push_str(&self.fault.to_string());
        let mut cause = self.fault.source();
        while let Some(error) = cause {
            sentence.push_str(": ");
            sentence.push_str(&error.to_string());
            cause = error.source();
        }
        write_printable(f, &sentence)
    }
}

/// Subjects and parse errors quote what an attacker wrote: control and invisible characters come out escaped.
fn write_printable(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|c| match c {
        '"' | '\'' | '\\' => f.write_char(c),
        other => write!(f, "{}", other.escape_debug()),
    })
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Finding", 6)?;
        out.serialize_field("severity", &self.fault.severity())?;
        out.serialize_field("code", self.fault.code())?;
        out.serialize_field("sequence", &self.sequence)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("subject", &self.subject)?;
        out.serialize_field("detail", &self.to_string())?;
        out.end()
    }
}

/// What a verdict does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caveat {
    /// No checkpoint: what is cut off or left out leaves no trace once the lines are renumbered, because a commit signs
    /// its place in its aggregate's chain and not its sequence.
    NotSealed,
    /// Blobs were not given to the verifier.
    BlobsNotChecked,
    /// Statements and trust roots in the bundle were not verified.
    StatementsNotChecked,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSealed => {
                "not sealed: the end is unprovable, which means the end of every aggregate's chain, \
                 whole aggregates, and the order between aggregates"
            }
            Self::BlobsNotChecked => "blobs were not checked",
            Self::StatementsNotChecked => "statements and trust roots were not checked",
        })
    }
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log.
    pub origin: Origin,
    /// The answer.
    pub verdict: Verdict,
    /// Lines read.
    pub lines: u64,
    /// Good commits among them.
    pub commits: u64,
    /// Aggregates that have a good commit.
    pub aggregates: u64,
    /// Highest sequence read.
    pub last_sequence: u64,
    /// The end that the bundle states.
    pub tree_size: Option<u64>,
    /// Hash of the commit at `last_sequence`, if it is readable: what to hold on to for the next comparison.
    pub last_hash: Option<CommitHash>,
    /// Different blobs that commits name.
    pub blobs_named: u64,
    /// Of these, checked against their bytes.
    pub blobs_checked: u64,
    /// Lost sequences that the policy file names, so that they are no finding.
    pub declared_gaps: u64,
    /// Findings that prove tampering, listed or not.
    pub tampering: u64,
    /// Findings of something missing, listed or not.
    pub incompleteness: u64,
    /// The findings, worst severity first, then in the order of the log.
    pub findings: Vec<Finding>,
    /// What the verdict does not cover.
    pub caveats: Vec<Caveat>,
}

impl Report {
    /// The first finding of the worst severity: the first bad commit, where there is one.
    pub fn first_bad(&self) -> Option<&Finding> {
        self.findings.first()
    }

    /// 0, 7 or 8.
    pub fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }
}

/// Gathers findings, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Findings {
    tampering: Vec<Finding>,
    incompleteness: Vec<Finding>,
    tampering_count: u64,
    incompleteness_count: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        let (list, count) = match finding.fault.severity() {
            Severity::Tampering => (&mut self.tampering, &mut self.tampering_count),
            Severity::Incompleteness => (&mut self.incompleteness, &mut self.incompleteness_count),
        };
        *count = count.saturating_add(1);
        if list.len() < LISTED_FINDINGS {
            list.push(finding);
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match (self.tampering_count, self.incompleteness_count) {
            (0, 0) => Verdict::Intact,
            (0, _) => Verdict::Incomplete,
            _ => Verdict::Tampered,
        }
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.tampering_count, self.incompleteness_count)
    }

    pub(super) fn into_list(mut self) -> Vec<Finding> {
        let place = |finding: &Finding| {
            (finding.line.unwrap_or(u64::MAX), finding.sequence.unwrap_or(u64::MAX))
        };
        self.tampering.sort_by_key(place);
        self.incompleteness.sort_by_key(|finding| finding.sequence.unwrap_or(u64::MAX));
        self.tampering.append(&mut self.incompleteness);
        self.tampering
    }
}
