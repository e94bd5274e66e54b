//! One attack on one log: what is shown to the verifier, what it kept, and where the attack is to be found.

use super::log::Log;
use super::memory::Memory;
use fastrand::Rng;
use ledger::{Caveat, Policy, Receipt, VerifiedCheckpoint};

/// Where an attack is to be found.
#[derive(Debug, Clone)]
pub enum Place {
    /// The first finding is of this sequence; of a whole log it may stand on this line.
    At(u64),
    /// On one of these lines: of two that changed places nobody can say which is wrong.
    Either(u64, u64),
    /// Only the tree sees it: after the largest kept checkpoint that agrees, and up to the next one.
    Between(u64),
    /// At the aggregate's next version, unless a kept checkpoint between is against it first.
    Link {
        /// The sequence that was touched.
        touched: u64,
        /// Where the next version of its aggregate now stands.
        next: u64,
    },
    /// The first finding is of this line of `proofs.ndjson`, or of the sequence that it proves.
    Proof {
        /// The line, from 1.
        line: u64,
        /// The sequence.
        sequence: u64,
    },
    /// The first finding has one of these codes, each of which is about one file; or that file is refused.
    Named(&'static [&'static str]),
    /// Nothing false is shown, and the report has to say what it does not prove.
    Said(Caveat),
    /// No tampering: the report has to say that clocks disagree, and from which commit on.
    Clock(u64),
    /// Nothing was done, or nothing that anybody attests: no finding.
    Silent,
}

/// What the verifier is given.
pub struct Attempt {
    /// The evidence.
    pub bundle: Memory,
    /// What it trusts, if it is not what everybody trusts.
    pub policy: Option<Policy>,
    /// Checkpoints that it kept.
    pub checkpoints: Vec<VerifiedCheckpoint>,
    /// One more, as a file that somebody may have edited.
    pub note: Option<Vec<u8>>,
    /// Receipts that it kept.
    pub receipts: Vec<Receipt>,
    /// One more, as a file.
    pub receipt: Option<Vec<u8>>,
    /// Where the attack is to be found.
    pub place: Place,
}

impl Attempt {
    /// Evidence alone.
    pub fn new(bundle: Memory, place: Place) -> Self {
        Self {
            bundle,
            policy: None,
            checkpoints: Vec::new(),
            note: None,
            receipts: Vec::new(),
            receipt: None,
            place,
        }
    }

    /// Against every checkpoint that the archive keeps.
    #[must_use]
    pub fn kept(mut self, log: &Log) -> Self {
        self.checkpoints.clone_from(&log.kept);
        self
    }
}

/// What is done to a log, from a choice of random numbers.
pub type Deed = fn(&Log, &mut Rng) -> anyhow::Result<Attempt>;

/// An attack by its number in `docs/attacks.md`.
#[derive(Clone, Copy)]
pub struct Attack {
    /// The number; 0 where nothing is attacked.
    pub number: u8,
    /// What is done.
    pub name: &'static str,
    /// Does it.
    pub deed: Deed,
}

/// Any sequence but the first, which is `log.opened`.
pub fn some(log: &Log, random: &mut Rng) -> u64 {
    random.u64(2..=log.size())
}

/// Changes one byte to any other.
pub fn edit(bytes: &mut [u8], random: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= random.u8(1..);
    }
}
