//! Random scripts for one aggregate: the same seed is the same script.

use crate::model::{Ask, Attempt};
use fastrand::Rng;

/// What two writers do, one step after the other.
#[derive(Debug, Clone)]
pub enum Step {
    /// One of them asks.
    One(usize, Attempt),
    /// Both ask at once.
    Both(Attempt, Attempt),
    /// The acknowledgement of whatever is recorded is lost, and so is the connection.
    Lost(After, Attempt),
}

/// What the writer does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It waits for the acknowledgement, and finds out.
    Waits,
    /// It has ended; nobody gets an answer.
    Dies,
}

/// Changes that compete for the lock.
const CHANGES: u8 = 4;

struct Author {
    rng: Rng,
    made: Vec<Attempt>,
    /// At most this version can have been seen.
    seen: u64,
}

/// The steps of a seed. One in it waits for a lost acknowledgement, which takes as long as a request waits.
pub fn script(seed: u64, steps: usize) -> Vec<Step> {
    let mut author = Author { rng: Rng::with_seed(seed), made: Vec::new(), seen: 0 };
    let waits = author.rng.usize(1..steps);
    (0..steps)
        .map(|index| match author.rng.u8(0..10) {
            _ if index == waits => Step::Lost(After::Waits, author.fresh()),
            0..4 => Step::One(author.rng.usize(0..2), author.attempt(index == 0)),
            4..8 => Step::Both(author.attempt(index == 0), author.attempt(false)),
            _ => Step::Lost(After::Dies, author.attempt(index == 0)),
        })
        .collect()
}

impl Author {
    /// A new command, a retry, or an earlier command with another body.
    fn attempt(&mut self, first: bool) -> Attempt {
        let earlier = self.rng.choice(&self.made).cloned();
        match (self.rng.u8(0..10), earlier) {
            (0..3, Some(again)) => again,
            (3, Some(again)) => Attempt { body: format!("not {}", again.body), ..again },
            // Not always: what is not there is asked for, too.
            _ if first && self.rng.bool() => self.made(Ask::Register, None),
            _ => self.fresh(),
        }
    }

    fn fresh(&mut self) -> Attempt {
        let change = self.rng.u8(0..CHANGES);
        let ask = match self.rng.u8(0..10) {
            0 => Ask::Register,
            1..6 => Ask::Lock(change),
            _ => Ask::Release(change),
        };
        let expected = self.rng.u8(0..8) == 0;
        let expected = expected.then(|| self.rng.u64(0..=self.seen));
        self.made(ask, expected)
    }

    fn made(&mut self, ask: Ask, expected_version: Option<u64>) -> Attempt {
        self.seen += 1;
        let command = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        let attempt = Attempt { command, ask, body: format!("{ask:?}"), expected_version };
        self.made.push(attempt.clone());
        attempt
    }
}
