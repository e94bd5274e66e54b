//! What can go wrong with the log.

use ledger::{CommitError, CommitHash};

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The server gave no answer, or refused to.
    #[error("the log cannot be read")]
    Read(#[from] nats::ReadError),
    /// A name that must not reach a subject.
    #[error("a name that cannot be part of a subject")]
    Name,
    /// Versions 1..n of an aggregate are not all there, or their links do not fit.
    #[error("{subject} is broken at sequence {sequence}: its chain of commits is not complete")]
    BrokenChain {
        /// The aggregate's subject.
        subject: String,
        /// The first message that does not follow.
        sequence: u64,
    },
    /// An event of a good commit cannot be read by this version.
    #[error("{subject} holds an event that this version cannot read")]
    Unreadable {
        /// The aggregate's subject.
        subject: String,
        /// Which, and why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A blob's bytes are not what its name says.
    #[error("blob {sha256} of tenant {tenant} is not what its name says")]
    Blob {
        /// Whose.
        tenant: String,
        /// Its name.
        sha256: String,
    },
    /// The stored position is not in this log: it is another history.
    #[error(
        "the log holds {found:?} at sequence {sequence} where {expected} was read before: another history"
    )]
    AnotherHistory {
        /// Where.
        sequence: u64,
        /// What was read before.
        expected: CommitHash,
        /// What is there now; none if nothing is.
        found: Option<CommitHash>,
    },
    /// The log jumped: a sequence is missing.
    #[error(
        "sequence {found} came where {expected} follows: the log has a gap that is not declared"
    )]
    Gap {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// What was declared lost is there: the configuration is wrong, or somebody filled the gap.
    #[error("sequence {sequence} is declared to be lost, and the log holds it")]
    GapFilled {
        /// Which.
        sequence: u64,
    },
    /// What the leader holds did not arrive here in time.
    #[error("{read} messages of {subject} arrived, and the leader holds {held}")]
    Behind {
        /// The aggregate's subject.
        subject: String,
        /// Its messages here.
        read: u64,
        /// Its messages on the leader.
        held: u64,
    },
    /// The log ends before what was sealed: it was cut off, or restored from an old copy.
    #[error(
        "the log ends at {last}, and {sealed} messages were sealed: restore it from the archive"
    )]
    Shortened {
        /// The log's last sequence.
        last: u64,
        /// The newest checkpoint's size.
        sealed: u64,
    },
    /// The configured writers do not let this process's key write there: every reader would condemn what it appends.
    #[error(
        "this process's key may not write at sequence {sequence}: compare writer_key_file with the log's writers"
    )]
    Writer {
        /// The next sequence, or one that was written.
        sequence: u64,
    },
    /// The log was never opened, or by another origin.
    #[error("the log is not open: run `command-api open-log` once, on a new and empty stream")]
    NotOpen,
    /// Following stopped.
    #[error("the log cannot be followed")]
    Follow(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a commit was not appended, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended to the aggregate first.
    #[error("the aggregate has changed meanwhile")]
    Conflict,
    /// Nobody knows whether it was appended; a retry with the same key will find out.
    #[error(
        "it is not known whether command {command} was recorded; send it again with the same Idempotency-Key"
    )]
    Unknown {
        /// The command.
        command: String,
        /// The last failure.
        last: String,
    },
    /// A value that the commit was to name is not stored, so that nothing was recorded.
    #[error("blob {sha256} could not be stored, and nothing was recorded: send the command again")]
    Blob {
        /// Its name.
        sha256: String,
        /// The last failure.
        last: String,
    },
    /// The envelope cannot become a commit.
    #[error("the events cannot be recorded")]
    Commit(#[from] CommitError),
    /// An event does not serialise.
    #[error("an event cannot be written")]
    Event(#[source] serde_json::Error),
    /// The stream was recreated or is shorter than it was.
    #[error("the stream is not the log that this process knows: {0}")]
    AnotherLog(String),
    /// Reading failed.
    #[error("the log cannot be read before appending")]
    Log(#[from] LogError),
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error> {
    /// The domain refused it; the state it saw was confirmed with the leader.
    #[error(transparent)]
    Refused(E),
    /// The same Idempotency-Key came with another body.
    #[error("the Idempotency-Key was used with another body")]
    OtherBody,
    /// The caller has seen another version.
    #[error("the aggregate is at version {version}, not at the one that was seen")]
    Stale {
        /// Its version now.
        version: u64,
    },
    /// The same command is being executed.
    #[error("a request with this Idempotency-Key is being executed")]
    InFlight,
    /// Others kept changing the aggregate.
    #[error("the aggregate kept changing; try again")]
    Conflict,
    /// Everything else.
    #[error("the command could not be recorded")]
    Append(#[source] AppendError),
}

impl LogError {
    /// Trying again later can help: the server was away, or has not answered in time.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read(_) | Self::Follow(_) | Self::Behind { .. } | Self::NotOpen => true,
            Self::Name
            | Self::BrokenChain { .. }
            | Self::Unreadable { .. }
            | Self::Blob { .. }
            | Self::AnotherHistory { .. }
            | Self::Shortened { .. }
            | Self::Writer { .. }
            | Self::Gap { .. }
            | Self::GapFilled { .. } => false,
        }
    }
}

impl<E: std::error::Error> From<LogError> for ExecuteError<E> {
    fn from(error: LogError) -> Self {
        Self::Append(AppendError::Log(error))
    }
}
