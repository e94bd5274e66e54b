//! The verifier: reads a log line by line, in bounded memory, and says whether it is intact.
//!
//! What it trusts is the policy file, and an earlier bundle where the caller holds one. A lost message is
//! *incomplete*; anything that no honest log can show is *tampering*, which outweighs it.

mod blobs;
mod evidence;
mod expected;
mod links;
mod order;
mod report;

pub use evidence::{VerifyError, verify_bundle, verify_commits};
pub use expected::Expected;
pub use report::{Caveat, Fault, Finding, LISTED_FINDINGS, Report, Severity, Verdict};

use crate::condemn::Commit;
use crate::hash::CommitHash;
use crate::identity::LogIdentity;
use crate::line::Line;
use crate::name::{Origin, Slug};
use crate::policy::{Policy, PolicyError};
use blobs::NamedBlobs;
use links::{Link, Links, Lost};
use order::{Disorder, Order};
use report::Findings;
use std::collections::{BTreeMap, BTreeSet};
use trust::encoding::Sha256Digest;

/// A verification under way.
#[derive(Debug)]
pub struct Verifier {
    log: LogIdentity,
    gaps: BTreeSet<u64>,
    tree_size: Option<u64>,
    expected: Option<Expected>,
    order: Order,
    links: Links,
    blobs: NamedBlobs,
    findings: Findings,
    caveats: Vec<Caveat>,
    lines: u64,
    commits: u64,
    last_hash: Option<CommitHash>,
    lost: Lost,
    /// Every hash, for whoever asks for them all.
    seen: Option<BTreeMap<u64, CommitHash>>,
    is_ended: bool,
}

impl Verifier {
    /// Starts at the beginning of a log that the policy names. `shard` is the shard in its subjects (`main`).
    pub fn new(policy: &Policy, origin: &Origin, shard: &Slug) -> Result<Self, PolicyError> {
        let log = policy.log(origin)?;
        Ok(Self {
            log: log.identity(shard),
            gaps: log.gaps.iter().copied().collect(),
            tree_size: None,
            expected: None,
            order: Order::default(),
            links: Links::default(),
            blobs: NamedBlobs::default(),
            findings: Findings::default(),
            caveats: vec![Caveat::NotSealed],
            lines: 0,
            commits: 0,
            last_hash: None,
            lost: Lost::default(),
            seen: None,
            is_ended: false,
        })
    }

    /// States where the log ends: lines after it are tampering, lines missing before it are incompleteness.
    #[must_use]
    pub fn ending_at(mut self, tree_size: u64) -> Self {
        self.tree_size = Some(tree_size);
        self
    }

    /// Also compares every line with an earlier bundle of the same log.
    #[must_use]
    pub fn expecting(mut self, expected: Expected) -> Self {
        if let Some(line) = expected.damaged {
            self.add(None, None, None, Fault::EarlierDamaged { line });
        }
        if let Some(sequence) = expected.incomplete {
            self.add(None, None, None, Fault::EarlierIncomplete { sequence });
        }
        if expected.origin == self.log.origin {
            self.expected = Some(expected);
        } else {
            self.add(None, None, None, Fault::EarlierOfOtherLog(expected.origin));
        }
        self
    }

    /// Takes in the next line, newline included. Answers its commit if it is good and in its place.
    pub fn line(&mut self, bytes: &[u8]) -> Option<Commit> {
        self.lines = self.lines.saturating_add(1);
        let line = match Line::parse(bytes) {
            Ok(line) => line,
            Err(error) => {
                let sequence = self.order.expected();
                self.order.unreadable();
                self.add(Some(self.lines), Some(sequence), None, Fault::Line(error));
                return None;
            }
        };
        self.lose(line.sequence);
        let (is_next, disorder) = self.order.place(self.lines, line.sequence);
        self.disorder(disorder);
        if let Some(tree_size) = self.tree_size.filter(|end| line.sequence > *end) {
            self.add_for(&line, Fault::BeyondEnd { tree_size });
        }
        if self.gaps.contains(&line.sequence) {
            self.add_for(&line, Fault::GapPresent);
        }
        if !is_next {
            self.compare(&line);
            return None;
        }
        self.last_hash = Some(self.compare(&line));
        self.judge(&line)
    }

