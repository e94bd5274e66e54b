//! Everything that a verification can find wrong, with its stable code and how bad it is.

use super::keys::{Entries, RecordedRotationError, Signer};
use crate::blob::BlobError;
use crate::bundle::Scope;
use crate::checkpoint::CheckpointError;
use crate::condemn::Reason;
use crate::hash::CommitHash;
use crate::lasting::{self, Own};
use crate::line::LineError;
use crate::name::Origin;
use crate::receipt::ReceiptError;
use crate::rotation::KeyRole;
use crate::tree::{NodeHash, ProofError, ProofLineError};
use serde::{Deserialize, Serialize};
use trust::encoding::Sha256Digest;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// No honest log, honestly exported, shows this.
    Tampering,
    /// Something is missing.
    Incompleteness,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Fault {
    /// A line is not what the format writes.
    #[error("the line is damaged")]
    Line(#[source] LineError),
    /// A message is condemned.
    #[error("the message is condemned")]
    Condemned(#[source] Reason),
    /// A line stands in another's place: swapped, repeated, inserted or renumbered.
    #[error("it stands where sequence {expected} belongs")]
    Misplaced {
        /// The sequence that belongs there.
        expected: u64,
    },
    /// A line beyond the end that the bundle states.
    #[error("the bundle says that the log ends at sequence {tree_size}")]
    BeyondEnd {
        /// Its `tree_size`.
        tree_size: u64,
    },
    /// Sequence 1 is something else than `log.opened` of tenant `system`.
    #[error("sequence 1 is not log.opened of tenant system")]
    NotOpened,
    /// An earlier bundle holds another commit at this sequence.
    #[error("the earlier bundle has {earlier} at this sequence, this one {found}")]
    Rewritten {
        /// The hash in the earlier bundle.
        earlier: CommitHash,
        /// The hash here.
        found: CommitHash,
    },
    /// The earlier bundle is itself damaged, so it proves nothing.
    #[error("the earlier bundle is itself damaged at its line {line}")]
    EarlierDamaged {
        /// The first bad line of it.
        line: u64,
    },
    /// The earlier bundle is of another log.
    #[error("the earlier bundle is of the log {0}")]
    EarlierOfOtherLog(Origin),
    /// A blob is not what a commit names.
    #[error("the blob {sha256} is not what the commit names")]
    Blob {
        /// Its name.
        sha256: Sha256Digest,
        /// How it differs.
        #[source]
        source: BlobError,
    },
    /// A blob that no commit names.
    #[error("no commit names the blob {0}")]
    BlobUnnamed(Sha256Digest),
    /// A file or folder that a bundle does not have, a link, a second entry of a name, or a name that leads out of it.
    #[error("a bundle holds no such file: {0:?}")]
    ForeignFile(String),
    /// Sequences without a line.
    #[error("sequences {first} to {last} are missing")]
    Missing {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Sequences that an earlier bundle has.
    #[error("sequences {first} to {last} are missing; the earlier bundle has them")]
    MissingSinceEarlier {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A sequence that the policy names as lost: the policy is wrong, or the gap was filled.
    #[error("the policy says that this sequence is lost, and it is here: one of them is wrong")]
    GapPresent,
    /// Earlier versions of the aggregate are lost, so that this commit's link cannot be checked.
    #[error("it is version {found}, and version {expected} is among what is missing")]
    Unlinked {
        /// The first missing version.
        expected: u64,
        /// Its own version.
        found: u64,
    },
    /// The earlier bundle itself lacks commits, so that less is expected than there was.
    #[error("the earlier bundle is itself incomplete from sequence {sequence} on")]
    EarlierIncomplete {
        /// The first that it lacks.
        sequence: u64,
    },
    /// A blob that a commit names is not there.
    #[error("the blob {0} is missing")]
    BlobMissing(Sha256Digest),
    /// A blob that no commit names, but commits are missing that may have.
    #[error("no commit that is here names the blob {0}")]
    BlobUnexplained(Sha256Digest),
    /// A file of the bundle is not there.
    #[error("the bundle has no {0}")]
    FileMissing(#[serde(deserialize_with = "lasting::read")] Own),
    /// Something that this verifier cannot check.
    #[error("{0} cannot be checked by this version")]
    Unchecked(#[serde(deserialize_with = "lasting::read")] Own),
    /// The bundle's checkpoint is not one that the policy believes.
    #[error("the checkpoint is not believed")]
    Checkpoint(#[source] CheckpointError),
    /// No key that the policy names for the log signed the checkpoint of a part. Of a whole log the recorded rotations
    /// tell whether it is a later key; a part cannot show them all, nor that it was not cut off before a revocation.
    #[error("the checkpoint is not believed: {}", CheckpointError::Unsigned)]
    UnknownSigner(#[source] Signer),
    /// `bundle.json` and the checkpoint disagree about the end of the log.
    #[error("the bundle says that the log ends at sequence {stated}, its checkpoint at {sealed}")]
    TreeSize {
        /// `tree_size` of `bundle.json`.
        stated: u64,
        /// Size of the checkpoint.
        sealed: u64,
    },
    /// The messages are not those that the checkpoint seals: one was changed, left out, put in or moved.
    #[error("the first {size} messages make the root {found}, and the checkpoint seals {sealed}")]
    RootMismatch {
        /// Number of leaves.
        size: u64,
        /// What the checkpoint says.
        sealed: NodeHash,
        /// What the messages make.
        found: NodeHash,
    },
    /// Because of what is missing or damaged, the messages make no root to compare.
    #[error("the root of the first {size} messages cannot be compared with the checkpoint's")]
    RootUnchecked {
        /// Number of leaves.
        size: u64,
    },
    /// A checkpoint that the verifier kept contradicts what is here: the log was rewritten or forked.
    #[error("the kept checkpoint of size {size} says {kept}, and this log says {found}: a fork")]
    Fork {
        /// Number of leaves.
        size: u64,
        /// The kept root.
        kept: NodeHash,
        /// The root here.
        found: NodeHash,
    },
    /// A kept checkpoint that cannot be compared: messages before its end are missing, or only a part is here.
    #[error("the kept checkpoint of size {size} cannot be compared with what is here")]
    KeptUnchecked {
        /// Number of leaves.
        size: u64,
    },
    /// A line of a part without its proof.
    #[error("there is no proof that the checkpoint seals it")]
    Unproven,
    /// A line of `proofs.ndjson` is not what the format writes.
    #[error("line {line} of proofs.ndjson is damaged")]
    ProofDamaged {
        /// Line of `proofs.ndjson`, from 1.
        line: u64,
        /// How.
        #[source]
        source: ProofLineError,
    },
    /// A proof does not lead from the message to the checkpoint's root.
    #[error("its proof does not hold: the checkpoint does not seal this message at this sequence")]
    ProofWrong(#[source] ProofError),
    /// A proof without its line.
    #[error("there is a proof, and no line that it is about")]
    ProofUnused,
    /// A line that the scope of a part does not take in.
    #[error("the bundle says that it holds {0}")]
    OutOfScope(Scope),
    /// Nothing is here of what a part is about.
    #[error("the bundle holds no commit of {0}")]
    ScopeEmpty(Scope),
    /// A receipt that the verifier kept is not one of the log's writers, or says of its commit what is not so.
    #[error("the kept receipt is not the log's")]
    ReceiptInvalid(#[source] ReceiptError),
    /// A kept receipt names another message at this sequence.
    #[error("the kept receipt has {receipt} at this sequence, this log {found}")]
    ReceiptContradicted {
        /// The hash that the writer signed.
        receipt: CommitHash,
        /// The hash here.
        found: CommitHash,
    },
    /// A rotation is recorded that the old or the new key did not sign, or that rotates another key than the one in force.
    #[error("the recorded rotation of a key is none")]
    RotationInvalid(#[source] RecordedRotationError),
    /// A rotation that the policy does not know.
    #[error(
        "a key was rotated, and the policy file does not know the new one; if your own source says the same, it needs {0}"
    )]
    RotationUnknown(Entries),
    /// The policy trusts one of the keys where the log says that the other one counts.
    #[error(
        "the log rotated its {role} key from {from} on, and the policy file has another interval: one of them is wrong"
    )]
    RotationContradicted {
        /// What the key is for.
        role: KeyRole,
        /// The first sequence or size of the new key.
        from: u64,
    },
    /// A revocation that the policy does not know.
    #[error(
        "a key was revoked that the policy file goes on to trust; if your own source says the same, it needs {0}"
    )]
    RevocationUnknown(Entries),
    /// A kept receipt names a sequence that is not here.
    #[error("a kept receipt names this sequence, and it is not here")]
    ReceiptMissing,
}

impl Fault {
    /// A stable name for output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line(_) => "line_damaged",
            Self::Condemned(reason) => reason.code(),
            Self::Misplaced { .. } => "misplaced",
            Self::BeyondEnd { .. } => "beyond_end",
            Self::NotOpened => "not_opened",
            Self::Rewritten { .. } => "rewritten",
            Self::EarlierDamaged { .. } => "earlier_damaged",
            Self::EarlierOfOtherLog(_) => "earlier_of_other_log",
            Self::Blob { .. } => "blob_mismatch",
            Self::BlobUnnamed(_) => "blob_unnamed",
            Self::ForeignFile(_) => "foreign_file",
            Self::Missing { .. } => "missing",
            Self::MissingSinceEarlier { .. } => "missing_since_earlier",
            Self::EarlierIncomplete { .. } => "earlier_incomplete",
            Self::GapPresent => "gap_present",
            Self::Unlinked { .. } => "unlinked",
            Self::BlobMissing(_) => "blob_missing",
            Self::BlobUnexplained(_) => "blob_unexplained",
            Self::FileMissing(_) => "file_missing",
            Self::Unchecked(_) => "unchecked",
            Self::Checkpoint(error) => error.code(),
            Self::UnknownSigner(_) => CheckpointError::Unsigned.code(),
            Self::TreeSize { .. } => "tree_size_mismatch",
            Self::RootMismatch { .. } => "root_mismatch",
            Self::RootUnchecked { .. } => "root_unchecked",
            Self::Fork { .. } => "fork",
            Self::KeptUnchecked { .. } => "kept_checkpoint_unchecked",
            Self::Unproven => "unproven",
            Self::ProofDamaged { .. } => "proof_damaged",
            Self::ProofWrong(error) => error.code(),
            Self::ProofUnused => "proof_unused",
            Self::OutOfScope(_) => "out_of_scope",
            Self::ScopeEmpty(_) => "scope_empty",
            Self::ReceiptInvalid(_) => "receipt_invalid",
            Self::ReceiptContradicted { .. } => "receipt_contradicted",
            Self::ReceiptMissing => "receipt_missing",
            Self::RotationInvalid(_) => "rotation_invalid",
            Self::RotationUnknown(_) => "rotation_unknown",
            Self::RotationContradicted { .. } => "rotation_contradicted",
            Self::RevocationUnknown(_) => "revocation_unknown",
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            // The log signed it; what is missing is others' word.
            Self::Checkpoint(CheckpointError::Quorum { .. })
            | Self::Missing { .. }
            | Self::MissingSinceEarlier { .. }
            | Self::EarlierIncomplete { .. }
            | Self::GapPresent
            | Self::Unlinked { .. }
            | Self::BlobMissing(_)
            | Self::BlobUnexplained(_)
            | Self::FileMissing(_)
            | Self::Unchecked(_)
            | Self::RootUnchecked { .. }
            | Self::KeptUnchecked { .. }
            | Self::Unproven
            | Self::ProofUnused
            | Self::ScopeEmpty(_)
            | Self::RotationUnknown(_)
            | Self::RotationContradicted { .. }
            | Self::RevocationUnknown(_)
            | Self::ReceiptMissing => Severity::Incompleteness,
            Self::Line(_)
            | Self::Condemned(_)
            | Self::Misplaced { .. }
            | Self::BeyondEnd { .. }
            | Self::NotOpened
            | Self::Rewritten { .. }
            | Self::EarlierDamaged { .. }
            | Self::EarlierOfOtherLog(_)
            | Self::Blob { .. }
            | Self::BlobUnnamed(_)
            | Self::ForeignFile(_)
            | Self::Checkpoint(_)
            | Self::UnknownSigner(_)
            | Self::TreeSize { .. }
            | Self::RootMismatch { .. }
            | Self::Fork { .. }
            | Self::ProofDamaged { .. }
            | Self::ProofWrong(_)
            | Self::OutOfScope(_)
            | Self::ReceiptInvalid(_)
            | Self::RotationInvalid(_)
            | Self::ReceiptContradicted { .. } => Severity::Tampering,
        }
    }
}
