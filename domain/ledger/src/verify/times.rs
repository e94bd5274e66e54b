//! Bounds on when messages were taken in, out of the times that checkpoints carry.
//!
//! No time in a log is exact. A commit's own time is its writer's claim, `received_at` is nobody's word at all, and a
//! checkpoint's times are what its keys said. What follows from them are bounds: a message that a checkpoint seals was
//! there by then, and one that it does not seal came later, give or take the delay within which the policy has the log
//! seal what it takes in. Clocks that contradict each other prove no tampering, and the report says so.

use crate::checkpoint::VerifiedCheckpoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::Timestamp;

/// How far honest clocks may be apart, as everywhere in the protocol.
pub const CLOCK_TOLERANCE_SECONDS: u64 = 120;

/// When a message was taken in, unix seconds, as far as checkpoints say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Not before that, if a checkpoint is known that does not seal it yet.
    pub not_before: Option<u64>,
    /// Not after that, if a checkpoint is known that seals it.
    pub not_after: Option<u64>,
}

impl Bounds {
    /// Whether a claimed time lies within them, give or take [`CLOCK_TOLERANCE_SECONDS`].
    pub fn allow(&self, claimed: u64) -> bool {
        let (later, earlier) = (
            claimed.saturating_add(CLOCK_TOLERANCE_SECONDS),
            claimed.saturating_sub(CLOCK_TOLERANCE_SECONDS),
        );
        self.not_before.is_none_or(|bound| later >= bound)
            && self.not_after.is_none_or(|bound| earlier <= bound)
    }
}

/// The times of one checkpoint that the policy believes, unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTime {
    /// Number of leaves.
    pub size: u64,
    /// When the log's key says that it sealed.
    pub sealed_at: u64,
    /// When the first of the policy's witnesses says that it had seen it; `None` without one.
    pub witnessed_at: Option<u64>,
}

/// What the checkpoints say about time, and how much of the log contradicts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The checkpoints, the smallest first.
    pub checkpoints: Vec<SealedTime>,
    /// Commits whose own time lies outside of their bounds.
    pub disputed: u64,
    /// The first of them.
    pub first_disputed: Option<u64>,
    /// How long the policy lets the log wait before it seals.
    pub merge_delay_seconds: u64,
}

impl Times {
    /// When the message of this sequence was taken in. Costs a look at every checkpoint.
    pub fn bounds(&self, sequence: u64) -> Bounds {
        let (sealing, earlier): (Vec<_>, Vec<_>) =
            self.checkpoints.iter().partition(|sealed| sealed.size >= sequence);
        Bounds {
            not_before: earlier.into_iter().map(|sealed| self.since(sealed)).max(),
            not_after: sealing.into_iter().map(SealedTime::by).min(),
        }
    }

    fn since(&self, sealed: &SealedTime) -> u64 {
        sealed.sealed_at.saturating_sub(self.merge_delay_seconds)
    }
}

impl SealedTime {
    /// By then it had been signed, whichever of its keys said so first.
    fn by(&self) -> u64 {
        self.witnessed_at.map_or(self.sealed_at, |witnessed| witnessed.min(self.sealed_at))
    }
}

/// Gathers the times; the checkpoints come before the lines.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Clocks {
    times: Times,
    /// By size: bounds of the sequences up to it and after the size before.
    #[serde(skip)]
    bounds: Option<BTreeMap<u64, Bounds>>,
}

impl Clocks {
    pub(super) fn new(merge_delay_seconds: u64) -> Self {
        Self { times: Times { merge_delay_seconds, ..Times::default() }, bounds: None }
    }

    pub(super) fn add(&mut self, verified: &VerifiedCheckpoint) {
        let witnessed = verified.cosigned().iter().map(|cosigned| cosigned.unix_seconds);
        self.times.checkpoints.push(SealedTime {
            size: verified.head().size,
            sealed_at: verified.sealed_at(),
            witnessed_at: witnessed.min(),
        });
        self.bounds = None;
    }

    /// Compares the time that a commit claims with its bounds.
    pub(super) fn compare(&mut self, sequence: u64, claimed: &Timestamp) {
        if self.times.checkpoints.is_empty() {
            return;
        }
        let times = &self.times;
        let bounds = self.bounds.get_or_insert_with(|| by_size(times));
        // A time before 1970 is outside of any bound.
        let claimed = u64::try_from(claimed.datetime().timestamp()).unwrap_or_default();
        if bounds.range(sequence..).next().is_none_or(|(_, bounds)| bounds.allow(claimed)) {
            return;
        }
        self.times.disputed = self.times.disputed.saturating_add(1);
        self.times.first_disputed.get_or_insert(sequence);
    }

    pub(super) fn disagree(&self) -> bool {
        self.times.disputed > 0
    }

    pub(super) fn into_times(mut self) -> Times {
        self.times.checkpoints.sort_by_key(|sealed| sealed.size);
        self.times
    }
}

/// For the last sequence of every stretch between two checkpoints, the stretch's bounds: one pass from either end.
fn by_size(times: &Times) -> BTreeMap<u64, Bounds> {
    let mut sealed: Vec<_> = times.checkpoints.iter().collect();
    sealed.sort_by_key(|sealed| sealed.size);
    let mut bounds = BTreeMap::new();
    let mut not_before = None;
    for next in &sealed {
        bounds.entry(next.size).or_insert(Bounds { not_before, not_after: None });
        not_before = not_before.max(Some(times.since(next)));
    }
    bounds.entry(u64::MAX).or_insert(Bounds { not_before, not_after: None });
    let mut not_after: Option<u64> = None;
    for next in sealed.iter().rev() {
        let by = next.by();
        not_after = Some(not_after.map_or(by, |later| later.min(by)));
        if let Some(stretch) = bounds.get_mut(&next.size) {
            stretch.not_after = not_after;
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two checkpoints of one size, one whose clock ran ahead, and one that a witness saw earlier than it says.
    fn times() -> Times {
        let sealed = |(size, sealed_at, witnessed_at)| SealedTime { size, sealed_at, witnessed_at };
        let checkpoints = [
            (10, 1_000, None),
            (10, 1_010, None),
            (20, 9_000, Some(2_000)),
            (30, 3_000, Some(3_001)),
        ];
        let checkpoints = checkpoints.map(sealed).to_vec();
        Times { checkpoints, merge_delay_seconds: 60, ..Times::default() }
    }

    #[test]
    fn bounds_are_those_of_the_checkpoints_on_either_side() {
        let times = times();
        for (sequence, not_before, not_after) in [
            (1, None, Some(1_000)),
            (10, None, Some(1_000)),
            (11, Some(950), Some(2_000)),
            (21, Some(8_940), Some(3_000)),
            (31, Some(8_940), None),
        ] {
            assert_eq!(times.bounds(sequence), Bounds { not_before, not_after }, "{sequence}");
        }
    }

    #[test]
    fn one_pass_finds_the_same_bounds() {
        let times = times();
        let by_size = by_size(&times);
        for sequence in 1..40 {
            let found = by_size.range(sequence..).next().map(|(_, bounds)| *bounds);
            assert_eq!(found, Some(times.bounds(sequence)), "{sequence}");
        }
    }

    #[test]
    fn a_claim_within_two_minutes_is_allowed() {
        let bounds = Bounds { not_before: Some(1_000), not_after: Some(2_000) };
        for (claimed, is_allowed) in
            [(879, false), (880, true), (1_500, true), (2_120, true), (2_121, false)]
        {
            assert_eq!(bounds.allow(claimed), is_allowed, "{claimed}");
        }
        assert!(Bounds { not_before: None, not_after: None }.allow(0));
    }
}