    /// Ends the lines; blobs may follow. Called by [`Self::finish`] if the caller did not.
    pub fn end_of_lines(&mut self) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        // A log without its first message is never whole.
        let end = self.tree_size.unwrap_or_default().max(1);
        self.lose(end.saturating_add(1));
        let disorder = self.order.finish(end);
        self.disorder(disorder);
        let left = self.expected.as_ref().map(Expected::left).unwrap_or_default();
        for (first, last) in left {
            self.add(None, Some(first), None, Fault::MissingSinceEarlier { first, last });
        }
    }

    /// Takes in a blob that is stored under this digest, after all lines.
    pub fn blob(&mut self, sha256: Sha256Digest, bytes: &[u8]) {
        self.end_of_lines();
        let is_complete = self.lost == Lost::default();
        if let Some(finding) = self.blobs.check(sha256, bytes, is_complete) {
            self.findings.add(finding);
        }
    }

    /// The report, once all lines and blobs are in: a named blob that was not given is missing.
    pub fn finish(mut self) -> Report {
        self.end_of_lines();
        let unseen: Vec<_> = self.blobs.unseen().collect();
        for finding in unseen {
            self.findings.add(finding);
        }
        self.report()
    }

    /// The report on a log whose blobs are elsewhere; it says so.
    pub fn finish_without_blobs(mut self) -> Report {
        self.end_of_lines();
        self.caveats.push(Caveat::BlobsNotChecked);
        self.report()
    }

    fn report(self) -> Report {
        let (blobs_named, blobs_checked) = self.blobs.counts();
        let (tampering, incompleteness) = self.findings.counts();
        Report {
            verdict: self.findings.verdict(),
            lines: self.lines,
            commits: self.commits,
            aggregates: self.links.len(),
            last_sequence: self.order.last(),
            tree_size: self.tree_size,
            last_hash: self.last_hash,
            blobs_named,
            blobs_checked,
            declared_gaps: self.lost.declared,
            tampering,
            incompleteness,
            findings: self.findings.into_list(),
            caveats: self.caveats,
            origin: self.log.origin,
        }
    }

    fn judge(&mut self, line: &Line) -> Option<Commit> {
        match self.links.take_in(&self.log, &line.stored(), self.lost) {
            Err(condemned) => {
                self.add_for(line, Fault::Condemned(condemned.reason));
                None
            }
            Ok((commit, place)) => {
                if let Link::Open { expected, found } = place {
                    self.add_for(line, Fault::Unlinked { expected, found });
                }
                if commit.sequence == 1 && !opens_the_log(&commit) {
                    self.add_for(line, Fault::NotOpened);
                }
                for fault in self.blobs.note(&commit, &line.subject) {
                    self.add_for(line, fault);
                }
                self.commits = self.commits.saturating_add(1);
                Some(commit)
            }
        }
    }

    /// Compares a line with what is expected at its sequence; answers the hash of its payload.
    fn compare(&mut self, line: &Line) -> CommitHash {
        let found = CommitHash::of(&line.payload);
        if let Some(seen) = &mut self.seen {
            seen.insert(line.sequence, found);
        }
        let earlier = self.expected.as_mut().and_then(|expected| expected.take(line.sequence));
        if let Some(earlier) = earlier.filter(|earlier| *earlier != found) {
            self.add_for(line, Fault::Rewritten { earlier, found });
        }
        found
    }

    /// Counts what is lost between the last line and the one with sequence `next`.
    fn lose(&mut self, next: u64) {
        let first = self.order.last().saturating_add(1);
        let Some(lost) = next.checked_sub(first).filter(|lost| *lost > 0) else { return };
        let declared = u64::try_from(self.gaps.range(first..next).count()).unwrap_or(lost);
        self.lost.declared = self.lost.declared.saturating_add(declared);
        self.lost.undeclared = self.lost.undeclared.saturating_add(lost.saturating_sub(declared));
    }

    fn disorder(&mut self, disorder: Vec<Disorder>) {
        for found in disorder {
            match found {
                Disorder::Missing { first, last } => self.missing(first, last),
                Disorder::Misplaced { line, sequence, expected } => {
                    self.add(Some(line), Some(sequence), None, Fault::Misplaced { expected });
                }
            }
        }
    }

    /// Reports missing sequences, but for those that the policy names.
    fn missing(&mut self, first: u64, last: u64) {
        let gaps: Vec<u64> = self.gaps.range(first..=last).copied().collect();
        let mut from = first;
        for gap in gaps.into_iter().chain([last.saturating_add(1)]) {
            if gap > from {
                let fault = Fault::Missing { first: from, last: gap.saturating_sub(1) };
                self.add(None, Some(from), None, fault);
            }
            from = gap.saturating_add(1);
        }
    }

    fn add_for(&mut self, line: &Line, fault: Fault) {
        self.add(Some(self.lines), Some(line.sequence), Some(line.subject.clone()), fault);
    }

    fn add(
        &mut self,
        line: Option<u64>,
        sequence: Option<u64>,
        subject: Option<String>,
        fault: Fault,
    ) {
        self.findings.add(Finding { line, sequence, subject, fault });
    }
}

fn opens_the_log(commit: &Commit) -> bool {
    let envelope = &commit.envelope;
    envelope.tenant.as_str() == "system"
        && envelope.aggregate.kind.as_str() == "log"
        && envelope.events.first().is_some_and(|event| event.kind.as_str() == "log.opened")
}
