//! Why a log is not restored.

use crate::exit::Exit;
use archive::ArchiveError;
use event_log::{AppendError, LogError};
use ledger::CheckpointError;
use nats::{ConnectionError, RebuildError};

/// Why a log is not restored. Nothing that was signed is ever contradicted by going on after one of these.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The configuration cannot be used.
    #[error("the configuration of the restore cannot be used: {0}")]
    Config(String),
    /// A checkpoint that the log's keys did not sign.
    #[error("the checkpoint in the {place} is not believed")]
    Checkpoint {
        /// Archive or stream.
        place: &'static str,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// The archive or a stream contradicts a checkpoint.
    #[error("the archive gives another root than the checkpoint of size {size} in the {place}")]
    Root {
        /// Of the checkpoint.
        size: u64,
        /// Where the checkpoint is.
        place: &'static str,
    },
    /// The archive holds something else than lines of the log.
    #[error("sequence {sequence} of the archive is no line of this log")]
    Damaged {
        /// Where one was expected.
        sequence: u64,
    },
    /// A sealed message that is no commit, which nobody named.
    #[error(
        "sequence {sequence} of the archive is condemned ({reason}): no root covers subject and headers of a message"
    )]
    Condemned {
        /// The first one.
        sequence: u64,
        /// Why.
        reason: &'static str,
    },
    /// The archive lacks what was sealed.
    #[error("the archive does not hold sequence {sequence}, which was sealed")]
    Missing {
        /// The first one.
        sequence: u64,
    },
    /// A checkpoint that was kept elsewhere is larger than all of the archive's.
    #[error("the archive ends at checkpoint {size}, and there is one of {kept}")]
    Short {
        /// The archive's largest.
        size: u64,
        /// The other one.
        kept: u64,
    },
    /// The policy names a gap that the archive holds.
    #[error("the policy names sequence {sequence} as lost, and the archive holds it")]
    GapPresent {
        /// Which.
        sequence: u64,
    },
    /// The stream is another log, or another history of this one.
    #[error("the stream differs from the archive, first at sequence {sequence}")]
    Differs {
        /// The first one.
        sequence: u64,
    },
    /// What the stream holds beyond the archive is not of the same history.
    #[error("the stream goes on after the archive, but sequence {sequence} does not follow")]
    Tail {
        /// The first one.
        sequence: u64,
    },
    /// A hardened stream leaves out nothing.
    #[error("sequence {sequence} is lost, and a stream that is hardened cannot leave it out")]
    Hardened {
        /// The first one.
        sequence: u64,
    },
    /// Something else appends.
    #[error("something else writes to the log while it is restored")]
    Conflict(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The archive failed.
    #[error("the archive cannot be used")]
    Archive(#[from] ArchiveError),
    /// NATS failed.
    #[error("the log cannot be reached")]
    Connect(#[from] ConnectionError),
    /// A stream cannot be made.
    #[error("the log's streams cannot be made")]
    Rebuild(#[from] RebuildError),
    /// A message did not get there.
    #[error("the log cannot be restored further")]
    Put(#[source] event_log::RestoreError),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// The checkpoint did not get there.
    #[error("the checkpoint cannot be put back")]
    Append(#[source] AppendError),
}

impl From<event_log::RestoreError> for RestoreError {
    fn from(error: event_log::RestoreError) -> Self {
        match error {
            event_log::RestoreError::Taken { .. } => Self::Conflict(Box::new(error)),
            other => Self::Put(other),
        }
    }
}

impl From<AppendError> for RestoreError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Conflict(Box::new(error)),
            other => Self::Append(other),
        }
    }
}

impl RestoreError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "cli.config_invalid",
            Self::Checkpoint { .. } => "cli.checkpoint_not_believed",
            Self::Root { .. } | Self::Damaged { .. } => "cli.archive_tampered",
            Self::Condemned { .. } => "cli.archive_condemned",
            Self::Missing { .. } | Self::Short { .. } => "cli.archive_incomplete",
            Self::GapPresent { .. } => "cli.gap_present",
            Self::Differs { .. } | Self::Tail { .. } => "cli.log_differs",
            Self::Hardened { .. } => "cli.log_hardened",
            Self::Conflict(_) => "cli.log_in_use",
            Self::Archive(_) => "cli.archive_unreadable",
            Self::Connect(_) | Self::Rebuild(_) | Self::Put(_) | Self::Log(_) | Self::Append(_) => {
                "cli.restore_interrupted"
            }
        }
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::Usage,
            Self::Checkpoint { source: CheckpointError::Quorum { .. }, .. }
            | Self::Missing { .. }
            | Self::Short { .. }
            | Self::GapPresent { .. } => Exit::VerificationIncomplete,
            Self::Checkpoint { .. }
            | Self::Root { .. }
            | Self::Damaged { .. }
            | Self::Condemned { .. }
            | Self::Differs { .. }
            | Self::Tail { .. } => Exit::VerificationFailed,
            Self::Hardened { .. } | Self::Conflict(_) => Exit::Conflict,
            Self::Archive(_)
            | Self::Connect(_)
            | Self::Rebuild(_)
            | Self::Put(_)
            | Self::Log(_)
            | Self::Append(_) => Exit::Failure,
        }
    }

    /// What to do about it.
    pub fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Condemned { .. } => Some(
                "Does the policy name every writer with its interval? If the log itself holds a message that is no \
                 commit, `audit verify` says so: name it with --condemned",
            ),
            Self::Missing { .. } | Self::Short { .. } => Some(
                "Look for another copy of the archive. If there is none, this log cannot go on: open one of another \
                 origin after it, `command-api open-log --predecessor <file of its last checkpoint>`",
            ),
            Self::Differs { .. } | Self::Tail { .. } => Some(
                "Nothing was changed. Keep a backup of the stream, delete it as the operator of the LOG account, and \
                 restore again",
            ),
            Self::Hardened { .. } => Some(
                "Delete the stream as the operator of the LOG account, and restore again: a new one can leave it out",
            ),
            Self::Conflict(_) => Some("Stop command-api and the sealer, and restore again"),
            Self::Connect(_) | Self::Rebuild(_) | Self::Put(_) | Self::Log(_) | Self::Append(_) => {
                Some("Run it again: it goes on where it was interrupted")
            }
            Self::Config(_)
            | Self::Checkpoint { .. }
            | Self::Root { .. }
            | Self::Damaged { .. }
            | Self::GapPresent { .. }
            | Self::Archive(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_said_where_somebody_can_do_something() {
        let taken = RestoreError::from(event_log::RestoreError::Taken { sequence: 7 });
        let in_use = (taken.code(), taken.exit(), taken.next_step());
        let next = Some("Stop command-api and the sealer, and restore again");
        assert_eq!(in_use, ("cli.log_in_use", Exit::Conflict, next));
        let conflict = RestoreError::from(AppendError::Conflict);
        assert_eq!(conflict.code(), "cli.log_in_use");
        let missing = RestoreError::Missing { sequence: 3 };
        assert_eq!(missing.exit(), Exit::VerificationIncomplete);
        assert!(missing.next_step().is_some_and(|step| step.contains("--predecessor")));
        assert_eq!(RestoreError::Differs { sequence: 3 }.exit(), Exit::VerificationFailed);
    }
}
