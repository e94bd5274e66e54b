//! Why a submitted file is refused, with the place to look at.

use thiserror::Error;

use crate::Place;

/// A file that Countersign does not take. [`CutError::code`] is stable and listed in the error
/// catalogue; [`CutError::place`] is where the author should look.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CutError {
    /// `changes.sql_too_large`: more than [`crate::MAX_FILE_BYTES`] bytes.
    #[error("the file has {bytes} bytes; at most {} are taken", crate::MAX_FILE_BYTES)]
    TooLarge {
        /// Bytes submitted.
        bytes: usize,
    },
    /// `changes.sql_bom`: the file starts with a byte order mark.
    #[error("the file starts with a byte order mark; save it without one")]
    ByteOrderMark,
    /// `changes.sql_not_utf8`: the bytes are not UTF-8.
    #[error("{place}: not valid UTF-8")]
    NotUtf8 {
        /// The first byte that cannot be read.
        place: Place,
    },
    /// `changes.sql_nul`: a NUL character, which `PostgreSQL` cannot receive.
    #[error("{place}: NUL character")]
    Nul {
        /// The first NUL.
        place: Place,
    },
    /// `changes.sql_empty`: no statement, only whitespace, comments or semicolons.
    #[error("the file has no statement")]
    Empty,
    /// `changes.sql_too_deep`: expressions or parentheses nested too deeply to be read safely.
    #[error("{place}: nested too deeply")]
    TooDeep {
        /// Where the limit was reached.
        place: Place,
    },
    /// `changes.sql_syntax`: it is not SQL (psql's backslash commands are not SQL either).
    #[error("{place}: {message}")]
    Syntax {
        /// The first error.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// `changes.sql_ambiguous_string`: an `E''` string goes on in a second part that has a
    /// backslash, which readers of SQL end at different quotes.
    #[error("{place}: a continued E'' string with a backslash is not taken; write it as one part")]
    AmbiguousString {
        /// The second part.
        place: Place,
    },
    /// `changes.sql_transaction_control`: it begins or ends a transaction; the agent does that.
    #[error("{place}: {statement} is not taken, the agent runs the file in one transaction")]
    TransactionControl {
        /// The statement.
        place: Place,
        /// Its name.
        statement: &'static str,
    },
    /// `changes.sql_not_transactional`: `PostgreSQL` refuses it inside a transaction.
    #[error("{place}: {statement} cannot run in a transaction, which is not supported yet")]
    NotTransactional {
        /// The statement.
        place: Place,
        /// Its name.
        statement: &'static str,
    },
    /// `changes.sql_copy_stdin`: COPY from or to the client.
    #[error("{place}: COPY from STDIN or to STDOUT is not taken")]
    CopyStdin {
        /// The statement.
        place: Place,
    },
    /// `changes.sql_touches_journal`: it names the schema `countersign`, where the agent keeps
    /// its journal, or acts on everything that the agent's role owns.
    #[error("{place}: the name \"countersign\" is reserved for the agent's journal")]
    TouchesJournal {
        /// The name.
        place: Place,
    },
}

impl CutError {
    /// Every code this crate can give, for the error catalogue.
    pub const CODES: &'static [&'static str] = &[
        "changes.sql_too_large",
        "changes.sql_bom",
        "changes.sql_not_utf8",
        "changes.sql_nul",
        "changes.sql_empty",
        "changes.sql_too_deep",
        "changes.sql_syntax",
        "changes.sql_ambiguous_string",
        "changes.sql_transaction_control",
        "changes.sql_not_transactional",
        "changes.sql_copy_stdin",
        "changes.sql_touches_journal",
    ];

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "changes.sql_too_large",
            Self::ByteOrderMark => "changes.sql_bom",
            Self::NotUtf8 { .. } => "changes.sql_not_utf8",
            Self::Nul { .. } => "changes.sql_nul",
            Self::Empty => "changes.sql_empty",
            Self::TooDeep { .. } => "changes.sql_too_deep",
            Self::Syntax { .. } => "changes.sql_syntax",
            Self::AmbiguousString { .. } => "changes.sql_ambiguous_string",
            Self::TransactionControl { .. } => "changes.sql_transaction_control",
            Self::NotTransactional { .. } => "changes.sql_not_transactional",
            Self::CopyStdin { .. } => "changes.sql_copy_stdin",
            Self::TouchesJournal { .. } => "changes.sql_touches_journal",
        }
    }

    /// Where to look; the start of the file where the whole file is meant.
    pub fn place(&self) -> Place {
        match self {
            Self::TooLarge { .. } | Self::ByteOrderMark | Self::Empty => Place::START,
            Self::NotUtf8 { place }
            | Self::Nul { place }
            | Self::TooDeep { place }
            | Self::Syntax { place, .. }
            | Self::AmbiguousString { place }
            | Self::TransactionControl { place, .. }
            | Self::NotTransactional { place, .. }
            | Self::CopyStdin { place }
            | Self::TouchesJournal { place } => *place,
        }
    }
}
