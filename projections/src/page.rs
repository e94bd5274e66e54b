//! Lists are read newest first, a page at a time, by the sequence of each item's first commit: unique, and never
//! moved by later changes, so that nothing is skipped or shown twice while things happen.

use crate::column;

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Only items created before this sequence; none from the newest on.
    pub before: Option<u64>,
    /// At most so many.
    pub size: u32,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// For [`PageRequest::before`] of the next part; none after the last.
    pub next_before: Option<u64>,
}

impl PageRequest {
    /// The bound for `created_sequence <`.
    pub(crate) fn bound(&self) -> i64 {
        self.before.and_then(|before| column::bigint(before).ok()).unwrap_or(i64::MAX)
    }

    /// One more than asked for tells whether there is a next part.
    pub(crate) fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// Cuts off what was read too much. Rows come with their sequence.
    pub(crate) fn cut<R, T, E>(
        &self,
        mut rows: Vec<R>,
        sequence: impl Fn(&R) -> i64,
        item: impl Fn(R) -> Result<T, E>,
    ) -> Result<Listed<T>, E> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let last = rows.last().map(sequence).and_then(|last| u64::try_from(last).ok());
        let items = rows.into_iter().map(item).collect::<Result<_, _>>()?;
        Ok(Listed { items, next_before: last.filter(|_| more) })
    }
}
