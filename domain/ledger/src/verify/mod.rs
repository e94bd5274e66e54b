//! The verifier: reads a log line by line, in bounded memory, and says whether it is intact.
//!
//! What it trusts is the policy file, and what the caller kept: an earlier bundle, checkpoints, receipts. A lost message
//! is *incomplete*; anything that no honest log can show is *tampering*, which outweighs it.
//!
//! Of a whole log the tree is made again from the lines, with the real hash of every message, condemned ones too, and a
//! gap leaf only where the policy names the sequence; its root must be the checkpoint's. Of a part
//! ([`crate::bundle::Scope`]) each line needs its proof. A root that could not be compared is a finding.

mod blobs;
mod evidence;
mod expected;
mod fault;
mod kept;
mod keys;
mod links;
mod order;
mod proofs;
mod report;
mod sealing;
mod snapshot;
mod times;

pub use evidence::{
    Kept, VerifyError, manifest_of, verify_bundle, verify_bundle_against, verify_commits,
};
pub use expected::Expected;
pub use fault::{Fault, Severity};
pub use keys::{Entries, RecordedRotationError, Signer};
pub use report::{Caveat, Finding, LISTED_FINDINGS, Report, Sealed, Verdict, Weakened};
pub use snapshot::Snapshot;
pub use times::{Bounds, CLOCK_TOLERANCE_SECONDS, SealedTime, Times};

use crate::bundle::Scope;
use crate::condemn::{Commit, Reason};
use crate::hash::CommitHash;
use crate::judge::Judge;
use crate::line::Line;
use crate::name::{Origin, Slug};
use crate::policy::{LogPolicy, Policy, PolicyError};
use crate::receipt::Receipt;
use crate::tree::TreeHead;
use blobs::NamedBlobs;
use keys::KeyStory;
use links::{Link, Links, Lost};
use order::{Disorder, Order};
use proofs::Proofs;
use report::Findings;
use sealing::Sealing;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use times::Clocks;
use trust::encoding::Sha256Digest;

