//! What a verification found, and the verdict that follows from it.

use super::fault::{Fault, Severity};
use super::times::Times;
use crate::bundle::Scope;
use crate::checkpoint::Cosigned;
use crate::hash::CommitHash;
use crate::name::Origin;
use crate::tree::NodeHash;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::error::Error;
use std::fmt::{self, Write as _};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caveat {
    /// No checkpoint: what is cut off or left out leaves no trace once the lines are renumbered, because a commit signs
    /// its place in its aggregate's chain and not its sequence.
    NotSealed,
    /// A checkpoint, and no witness that the policy asks for: the log could have signed another history as well.
    NotWitnessed,
    /// A part of the log: whether its aggregates have later versions, and what else the log holds, it cannot show.
    LaterUnknown,
    /// Commits claim times that the checkpoints exclude: one of the clocks is wrong, or somebody lies about time.
    ClocksDisagree,
    /// The log records that one of its streams was configured to lose or change messages: [`Report::weakened`].
    StreamWeakened,
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
            Self::NotWitnessed => "not witnessed: forks show only against checkpoints you kept",
            Self::LaterUnknown => "a part of the log: later versions are unknown",
            Self::ClocksDisagree => {
                "clocks disagree: commits claim times that the checkpoints exclude; times are bounds at best"
            }
            Self::StreamWeakened => {
                "a stream of the log was configured to lose or change messages for a while"
            }
            Self::BlobsNotChecked => "blobs were not checked",
            Self::StatementsNotChecked => "statements and trust roots were not checked",
        })
    }
}

/// The checkpoint that a record was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Number of leaves: the last sequence that it seals.
    pub size: u64,
    /// The root that it signs.
    pub root: NodeHash,
    /// When the log's key says that it sealed, unix seconds; `None` where too few witnesses cosigned.
    pub sealed_at: Option<u64>,
    /// The policy's witnesses that cosigned.
    pub cosigned: Vec<Cosigned>,
    /// Whether the policy asks for witnesses and they cosigned.
    pub is_witnessed: bool,
}

/// A time in which a stream of the log was weak, as the log itself records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weakened {
    /// The stream.
    pub stream: String,
    /// The settings that let messages be lost, erased or come from elsewhere.
    pub weaknesses: Vec<String>,
    /// The last sequence at which another configuration was seen; 0 if none was.
    pub from_sequence: u64,
    /// The sequence at which the next configuration was seen; none if there is none.
    pub to_sequence: Option<u64>,
}

impl fmt::Display for Weakened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, weaknesses, from_sequence, to_sequence } = self;
        let to = to_sequence.map_or_else(|| "the end".to_owned(), |to| to.to_string());
        let sentence = format!(
            "the stream {stream} was configured to lose or change messages ({}) between sequence {from_sequence} and {to}",
            weaknesses.join(", ")
        );
        write_printable(f, &sentence)
    }
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log.
    pub origin: Origin,
    /// The answer.
    pub verdict: Verdict,
    /// What part of the log was verified.
    pub scope: Scope,
    /// The checkpoint that the log's key signed, if one was given and is the log's.
    pub sealed: Option<Sealed>,
    /// Highest version without a gap of the change that a part is about.
    pub complete_to_version: Option<u64>,
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
    /// The largest size up to which the log's and every kept checkpoint agreed with the messages: whatever differs first
    /// comes after it, and not after the size that the first `root_mismatch` or `fork` names. 0 where none agreed.
    pub agreed_to: u64,
    /// When messages were taken in, as far as checkpoints say.
    pub times: Times,
    /// When streams of the log were weak, as the log itself records it.
    pub weakened: Vec<Weakened>,
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

    /// How far a part of the log goes, as one sentence; `None` for a whole log.
    pub fn completeness(&self) -> Option<String> {
        let sealed = self.sealed.as_ref();
        let at =
            sealed.map_or_else(|| "no checkpoint".to_owned(), |s| format!("checkpoint {}", s.size));
        match (&self.scope, self.complete_to_version) {
            (Scope::Log, _) => None,
            (Scope::Range { from, to }, _) => Some(format!(
                "sequences {from} to {to} at {at}; what else the log holds is unknown"
            )),
            (Scope::Change(_), Some(version)) => {
                Some(format!("complete to version {version} at {at}; later unknown"))
            }
            (Scope::Change(_), None) => Some(format!("no version is complete at {at}")),
        }
    }
}

/// Gathers findings, in bounded memory.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Findings {
    #[serde(with = "whole")]
    tampering: Vec<Finding>,
    #[serde(with = "whole")]
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

/// Findings with their faults, to be read back; a [`Report`] only tells of them.
mod whole {
    use super::{Deserialize as _, Deserializer, Fault, Finding, Serializer};

    type Parts = (Option<u64>, Option<u64>, Option<String>, Fault);

    pub(super) fn serialize<S: Serializer>(list: &[Finding], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            list.iter()
                .map(|Finding { line, sequence, subject, fault }| (line, sequence, subject, fault)),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Finding>, D::Error> {
        let finding = |(line, sequence, subject, fault)| Finding { line, sequence, subject, fault };
        Ok(Vec::<Parts>::deserialize(from)?.into_iter().map(finding).collect())
    }
}
