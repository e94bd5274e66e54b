//! Line 1: strict form and payload types of everything that came with the job.

use super::{Reason, Refusal};
use crate::dsse::{Envelope, Parsed};
use crate::message::{JobMessage, MessageError};
use crate::statement::{Change, Delegation, Mode, Root, Statement, StatementError, Submission};
use std::error::Error;

/// The statements of a message, read.
pub(super) struct Statements {
    pub change: Option<Parsed<Change>>,
    pub submission: Option<Parsed<Submission>>,
    pub delegations: usize,
    pub newest_root: Option<u64>,
}

pub(super) fn read(message: &JobMessage) -> Result<Statements, Refusal> {
    let change = one("change", message.change.as_ref())?;
    let submission = one("submission", message.submission.as_ref())?;
    let delegations: Vec<Parsed<Delegation>> = all("delegation", &message.delegations)?;
    let roots: Vec<Parsed<Root>> = all("root", &message.roots)?;
    members_fit_mode(message)?;
    Ok(Statements {
        change,
        submission,
        delegations: delegations.len(),
        newest_root: roots.iter().map(|root| root.statement().version).max(),
    })
}

/// What travels with a job is what its mode speaks of, no more and no less.
fn members_fit_mode(message: &JobMessage) -> Result<(), Refusal> {
    let mode = message.job.statement().mode;
    let change = mode.needs_change();
    let sql = change || mode == Mode::Validate;
    let fits = message.change.is_some() == change
        && message.sql.is_some() == sql
        && (change || (message.submission.is_none() && message.delegations.is_empty()));
    if fits {
        return Ok(());
    }
    Err(malformed(format!("the message does not carry what {} needs and only that", mode.name())))
}

fn one<S: Statement>(
    what: &str,
    envelope: Option<&Envelope>,
) -> Result<Option<Parsed<S>>, Refusal> {
    envelope.map(|envelope| parsed(what, envelope)).transpose()
}

fn all<S: Statement>(what: &str, envelopes: &[Envelope]) -> Result<Vec<Parsed<S>>, Refusal> {
    envelopes.iter().map(|envelope| parsed(what, envelope)).collect()
}

fn parsed<S: Statement>(what: &str, envelope: &Envelope) -> Result<Parsed<S>, Refusal> {
    Parsed::from_envelope(envelope.clone())
        .map_err(|error: StatementError| malformed(format!("the {what}: {}", chain(&error))))
}

fn malformed(sentence: String) -> Refusal {
    Refusal::new(1, Reason::Malformed, sentence)
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain(cause)))
}

impl From<&MessageError> for Refusal {
    fn from(error: &MessageError) -> Self {
        malformed(chain(error))
    }
}
