//! The log's own story: when it was opened, and later its keys, configuration and gaps.

mod event;
#[cfg(test)]
mod tests;

pub use event::{LogEvent, Opened};

use crate::Issued;
use crate::aggregate::aggregate;
use crate::refusal::refusals;
use serde::{Deserialize, Serialize};

refusals! {
    /// Why a command on a log was refused.
    LogError {
        AlreadyOpen = "ledger.already_open", Conflict, "the log was opened already";
    }
}

/// A command on a log.
#[derive(Debug, Clone, PartialEq)]
pub enum LogCommand {
    /// Write the first commit.
    Open(Opened),
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// What opened it.
    pub opened: Option<Opened>,
}

aggregate!(Log, "log", LogCommand, LogEvent, LogError);

impl Log {
    fn decide(&self, issued: Issued<LogCommand>) -> Result<Vec<LogEvent>, LogError> {
        match (&self.opened, issued.command) {
            (None, LogCommand::Open(opened)) => Ok(vec![LogEvent::Opened(opened)]),
            (Some(_), LogCommand::Open(_)) => Err(LogError::AlreadyOpen),
        }
    }

    fn evolve(&mut self, event: LogEvent) {
        match event {
            LogEvent::Opened(opened) => self.opened = Some(opened),
        }
    }
}
