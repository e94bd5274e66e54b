//! What a verification is given beside the lines: where the log ends, who seals it, and what the verifier kept.

use super::Verifier;
use super::expected::Expected;
use super::fault::Fault;
use super::order::Order;
use super::proofs::Proofs;
use super::report::{Caveat, Sealed};
use super::sealing::Seal;
use crate::bundle::{CHECKPOINT_FILE, Scope};
use crate::checkpoint::{CheckpointError, CheckpointNote, VerifiedCheckpoint};
use crate::receipt::{Receipt, ReceiptError};
use crate::tree::TreeHead;

impl Verifier {
    /// States where the log ends: lines after it are tampering, lines missing before it are incompleteness.
    #[must_use]
    pub fn ending_at(mut self, tree_size: u64) -> Self {
        self.tree_size = Some(tree_size);
        self
    }

    /// Verifies a part of the log. Before the first line.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        if let Scope::Range { from, .. } = &scope {
            self.order = Order::from(*from);
            self.lost.outside = from.saturating_sub(1);
        }
        self.scope = scope;
        self
    }

    /// Compares the log with the checkpoint in the exact bytes of this note, if the policy believes it.
    #[must_use]
    pub fn sealed_by(mut self, note: &[u8]) -> Self {
        self.has_checkpoint = true;
        if self.policy.keys.is_empty() {
            self.add(None, None, None, Fault::Unchecked("the checkpoint"));
            return self;
        }
        let parsed = CheckpointNote::parse(note);
        let sealed = match parsed.clone().and_then(|note| note.verify(&self.policy)) {
            Ok(verified) => {
                self.clocks.add(&verified);
                Some(Sealed::of(&verified))
            }
            Err(CheckpointError::Unsigned) => {
                if let Ok(note) = parsed {
                    self.put_off(note);
                }
                None
            }
            Err(error) => {
                // The log did sign it: it binds the log, though it may have signed another one too.
                let is_signed = matches!(error, CheckpointError::Quorum { .. });
                self.add(None, None, None, Fault::Checkpoint(error));
                parsed.ok().filter(|_| is_signed).map(|note| Sealed::unwitnessed(&note))
            }
        };
        if let Some(sealed) = &sealed {
            self.sealing.want(&sealed.head(), Seal::Own);
        }
        self.sealed = sealed;
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
        if expected.origin == self.judge.log().origin {
            self.expected = Some(expected);
        } else {
            self.add(None, None, None, Fault::EarlierOfOtherLog(expected.origin));
        }
        self
    }

    /// Also compares the log with a checkpoint from another time or another source. Of a whole log of at least its size
    /// the messages are; a part can only be compared where both checkpoints have one size.
    #[must_use]
    pub fn expecting_checkpoint(mut self, kept: &VerifiedCheckpoint) -> Self {
        let checkpoint = kept.checkpoint();
        if checkpoint.origin == self.judge.log().origin {
            self.sealing.want(&kept.head(), Seal::Kept);
            self.kept.push(kept.head());
            self.clocks.add(kept);
        } else {
            let fault = Fault::Checkpoint(CheckpointError::Origin(checkpoint.origin.clone()));
            self.add(None, None, None, fault);
        }
        self
    }

    /// Also asks whether the log holds what a receipt promised, at its place. The receipt must be one of the log's.
    #[must_use]
    pub fn expecting_receipt(mut self, receipt: &Receipt) -> Self {
        let is_of_this_log = receipt.log == self.judge.log().origin;
        let verified = if is_of_this_log {
            receipt.verify(&self.judge.log().writers)
        } else {
            Err(ReceiptError::OtherLog)
        };
        match verified {
            Ok(()) => self.receipts.entry(receipt.sequence).or_default().push(receipt.clone()),
            Err(error) => {
                self.add(None, Some(receipt.sequence), None, Fault::ReceiptInvalid(error));
            }
        }
        self
    }

    /// Takes in the next line of `proofs.ndjson`, newline included, before the line of the log that it is about.
    pub fn proof(&mut self, bytes: &[u8]) {
        let found = self.proofs().and_then(|proofs| proofs.take_in(bytes));
        if let Some((sequence, fault)) = found {
            self.add(None, sequence, None, fault);
        }
    }

    /// The proofs under the checkpoint; `None` without one.
    pub(super) fn proofs(&mut self) -> Option<&mut Proofs> {
        let head = self.sealed.as_ref()?.head();
        let is_required = self.scope != Scope::Log;
        Some(self.proofs.get_or_insert_with(|| Proofs::new(head, is_required)))
    }

    /// Once all lines are in: what was expected and is not there, and what could not be compared.
    pub(super) fn end_of_kept(&mut self) {
        let unused: Vec<_> = self.proofs.iter().flat_map(Proofs::unused).collect();
        for sequence in unused {
            self.add(None, Some(sequence), None, Fault::ProofUnused);
        }
        if self.scope == Scope::Log {
            for fault in self.sealing.finish(&self.gaps) {
                self.add(None, None, None, fault);
            }
        } else {
            self.end_of_part();
        }
        self.settle();
        self.end_of_expected();
        let missing: Vec<_> = self.receipts.keys().copied().collect();
        for sequence in missing {
            self.add(None, Some(sequence), None, Fault::ReceiptMissing);
        }
    }

    fn end_of_part(&mut self) {
        if !self.has_checkpoint {
            self.add(None, None, None, Fault::FileMissing(CHECKPOINT_FILE));
        }
        let is_empty = match self.scope {
            Scope::Change(_) => self.complete_to.is_empty(),
            Scope::Log | Scope::Range { .. } => self.lines == 0,
        };
        if is_empty {
            self.add(None, None, None, Fault::ScopeEmpty(self.scope.clone()));
        }
        let sealed = self.sealed.as_ref().map(Sealed::head);
        for TreeHead { size, root: kept } in std::mem::take(&mut self.kept) {
            match sealed.filter(|sealed| sealed.size == size) {
                Some(TreeHead { root, .. }) if root == kept => {}
                Some(TreeHead { root: found, .. }) => {
                    self.add(None, None, None, Fault::Fork { size, kept, found });
                }
                None => self.add(None, None, None, Fault::KeptUnchecked { size }),
            }
        }
    }

    /// What an earlier bundle holds and this one should: all of it, or what lies within the range.
    fn end_of_expected(&mut self) {
        let left = self.expected.as_ref().map(Expected::left).unwrap_or_default();
        for (first, last) in left {
            let (first, last) = match self.scope {
                Scope::Log => (first, last),
                Scope::Range { from, to } => (first.max(from), last.min(to)),
                Scope::Change(_) => continue,
            };
            if first <= last {
                self.add(None, Some(first), None, Fault::MissingSinceEarlier { first, last });
            }
        }
    }

    pub(super) fn caveats_of_sealing(&self) -> Vec<Caveat> {
        let mut caveats = Vec::new();
        match &self.sealed {
            None => caveats.push(Caveat::NotSealed),
            Some(sealed) => {
                if self.order.last() > sealed.size {
                    caveats.push(Caveat::NotSealed);
                }
                if !sealed.is_witnessed {
                    caveats.push(Caveat::NotWitnessed);
                }
            }
        }
        if self.scope != Scope::Log {
            caveats.push(Caveat::LaterUnknown);
        }
        if self.clocks.disagree() {
            caveats.push(Caveat::ClocksDisagree);
        }
        caveats
    }
}

impl Sealed {
    pub(super) fn of(verified: &VerifiedCheckpoint) -> Self {
        Self {
            size: verified.head().size,
            root: verified.head().root,
            sealed_at: Some(verified.sealed_at()),
            cosigned: verified.cosigned().to_vec(),
            is_witnessed: verified.is_witnessed(),
        }
    }

    /// A checkpoint that the log signed, and too few witnesses.
    pub(super) fn unwitnessed(note: &CheckpointNote) -> Self {
        let TreeHead { size, root } = note.claim().head();
        Self { size, root, sealed_at: None, cosigned: Vec::new(), is_witnessed: false }
    }

    fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }
}
