//! The chains of a log that may have lost messages: a lost message must not make the ones after it look forged.

use crate::condemn::{Commit, Condemned, Head, Reason, Stored, follows};
use crate::hash::CommitHash;
use crate::judge::Judge;
use std::collections::BTreeMap;
use trust::encoding::Sha256Digest;

/// How many sequences have been lost so far, by what is known about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Lost {
    /// Named by the policy file.
    pub(super) declared: u64,
    /// Not in the part of the log that is verified.
    pub(super) outside: u64,
    /// All others.
    pub(super) undeclared: u64,
}

impl Lost {
    /// Sequences whose absence is explained.
    fn known(self) -> u64 {
        self.declared.saturating_add(self.outside)
    }
}

/// A good message's place in its aggregate's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// It follows the last good commit.
    Closed,
    /// Versions of it are missing, and that many sequences were lost since that the policy names, or that lie outside of
    /// the part that is verified.
    Bridged,
    /// Versions of it are missing, and that many sequences were lost since: it cannot be checked.
    Open { expected: u64, found: u64 },
}

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Seen {
    head: Head,
    lost: Lost,
}

/// The head of every aggregate, and what had been lost by then.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Links {
    /// By the digest of the subject, which takes less room than subjects do.
    seen: BTreeMap<Sha256Digest, Seen>,
    /// Lost sequences that already explain a missing version: one message is one version.
    used: u64,
}

impl Links {
    /// How many aggregates have a good commit.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.seen.len()).unwrap_or(u64::MAX)
    }

    /// Judges the log's next message, whose payload has this hash; `lost` counts what was lost before it.
    pub(super) fn take_in(
        &mut self,
        judge: &Judge,
        stored: &Stored<'_>,
        (hash, lost): (CommitHash, Lost),
    ) -> Result<(Commit, Link), Condemned> {
        let commit = judge.alone_hashed(stored, hash)?;
        let subject = Sha256Digest::of(stored.subject.as_bytes());
        let link = self.link(&subject, &commit, lost).map_err(|reason| Condemned {
            sequence: stored.sequence,
            subject: stored.subject.to_owned(),
            hash: commit.hash,
            reason,
        })?;
        let head = Head { version: commit.envelope.version, hash: commit.hash };
        self.seen.insert(subject, Seen { head, lost });
        Ok((commit, link))
    }

    fn link(
        &mut self,
        subject: &Sha256Digest,
        commit: &Commit,
        lost: Lost,
    ) -> Result<Link, Reason> {
        let seen = self.seen.get(subject).copied();
        let reason = match follows(seen.map(|seen| seen.head), &commit.envelope) {
            Ok(()) => return Ok(Link::Closed),
            Err(reason) => reason,
        };
        let Reason::Version { expected, found } = reason else { return Err(reason) };
        let Some(versions) = found.checked_sub(expected) else { return Err(reason) };
        let before = seen.map(|seen| seen.lost).unwrap_or_default();
        let declared = lost.known().saturating_sub(before.known());
        let undeclared = lost.undeclared.saturating_sub(before.undeclared);
        let unused = lost.known().saturating_add(lost.undeclared).saturating_sub(self.used);
        if versions > declared.saturating_add(undeclared) || versions > unused {
            return Err(reason);
        }
        self.used = self.used.saturating_add(versions);
        if versions <= declared { Ok(Link::Bridged) } else { Ok(Link::Open { expected, found }) }
    }
}
