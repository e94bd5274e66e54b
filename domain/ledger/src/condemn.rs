//! The one shared judgement of a stored message: a good commit, or condemned and why.
//!
//! Appender and followers call [`judge`], verifiers the two halves that it is made of: none can be shown a commit that
//! another refuses.
//! Source: PROTOCOL.md section 1, "Reading".

use crate::commit::{CommitError, Envelope};
use crate::hash::CommitHash;
use crate::identity::LogIdentity;
use crate::signature::hash_is_signed;
use trust::keys::{NamedSignature, PublicKey};

/// One message as the stream stores it; nothing in it is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Stream sequence, from 1.
    pub sequence: u64,
    /// The subject it is stored on.
    pub subject: &'a str,
    /// Text of the header `Cs-Hash`.
    pub hash: Option<&'a str>,
    /// Text of the header `Cs-Signature`.
    pub signature: Option<&'a str>,
    /// The exact bytes.
    pub payload: &'a [u8],
}

/// The last good commit of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Its version.
    pub version: u64,
    /// Its hash.
    pub hash: CommitHash,
}

/// A good commit: its members and the hash of its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Stream sequence.
    pub sequence: u64,
    /// `h`.
    pub hash: CommitHash,
    /// The members.
    pub envelope: Envelope,
}

/// Why a message is condemned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum Reason {
    /// More than 512 KiB.
    #[error("it has {0} bytes; a commit has at most 524288")]
    TooLarge(usize),
    /// No `Cs-Hash`.
    #[error("it carries no Cs-Hash")]
    HashMissing,
    /// `Cs-Hash` is not the hash of the payload.
    #[error("its payload is not what its Cs-Hash says")]
    HashWrong,
    /// Not strict JSON of a commit's members and types.
    #[error("its payload is not a commit")]
    Malformed(#[source] CommitError),
    /// Another format version.
    #[error("its spec is {0}; this reader knows spec 1")]
    Spec(u64),
    /// Written for another log.
    #[error("it was written for another log")]
    Log,
    /// Its subject is not the one of its tenant and aggregate.
    #[error("its tenant and aggregate do not belong on this subject")]
    Subject,
    /// No events.
    #[error("it holds no events")]
    NoEvents,
    /// No `Cs-Signature`.
    #[error("it carries no Cs-Signature")]
    SignatureMissing,
    /// The writer's key may not write at this sequence.
    #[error("its writer may not write to this log at this sequence")]
    Writer,
    /// `Cs-Signature` is not the writer's signature on the hash.
    #[error("its Cs-Signature is not its writer's signature")]
    SignatureWrong,
    /// Not the version after the aggregate's last.
    #[error("its version is {found} where version {expected} follows")]
    Version {
        /// Last good version + 1.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// Not linked to the aggregate's last good commit.
    #[error("its prev is not the hash of its aggregate's previous commit")]
    Prev,
}

impl Reason {
    /// A stable name for output and alarms.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too_large",
            Self::HashMissing => "hash_missing",
            Self::HashWrong => "hash_wrong",
            Self::Malformed(_) => "malformed",
            Self::Spec(_) => "spec_unknown",
            Self::Log => "log_mismatch",
            Self::Subject => "subject_mismatch",
            Self::NoEvents => "no_events",
            Self::SignatureMissing => "signature_missing",
            Self::Writer => "writer_invalid",
            Self::SignatureWrong => "signature_wrong",
            Self::Version { .. } => "version_mismatch",
            Self::Prev => "prev_mismatch",
        }
    }
}

impl From<CommitError> for Reason {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::TooLarge(size) => Self::TooLarge(size),
            CommitError::Spec(spec) => Self::Spec(spec),
            CommitError::NoEvents => Self::NoEvents,
            other => Self::Malformed(other),
        }
    }
}

