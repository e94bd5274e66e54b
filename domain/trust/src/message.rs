//! Messages between dispatcher and agent: envelopes with the bytes they speak of.
//!
//! Reading a job message reads the message and the job's own payload, so that even a refusal can name the job; the
//! other statements are read by line 1 of the predicate. Source: PROTOCOL.md section 3.

use crate::dsse::{Envelope, EnvelopeError, Parsed};
use crate::encoding::{as_base64_or_null, or_null};
use crate::statement::{Cancel, Job, JobResult, StatementError};
use crate::strict::{self, StrictError};
use serde::{Deserialize, Serialize};

/// Longest message, in bytes: the server's `max_payload`.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// Why bytes are not a message. The agent has no job to answer for, or no result to take in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("the message is longer than 8 MiB")]
    TooLong,
    /// Not strict JSON with exactly the message's members.
    #[error("the message is not in strict form")]
    Form(#[from] StrictError),
    /// One of its envelopes breaks a limit.
    #[error("an envelope of the message is refused")]
    Envelope(#[from] EnvelopeError),
    /// The statement that the message is about cannot be read.
    #[error("the message's own statement is refused")]
    Statement(#[from] StatementError),
}

/// What stands on an agent's job subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentMessage {
    /// A job with everything that it needs.
    Job(Box<JobMessage>),
    /// A job taken back.
    Cancel(Box<Parsed<Cancel>>),
}

/// A job and the statements and bytes that travel with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobMessage {
    /// The job.
    pub job: Parsed<Job>,
    /// The approved change.
    pub change: Option<Envelope>,
    /// The author's signature.
    pub submission: Option<Envelope>,
    /// Roles lent.
    pub delegations: Vec<Envelope>,
    /// Newer roots.
    pub roots: Vec<Envelope>,
    /// The exact SQL file.
    pub sql: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireJob {
    job: Envelope,
    #[serde(deserialize_with = "or_null")]
    change: Option<Envelope>,
    #[serde(deserialize_with = "or_null")]
    submission: Option<Envelope>,
    delegations: Vec<Envelope>,
    roots: Vec<Envelope>,
    #[serde(with = "as_base64_or_null")]
    sql: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCancel {
    cancel: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireResult {
    result: Envelope,
    #[serde(with = "as_base64_or_null")]
    document: Option<Vec<u8>>,
}

impl AgentMessage {
    /// Reads a message of the job stream.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let value = parse_value(bytes)?;
        if value.get("cancel").is_some() {
            let WireCancel { cancel } = shaped(&value)?;
            cancel.check_size()?;
            return Ok(Self::Cancel(Box::new(Parsed::from_envelope(cancel)?)));
        }
        Ok(Self::Job(Box::new(JobMessage::from_wire(shaped(&value)?)?)))
    }
}

impl JobMessage {
    /// A message with a job alone, as an introspection needs it.
    pub fn of(job: Envelope) -> Result<Self, MessageError> {
        Ok(Self {
            job: Parsed::from_envelope(job)?,
            change: None,
            submission: None,
            delegations: Vec::new(),
            roots: Vec::new(),
            sql: None,
        })
    }

    /// Reads a message that must be a job.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        Self::from_wire(shaped(&parse_value(bytes)?)?)
    }

    /// The message's JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, MessageError> {
        written(&WireJob {
            job: self.job.envelope().clone(),
            change: self.change.clone(),
            submission: self.submission.clone(),
            delegations: self.delegations.clone(),
            roots: self.roots.clone(),
            sql: self.sql.clone(),
        })
    }

    fn from_wire(wire: WireJob) -> Result<Self, MessageError> {
        let one = [Some(&wire.job), wire.change.as_ref(), wire.submission.as_ref()];
        let many = wire.delegations.iter().chain(&wire.roots);
        one.into_iter().flatten().chain(many).try_for_each(Envelope::check_size)?;
        Ok(Self {
            job: Parsed::from_envelope(wire.job)?,
            change: wire.change,
            submission: wire.submission,
            delegations: wire.delegations,
            roots: wire.roots,
            sql: wire.sql,
        })
    }
}

/// The message that takes a job back.
pub fn cancel_to_json(cancel: &Envelope) -> Result<Vec<u8>, MessageError> {
    cancel.read::<Cancel>()?;
    written(&WireCancel { cancel: cancel.clone() })
}

/// A result and the document whose hash it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultMessage {
    /// The signed result; verify it with [`crate::result::verify`].
    pub result: Parsed<JobResult>,
    /// The schema document behind the fingerprint.
    pub document: Option<Vec<u8>>,
}

impl ResultMessage {
    /// Reads a message of the result stream.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let WireResult { result, document } = shaped(&parse_value(bytes)?)?;
        result.check_size()?;
        Ok(Self { result: Parsed::from_envelope(result)?, document })
    }

    /// The message's JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, MessageError> {
        written(&WireResult {
            result: self.result.envelope().clone(),
            document: self.document.clone(),
        })
    }
}

fn parse_value(bytes: &[u8]) -> Result<serde_json::Value, MessageError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(MessageError::TooLong);
    }
    Ok(strict::parse_value(bytes)?)
}

fn shaped<T: Serialize + serde::de::DeserializeOwned>(
    value: &serde_json::Value,
) -> Result<T, MessageError> {
    Ok(strict::exact(value)?)
}

fn written<T: Serialize>(message: &T) -> Result<Vec<u8>, MessageError> {
    let json =
        serde_json::to_vec(message).map_err(|error| StrictError::Shape(error.to_string()))?;
    if json.len() > MAX_MESSAGE_BYTES { Err(MessageError::TooLong) } else { Ok(json) }
}
