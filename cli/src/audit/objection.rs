//! Why a claim of the record is not borne out by what people and agents signed.

use ledger::Severity;
use trust::dsse::EnvelopeError;
use trust::encoding::Sha256Digest;
use trust::message::MessageError;
use trust::pinned::RootError;
use trust::quorum::Shortfall;
use trust::result::ResultError;
use trust::statement::StatementError;

/// What is wrong with a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// The evidence for it is missing or damaged.
    #[error("the blob {0} is missing or damaged")]
    Blob(Sha256Digest),
    /// The verifier's policy does not say whether to trust the root.
    #[error("the policy names no root {version} of {tenant}")]
    RootNotPinned {
        /// Whose.
        tenant: String,
        /// Which.
        version: u64,
    },
    /// The root that it is under is not in the log.
    #[error("root {version} of {tenant} is not in the log")]
    RootNotRecorded {
        /// Whose.
        tenant: String,
        /// Which.
        version: u64,
    },
    /// The log has another root than the policy.
    #[error("root {version} of {tenant} is not the one that the policy names")]
    OtherRoot {
        /// Whose.
        tenant: String,
        /// Which.
        version: u64,
    },
    /// A recorded envelope is none.
    #[error("a signed envelope cannot be read")]
    Envelope(#[from] EnvelopeError),
    /// The root does not hold.
    #[error("the trust root does not hold")]
    Root(#[from] RootError),
    /// A statement does not hold.
    #[error("a signed statement cannot be read")]
    Statement(#[from] StatementError),
    /// Granted without ever having been opened.
    #[error("it was granted and never opened")]
    NeverOpened,
    /// A member of the signed manifest is not what the record says.
    #[error("the manifest's {0} is not what the record says")]
    Manifest(&'static str),
    /// The signatures are not enough.
    #[error("it was granted without enough signatures")]
    NotGranted(#[from] Shortfall),
    /// Recorded as a signer, and did not sign.
    #[error("{0} is recorded as a signer, and none of their keys signed")]
    NotSigned(String),
    /// The verifier's policy does not say which authorities to trust.
    #[error("the policy names no authority of the trust domain {0}")]
    NoAuthority(String),
    /// The result is not an agent's word.
    #[error("the result is not the word of an agent that the policy trusts")]
    Result(#[from] ResultError),
    /// A member of the signed result is not what the record says.
    #[error("the result's {0} is not what the record says")]
    Finished(&'static str),
    /// Applied, and no approval of it was granted.
    #[error("it was applied and no approval of it was granted")]
    NotApproved,
    /// Applied, and no agent said so.
    #[error("it was applied and no agent's result says so")]
    NotClaimed,
    /// The agent ran another manifest than people signed.
    #[error("the agent ran another manifest than people signed")]
    OtherManifest,
    /// Named by a commit, and nowhere in the record.
    #[error("it names {0}, which is not in the record")]
    NotRecorded(String),
    /// Said to have ended, and the record does not hold that.
    #[error("it says how {0} ended, which is not in the record")]
    EndNotRecorded(String),
    /// A recorded job message is none.
    #[error("the job's message cannot be read")]
    Message(#[from] MessageError),
    /// A member of the signed job is not what the record says.
    #[error("the signed job's {0} is not what the record says")]
    OtherJob(&'static str),
    /// The signed job names a commit that is lost or damaged.
    #[error("the signed job names the commit at sequence {0}, which is missing or damaged")]
    PositionMissing(u64),
    /// The signed job names another commit than the record holds there.
    #[error("the signed job names another commit at sequence {0} than the record holds there")]
    OtherPosition(u64),
    /// The signed job names a commit that comes after the job's own.
    #[error("the signed job names the commit at sequence {0}, which comes after it")]
    PositionAfter(u64),
    /// The signed job names a commit of another log.
    #[error("the signed job names a commit of the log {0}")]
    PositionOfOtherLog(String),
    /// A copy beside the log differs from what the log holds.
    #[error("the copy is not what the log holds")]
    Copy,
    /// A copy of something that the log does not hold.
    #[error("the log holds no such statement")]
    CopyUnexplained,
    /// An event that this version does not know.
    #[error("{0}")]
    Unreadable(String),
}

impl Objection {
    /// How bad it is. Where commits are missing, so may be the evidence.
    pub fn severity(&self, is_complete: bool) -> Severity {
        match self {
            Self::Blob(_)
            | Self::RootNotPinned { .. }
            | Self::RootNotRecorded { .. }
            | Self::NoAuthority(_)
            | Self::NotRecorded(_)
            | Self::EndNotRecorded(_)
            | Self::PositionMissing(_)
            | Self::Unreadable(_) => Severity::Incompleteness,
            Self::NeverOpened
            | Self::NotGranted(_)
            | Self::NotApproved
            | Self::NotClaimed
            | Self::Copy
            | Self::CopyUnexplained
                if !is_complete =>
            {
                Severity::Incompleteness
            }
            // These rest on passkeys, which this version cannot count: nobody knows.
            Self::NotGranted(Shortfall::Passkeys) | Self::Root(RootError::NotSupported) => {
                Severity::Incompleteness
            }
            Self::OtherRoot { .. }
            | Self::Envelope(_)
            | Self::Root(_)
            | Self::Statement(_)
            | Self::NeverOpened
            | Self::Manifest(_)
            | Self::NotGranted(_)
            | Self::NotSigned(_)
            | Self::Result(_)
            | Self::Finished(_)
            | Self::NotApproved
            | Self::NotClaimed
            | Self::OtherManifest
            | Self::Message(_)
            | Self::OtherJob(_)
            | Self::OtherPosition(_)
            | Self::PositionAfter(_)
            | Self::PositionOfOtherLog(_)
            | Self::Copy
            | Self::CopyUnexplained => Severity::Tampering,
        }
    }

    /// Whether it is about a commit that is not there.
    pub fn is_about_absence(&self) -> bool {
        matches!(self, Self::NotRecorded(_) | Self::EndNotRecorded(_) | Self::PositionMissing(_))
    }

    /// A stable name for output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Blob(_) => "blob_missing",
            Self::RootNotPinned { .. } => "root_not_pinned",
            Self::RootNotRecorded { .. } => "root_not_recorded",
            Self::OtherRoot { .. } => "root_mismatch",
            Self::Envelope(_) => "envelope_malformed",
            Self::Root(_) => "root_invalid",
            Self::Statement(_) => "statement_malformed",
            Self::NeverOpened => "never_opened",
            Self::Manifest(_) => "manifest_mismatch",
            Self::NotGranted(_) => "quorum_not_met",
            Self::NotSigned(_) => "signer_mismatch",
            Self::NoAuthority(_) => "authority_not_pinned",
            Self::Result(_) => "result_unsigned",
            Self::Finished(_) => "result_mismatch",
            Self::NotApproved => "applied_without_approval",
            Self::NotClaimed => "applied_without_result",
            Self::OtherManifest => "applied_other_manifest",
            Self::NotRecorded(_) => "named_not_recorded",
            Self::EndNotRecorded(_) => "end_not_recorded",
            Self::Message(_) => "message_malformed",
            Self::OtherJob(_) => "job_mismatch",
            Self::PositionMissing(_) => "job_position_missing",
            Self::OtherPosition(_) => "job_position_mismatch",
            Self::PositionAfter(_) => "job_position_later",
            Self::PositionOfOtherLog(_) => "job_position_of_other_log",
            Self::Copy => "copy_mismatch",
            Self::CopyUnexplained => "copy_unexplained",
            Self::Unreadable(_) => "event_unreadable",
        }
    }
}