/// A condemned message: a leaf of the log with its real hash, skipped by every follower, an alarm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sequence {sequence} on {subject} is condemned ({})", reason.code())]
pub struct Condemned {
    /// Stream sequence.
    pub sequence: u64,
    /// The subject it is stored on.
    pub subject: String,
    /// The real `h` of its bytes, whatever its header says.
    pub hash: CommitHash,
    /// Why.
    #[source]
    pub reason: Reason,
}

/// Judges one stored message after the last good commit of its aggregate (`None` before version 1).
pub fn judge(
    log: &LogIdentity,
    head: Option<Head>,
    stored: &Stored<'_>,
) -> Result<Commit, Condemned> {
    placed(head, stored, judge_alone(log, stored)?)
}

/// A message that is good by itself, if it is also the next one of its aggregate: the second half of [`judge`].
pub fn placed(
    head: Option<Head>,
    stored: &Stored<'_>,
    commit: Commit,
) -> Result<Commit, Condemned> {
    match follows(head, &commit.envelope) {
        Ok(()) => Ok(commit),
        Err(reason) => Err(condemned(stored, commit.hash, reason)),
    }
}

/// Everything that a message shows by itself, which is all but its place in the aggregate's chain.
///
/// For a verifier, which may have lost earlier commits; whoever has them all calls [`judge`].
pub fn judge_alone(log: &LogIdentity, stored: &Stored<'_>) -> Result<Commit, Condemned> {
    let hash = CommitHash::of(stored.payload);
    let signed = claimed(log, stored, &hash).map(|claimed| {
        let is_signed = hash_is_signed(claimed.writer, &hash, &claimed.signature);
        (claimed, is_signed)
    });
    attested(stored, hash, signed)
}

/// Good by itself but for the signature, which is still to be verified.
pub(crate) struct Claimed<'a> {
    pub(crate) envelope: Envelope,
    pub(crate) writer: &'a PublicKey,
    pub(crate) signature: NamedSignature,
}

/// The answer, once it is known whether the writer signed the hash.
pub(crate) fn attested(
    stored: &Stored<'_>,
    hash: CommitHash,
    claimed: Result<(Claimed<'_>, bool), Reason>,
) -> Result<Commit, Condemned> {
    match claimed {
        Ok((Claimed { envelope, .. }, true)) => {
            Ok(Commit { sequence: stored.sequence, hash, envelope })
        }
        Ok((_, false)) => Err(condemned(stored, hash, Reason::SignatureWrong)),
        Err(reason) => Err(condemned(stored, hash, reason)),
    }
}

fn condemned(stored: &Stored<'_>, hash: CommitHash, reason: Reason) -> Condemned {
    Condemned { sequence: stored.sequence, subject: stored.subject.to_owned(), hash, reason }
}

/// Hash first, parse afterwards.
pub(crate) fn claimed<'a>(
    log: &'a LogIdentity,
    stored: &Stored<'_>,
    hash: &CommitHash,
) -> Result<Claimed<'a>, Reason> {
    let claimed = stored.hash.ok_or(Reason::HashMissing)?;
    if claimed.parse() != Ok(*hash) {
        return Err(Reason::HashWrong);
    }
    let envelope = Envelope::parse(stored.payload)?;
    if envelope.log != log.origin {
        return Err(Reason::Log);
    }
    if !envelope.is_on(stored.subject, &log.shard) {
        return Err(Reason::Subject);
    }
    let signature = stored.signature.ok_or(Reason::SignatureMissing)?;
    let signature = signature.parse().map_err(|_| Reason::SignatureWrong)?;
    let writer = log.writer_at(&envelope.writer, stored.sequence).ok_or(Reason::Writer)?;
    Ok(Claimed { envelope, writer, signature })
}

/// Whether a commit is the next one after `head`.
pub(crate) fn follows(head: Option<Head>, next: &Envelope) -> Result<(), Reason> {
    let Head { version, hash } = head.unwrap_or(Head { version: 0, hash: CommitHash::ZERO });
    let expected = version.saturating_add(1);
    if next.version != expected {
        return Err(Reason::Version { expected, found: next.version });
    }
    if next.prev == hash { Ok(()) } else { Err(Reason::Prev) }
}
