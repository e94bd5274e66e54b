//! The chains of a whole log: the last good commit of every aggregate.

use crate::condemn::{Commit, Condemned, Head, Stored, judge};
use crate::identity::LogIdentity;
use std::collections::BTreeMap;

/// The head of every aggregate, by subject. Only good commits advance one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads(BTreeMap<String, Head>);

impl Heads {
    /// The last good commit on a subject.
    pub fn get(&self, subject: &str) -> Option<Head> {
        self.0.get(subject).copied()
    }

    /// Judges the log's next message and, if it is good, makes it the head of its aggregate.
    pub fn take_in(&mut self, log: &LogIdentity, stored: &Stored<'_>) -> Result<Commit, Condemned> {
        let commit = judge(log, self.get(stored.subject), stored)?;
        self.advance(stored.subject, &commit);
        Ok(commit)
    }

    /// How many aggregates have a head.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no good commit was taken in yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn advance(&mut self, subject: &str, commit: &Commit) {
        let head = Head { version: commit.envelope.version, hash: commit.hash };
        self.0.insert(subject.to_owned(), head);
    }
}