/// A verification under way. A clone goes on from the same place, so that a long one can be taken up again.
/// Written down ([`Snapshot`]), another process can go on with it, too.
#[derive(Debug, Clone, Serialize)]
pub struct Verifier {
    // What is trusted is never written down: a reader has it already.
    #[serde(skip)]
    judge: Arc<Judge>,
    #[serde(skip)]
    policy: LogPolicy,
    #[serde(skip)]
    gaps: BTreeSet<u64>,
    scope: Scope,
    tree_size: Option<u64>,
    /// The checkpoint that the log's key signed, once it is believed.
    sealed: Option<Sealed>,
    /// Whether a checkpoint was given, believed or not.
    has_checkpoint: bool,
    sealing: Sealing,
    proofs: Option<Proofs>,
    expected: Option<Expected>,
    kept: Vec<TreeHead>,
    receipts: BTreeMap<u64, Vec<Receipt>>,
    clocks: Clocks,
    /// Of the change that a part is about, the highest version without a gap, by subject: two tenants could use one id.
    complete_to: BTreeMap<String, u64>,
    order: Order,
    links: Links,
    keys: KeyStory,
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
            judge: Arc::new(Judge::new(log.identity(shard))),
            policy: log.clone(),
            gaps: log.gaps.iter().copied().collect(),
            scope: Scope::Log,
            tree_size: None,
            sealed: None,
            has_checkpoint: false,
            sealing: Sealing::new(),
            proofs: None,
            expected: None,
            kept: Vec::new(),
            receipts: BTreeMap::new(),
            clocks: Clocks::new(log.max_merge_delay_seconds),
            complete_to: BTreeMap::new(),
            order: Order::default(),
            links: Links::default(),
            keys: KeyStory::default(),
            blobs: NamedBlobs::default(),
            findings: Findings::default(),
            caveats: Vec::new(),
            lines: 0,
            commits: 0,
            last_hash: None,
            lost: Lost::default(),
            seen: None,
            is_ended: false,
        })
    }

    /// Takes in the next line, newline included. Answers its commit if it is good and in its place.
    pub fn line(&mut self, bytes: &[u8]) -> Option<Commit> {
        self.lines = self.lines.saturating_add(1);
        let line = match Line::parse(bytes) {
            Ok(line) => line,
            Err(error) => {
                let sequence = self.order.expected();
                self.order.unreadable();
                self.sealing.unreadable();
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
        if matches!(self.scope, Scope::Range { from, to } if !(from..=to).contains(&line.sequence))
        {
            self.add_for(&line, Fault::OutOfScope(self.scope.clone()));
        }
        if self.gaps.contains(&line.sequence) {
            self.add_for(&line, Fault::GapPresent);
        }
        let promised = self.receipts.remove(&line.sequence).unwrap_or_default();
        let hash = self.compare(&line, &promised);
        if !is_next {
            return None;
        }
        self.last_hash = Some(hash);
        if self.scope == Scope::Log {
            for fault in self.sealing.leaf(line.sequence, &hash, &self.gaps) {
                self.add_for(&line, fault);
            }
        }
        let commit = self.judge(&line, hash)?;
        for receipt in promised.iter().filter(|receipt| receipt.hash == hash) {
            // Its signature covers log, sequence and hash; what else it says, the commit says or nobody.
            if let Err(error) = receipt.describes(&commit) {
                self.add_for(&line, Fault::ReceiptInvalid(error));
            }
        }
        Some(commit)
    }

    /// Ends the lines; blobs may follow. Called by [`Self::finish`] if the caller did not.
    pub fn end_of_lines(&mut self) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        match self.scope {
            // A log without its first message is never whole.
            Scope::Log => self.end_at(self.tree_size.unwrap_or_default().max(1)),
            Scope::Range { to, .. } => self.end_at(to),
            Scope::Change(_) => {
                let disorder = self.order.finish(0);
                self.disorder(disorder);
            }
        }
        self.end_of_kept();
    }

    fn end_at(&mut self, end: u64) {
        self.lose(end.saturating_add(1));
        let disorder = self.order.finish(end);
        self.disorder(disorder);
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

    fn report(mut self) -> Report {
        let weakened = self.weakened();
        let mut caveats = self.caveats_of_sealing();
        caveats.append(&mut self.caveats);
        let (blobs_named, blobs_checked) = self.blobs.counts();
        let (tampering, incompleteness) = self.findings.counts();
        Report {
            verdict: self.findings.verdict(),
            complete_to_version: self.complete_to.values().min().copied(),
            scope: self.scope,
            sealed: self.sealed,
            lines: self.lines,
            commits: self.commits,
            aggregates: self.links.len(),
            last_sequence: if self.lines > 0 { self.order.last() } else { 0 },
            tree_size: self.tree_size,
            last_hash: self.last_hash,
            blobs_named,
            blobs_checked,
            declared_gaps: self.lost.declared,
            agreed_to: self.sealing.agreed(),
            times: self.clocks.into_times(),
            weakened,
            tampering,
            incompleteness,
            findings: self.findings.into_list(),
            caveats,
            origin: self.judge.log().origin.clone(),
        }
    }

    fn judge(&mut self, line: &Line, hash: CommitHash) -> Option<Commit> {
        let (stored, so_far) = (line.stored(), (hash, self.lost));
        let mut judged = self.links.take_in(&self.judge, &stored, so_far);
        let is_strange = matches!(&judged, Err(condemned) if condemned.reason == Reason::Writer);
        if is_strange && self.announces_its_writer(line) {
            judged = self.links.take_in(&self.judge, &stored, so_far);
        }
        match judged {
            Err(condemned) => {
                self.add_for(line, Fault::Condemned(condemned.reason));
                None
            }
            Ok((commit, place)) => {
                if let Link::Open { expected, found } = place {
                    self.add_for(line, Fault::Unlinked { expected, found });
                }
                self.follow_change(line, &commit);
                self.clocks.compare(commit.sequence, &commit.envelope.time);
                if commit.sequence == 1 && !opens_the_log(&commit) {
                    self.add_for(line, Fault::NotOpened);
                }
                for fault in self.blobs.note(&commit, &line.subject) {
                    self.add_for(line, fault);
                }
                self.take_in_keys(line, &commit.envelope);
                self.commits = self.commits.saturating_add(1);
                Some(commit)
            }
        }
    }

    /// In the part about one change, the change's own versions have no gap.
    fn follow_change(&mut self, line: &Line, commit: &Commit) {
        let envelope = &commit.envelope;
        if !matches!(&self.scope, Scope::Change(id) if *id == envelope.aggregate.id) {
            return;
        }
        let complete_to = self.complete_to.entry(line.subject.clone()).or_default();
        let (expected, found) = (complete_to.saturating_add(1), envelope.version);
        if found == expected {
            *complete_to = found;
        } else {
            self.add_for(line, Fault::Unlinked { expected, found });
        }
    }

    /// Compares a line with what is expected and proven at its sequence; answers the hash of its payload.
    fn compare(&mut self, line: &Line, promised: &[Receipt]) -> CommitHash {
        let found = CommitHash::of(&line.payload);
        if let Some(seen) = &mut self.seen {
            seen.insert(line.sequence, found);
        }
        let earlier = self.expected.as_mut().and_then(|expected| expected.take(line.sequence));
        if let Some(earlier) = earlier.filter(|earlier| *earlier != found) {
            self.add_for(line, Fault::Rewritten { earlier, found });
        }
        for Receipt { hash: receipt, .. } in promised {
            if *receipt != found {
                self.add_for(line, Fault::ReceiptContradicted { receipt: *receipt, found });
            }
        }
        let fault = self.proofs().and_then(|proofs| proofs.check(line.sequence, &found));
        if let Some(fault) = fault {
            self.add_for(line, fault);
        }
        found
    }

    /// Counts what is lost between the last line and the one with sequence `next`.
    fn lose(&mut self, next: u64) {
        let first = self.order.last().saturating_add(1);
        let Some(lost) = next.checked_sub(first).filter(|lost| *lost > 0) else { return };
        if matches!(self.scope, Scope::Change(_)) {
            self.lost.outside = self.lost.outside.saturating_add(lost);
            return;
        }
        let declared = u64::try_from(self.gaps.range(first..next).count()).unwrap_or(lost);
        self.lost.declared = self.lost.declared.saturating_add(declared);
        self.lost.undeclared = self.lost.undeclared.saturating_add(lost.saturating_sub(declared));
    }

    fn disorder(&mut self, disorder: Vec<Disorder>) {
        for found in disorder {
            match found {
                Disorder::Missing { .. } if matches!(self.scope, Scope::Change(_)) => {}
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
