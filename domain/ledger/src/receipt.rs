//! What a caller keeps of its command: a receipt that the writer signed, and positions in a log.
//!
//! A receipt proves later that the log once held this commit at this sequence. Source: PROTOCOL.md section 1, "Receipt".

use crate::checkpoint::VerifiedCheckpoint;
use crate::commit::AggregateRef;
use crate::condemn::Commit;
use crate::hash::CommitHash;
use crate::identity::{Writer, writer_at};
use crate::name::Origin;
use crate::tree::{Inclusion, ProofError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use trust::encoding::Timestamp;
use trust::keys::{NamedSignature, PrivateKey};

/// Answer header: how far the log was when the answer was given, `<origin>:<sequence>`.
pub const POSITION_HEADER: &str = "Cs-Position";
/// Request header: how far a read model must be before it answers.
pub const MIN_POSITION_HEADER: &str = "Cs-Min-Position";
const DOMAIN: &[u8] = b"countersign.dev/receipt/v1\n";

/// Why a receipt does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ReceiptError {
    /// `signature` is not `<key id> <base64>`.
    #[error("the receipt's signature is malformed")]
    Malformed,
    /// No given writer with that key id may write at that sequence.
    #[error("the receipt's signer may not write to this log at this sequence")]
    Writer,
    /// The signature does not verify.
    #[error("the receipt's signature is not its writer's")]
    SignatureWrong,
    /// The log holds another commit at that sequence, or the receipt describes it wrongly.
    #[error("the receipt and the commit at its sequence differ")]
    OtherCommit,
    /// The checkpoint is of another log.
    #[error("the receipt and the checkpoint are of different logs")]
    OtherLog,
    /// The checkpoint ends before the receipt's sequence.
    #[error("the checkpoint ends at sequence {0}, before the receipt's")]
    NotSealedYet(u64),
    /// The sealed tree does not hold the receipt's commit at its sequence: the writer signed what the log does not hold.
    #[error("the sealed log does not hold the receipt's commit at its sequence")]
    NotIncluded(#[source] ProofError),
}

/// A command's answer. The signature covers `log`, `sequence` and `hash`; the commit attests the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The origin of the log.
    pub log: Origin,
    /// Stream sequence of the commit.
    pub sequence: u64,
    /// Its aggregate.
    pub aggregate: AggregateRef,
    /// The aggregate's version after it; the `ETag`.
    pub version: u64,
    /// Its hash.
    pub hash: CommitHash,
    /// Its time.
    pub time: Timestamp,
    /// `<key id> <base64>`; empty if nobody signed it.
    pub signature: String,
}

impl Receipt {
    /// The receipt of a commit that the log acknowledged, signed by its writer.
    pub fn sign(commit: &Commit, writer: &PrivateKey) -> Self {
        let message = message(&commit.envelope.log, commit.sequence, &commit.hash);
        Self { signature: writer.sign_named(&message).to_string(), ..Self::unsigned(commit) }
    }

    /// The same without a signature: what was written under a key that has been rotated since is not signed by another.
    pub fn unsigned(commit: &Commit) -> Self {
        let Commit { sequence, hash, envelope } = commit;
        Self {
            log: envelope.log.clone(),
            sequence: *sequence,
            aggregate: envelope.aggregate.clone(),
            version: envelope.version,
            hash: *hash,
            time: envelope.time,
            signature: String::new(),
        }
    }

    /// Whether one of these writers signed it. What it says beyond log, sequence and hash needs [`Self::describes`].
    pub fn verify(&self, writers: &[Writer]) -> Result<(), ReceiptError> {
        let signature: NamedSignature =
            self.signature.parse().map_err(|_| ReceiptError::Malformed)?;
        let writer =
            writer_at(writers, &signature.key, self.sequence).ok_or(ReceiptError::Writer)?;
        let message = message(&self.log, self.sequence, &self.hash);
        if writer.verifies(&message, &signature.signature) {
            Ok(())
        } else {
            Err(ReceiptError::SignatureWrong)
        }
    }

