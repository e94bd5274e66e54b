//! Whether the lines of a log come in the order of their sequences, and which line to blame if not.

use serde::{Deserialize, Serialize};

/// What is wrong with the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disorder {
    /// These sequences, both ends included, have no line.
    Missing { first: u64, last: u64 },
    /// The line stands where sequence `expected` belongs.
    Misplaced { line: u64, sequence: u64, expected: u64 },
}

/// A step forward over missing sequences that the next line will confirm, or show to be a wrong number.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Jump {
    line: u64,
    from: u64,
    to: u64,
}

/// The place in the log.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    last: u64,
    jump: Option<Jump>,
    /// Lines since `last` that hold some sequence, but nobody can say which.
    unreadable: u64,
}

impl Order {
    /// The order of a part that starts at this sequence.
    pub(super) fn from(first: u64) -> Self {
        Self { last: first.saturating_sub(1), ..Self::default() }
    }

    /// The sequence that belongs on the next line.
    pub(super) fn expected(&self) -> u64 {
        self.last.saturating_add(self.unreadable).saturating_add(1)
    }

    /// The highest sequence so far.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// A line that could not be read takes somebody's place.
    pub(super) fn unreadable(&mut self) {
        self.unreadable = self.unreadable.saturating_add(1);
    }

    /// Places the next line. The flag says whether the line itself is the log's next message.
    pub(super) fn place(&mut self, line: u64, sequence: u64) -> (bool, Vec<Disorder>) {
        if sequence > self.last {
            let mut found: Vec<_> = self.confirm().into_iter().collect();
            found.extend(self.step_to(line, sequence));
            return (true, found);
        }
        match self.jump.take() {
            // The line before carries a wrong number: this one continues as if it had the right one.
            Some(Jump { line, from, to }) if sequence == from.saturating_add(1) => {
                self.last = sequence;
                (true, vec![Disorder::Misplaced { line, sequence: to, expected: from }])
            }
            // The line before and this one changed places.
            Some(Jump { line, from, to }) if sequence == from => {
                (false, vec![Disorder::Misplaced { line, sequence: to, expected: from }])
            }
            jump => {
                let expected = self.expected();
                self.unreadable();
                let misplaced = Disorder::Misplaced { line, sequence, expected };
                (false, jump.map(Jump::missing).into_iter().chain([misplaced]).collect())
            }
        }
    }

    /// The end of the log, whose last sequence is at least `end`.
    pub(super) fn finish(&mut self, end: u64) -> Vec<Disorder> {
        let mut found: Vec<_> = self.confirm().into_iter().collect();
        if end.saturating_sub(self.last) > self.unreadable {
            found.push(Disorder::Missing { first: self.last.saturating_add(1), last: end });
        }
        found
    }

    fn step_to(&mut self, line: u64, sequence: u64) -> Option<Disorder> {
        let from = self.last.saturating_add(1);
        let gap = sequence.abs_diff(from);
        let unreadable = std::mem::take(&mut self.unreadable);
        self.last = sequence;
        if gap <= unreadable {
            return None;
        }
        if unreadable == 0 {
            self.jump = Some(Jump { line, from, to: sequence });
            return None;
        }
        Some(Disorder::Missing { first: from, last: sequence.saturating_sub(1) })
    }

    fn confirm(&mut self) -> Option<Disorder> {
        self.jump.take().map(Jump::missing)
    }
}

impl Jump {
    fn missing(self) -> Disorder {
        Disorder::Missing { first: self.from, last: self.to.saturating_sub(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disorder(sequences: &[u64], end: u64) -> Vec<Disorder> {
        let mut order = Order::default();
        let mut found = Vec::new();
        for (line, sequence) in (1..).zip(sequences) {
            found.extend(order.place(line, *sequence).1);
        }
        found.extend(order.finish(end));
        found
    }

    fn misplaced(line: u64, sequence: u64, expected: u64) -> Disorder {
        Disorder::Misplaced { line, sequence, expected }
    }

    #[test]
    fn a_log_in_order_is_not_blamed() {
        assert_eq!(disorder(&[1, 2, 3], 3), vec![]);
        assert_eq!(disorder(&[], 0), vec![]);
    }

    #[test]
    fn missing_sequences_are_named_wherever_they_are() {
        assert_eq!(disorder(&[3, 4, 7], 9), [(1, 2), (5, 6), (8, 9)].map(missing).to_vec());
        assert_eq!(disorder(&[], 2), vec![missing((1, 2))]);
    }

    fn missing((first, last): (u64, u64)) -> Disorder {
        Disorder::Missing { first, last }
    }

    #[test]
    fn the_line_with_the_wrong_number_is_blamed() {
        assert_eq!(disorder(&[1, 2, 7, 4, 5], 5), vec![misplaced(3, 7, 3)]);
        assert_eq!(disorder(&[1, 2, 4, 4, 5], 5), vec![misplaced(3, 4, 3)]);
        assert_eq!(disorder(&[1, 2, 2, 4, 5], 5), vec![misplaced(3, 2, 3)]);
        assert_eq!(disorder(&[9, 2, 3], 3), vec![misplaced(1, 9, 1)]);
    }

    #[test]
    fn swapped_and_repeated_lines_are_blamed() {
        assert_eq!(disorder(&[1, 3, 2, 4], 4), vec![misplaced(2, 3, 2)]);
        assert_eq!(disorder(&[1, 2, 2, 3], 3), vec![misplaced(3, 2, 3)]);
    }
}