    /// Whether the log's commit at this sequence is the one the receipt describes.
    pub fn describes(&self, commit: &Commit) -> Result<(), ReceiptError> {
        let Commit { sequence, hash, envelope } = commit;
        let same = self.log == envelope.log
            && self.sequence == *sequence
            && self.aggregate == envelope.aggregate
            && self.version == envelope.version
            && self.hash == *hash
            && self.time == envelope.time;
        if same { Ok(()) } else { Err(ReceiptError::OtherCommit) }
    }

    /// Whether a sealed tree holds the receipt's commit at its sequence.
    ///
    /// A receipt is given before the commit is sealed. Its signature proves only what the writer promised: it has to
    /// be asked again of every checkpoint that should hold it (CVE-2022-36111 is a server that was believed instead).
    pub fn verify_sealed(
        &self,
        proof: &Inclusion,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), ReceiptError> {
        let sealed = checkpoint.checkpoint();
        if sealed.origin != self.log {
            return Err(ReceiptError::OtherLog);
        }
        if sealed.size < self.sequence {
            return Err(ReceiptError::NotSealedYet(sealed.size));
        }
        if proof.tree_size != sealed.size {
            return Err(ReceiptError::NotIncluded(ProofError::Bounds));
        }
        proof
            .verify_commit(self.sequence, &self.hash, &sealed.root)
            .map_err(ReceiptError::NotIncluded)
    }

    /// The position just after the commit.
    pub fn position(&self) -> Position {
        Position { origin: self.log.clone(), sequence: self.sequence, hash: self.hash }
    }
}

fn message(log: &Origin, sequence: u64, hash: &CommitHash) -> Vec<u8> {
    let log = log.as_str().as_bytes();
    // An origin has at most 127 bytes.
    let length = u32::try_from(log.len()).unwrap_or(u32::MAX);
    [DOMAIN, &length.to_be_bytes(), log, &sequence.to_be_bytes(), hash.as_bytes()].concat()
}

/// A place in a log that can be told from the same place in another history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The log.
    pub origin: Origin,
    /// The last sequence taken in.
    pub sequence: u64,
    /// The hash of the message there.
    pub hash: CommitHash,
}

impl Position {
    /// What goes into headers.
    pub fn mark(&self) -> PositionMark {
        PositionMark { origin: self.origin.clone(), sequence: self.sequence }
    }
}

/// Not `<origin>:<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position: <origin>:<sequence>")]
pub struct PositionMarkError;

/// A position in a header, `<origin>:<sequence>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionMark {
    /// The log.
    pub origin: Origin,
    /// The sequence.
    pub sequence: u64,
}

impl fmt::Display for PositionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.sequence)
    }
}

impl FromStr for PositionMark {
    type Err = PositionMarkError;

    fn from_str(text: &str) -> Result<Self, PositionMarkError> {
        let (origin, sequence) = text.split_once(':').ok_or(PositionMarkError)?;
        let mark = Self {
            origin: origin.parse().map_err(|_| PositionMarkError)?,
            sequence: sequence.parse().map_err(|_| PositionMarkError)?,
        };
        // One spelling: no plus sign, no leading zeros.
        if mark.to_string() == text { Ok(mark) } else { Err(PositionMarkError) }
    }
}

impl Serialize for PositionMark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PositionMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        trust::encoding::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_one_spelling() {
        let text = "main.log.example:42";
        assert_eq!(text.parse::<PositionMark>().unwrap().to_string(), text);
        for wrong in ["", "a", "a:", ":1", "a:+1", "a:01", "A:1", "a:1 ", "a:-1", "a:1:2"] {
            assert_eq!(wrong.parse::<PositionMark>(), Err(PositionMarkError), "{wrong}");
        }
    }
}
