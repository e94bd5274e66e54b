//! Every way in which a command fails: one line with a code, an exit code, and what to do next where it is known.

use crate::audit::{JournalError, ResumeError};
use crate::exit::Exit;
use crate::review::Mismatch;
use archive::ArchiveError;
use client::{ClientError, FieldError};
use ledger::tree::ProofLineError;
use ledger::{BundleError, CheckpointError, PolicyError, VerifyError};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use trust::keys::KeyError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A read was not answered.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// A command was not answered as hoped.
    #[error("the command was not answered as hoped")]
    Command {
        /// What it would be repeated with.
        key: String,
        /// Why.
        source: ClientError,
    },
    /// A file cannot be read.
    #[error("{what} {} cannot be read", path.display())]
    ReadFile {
        /// What it is for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    WriteFile {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is there already.
    #[error("{} exists already, and is not overwritten", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The configuration file is not one.
    #[error("the configuration {} is not valid", path.display())]
    Config {
        /// Where.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// Nobody said who asks.
    #[error("there is no token: nobody knows who you are")]
    NoToken,
    /// A file is not a private key.
    #[error("{} is not a usable private key", path.display())]
    Key {
        /// Where.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// Others can read a private key.
    #[error("the private key {} is open to others (mode {mode:04o})", path.display())]
    KeyMode {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// The SQL file is larger than anybody takes.
    #[error("{} has {size} bytes; an SQL file has at most {}", path.display(), sql::MAX_FILE_BYTES)]
    SqlTooLarge {
        /// Where.
        path: PathBuf,
        /// Its length.
        size: usize,
    },
    /// Nobody can sign the change now.
    #[error("the change {change} is {state}: there is no approval to sign")]
    NotOpen {
        /// Which.
        change: String,
        /// Where it stands.
        state: String,
    },
    /// What would be signed is not what the server says it is.
    #[error("nothing was signed")]
    Mismatch(#[from] Mismatch),
    /// Nobody is at a terminal to say yes.
    #[error("nobody is at a terminal to confirm the signature")]
    ConfirmationNeeded,
    /// The person said no.
    #[error("nothing was signed: you did not say yes")]
    NotConfirmed,
    /// Watching took too long.
    #[error("the change {change} has not ended after {seconds} s")]
    TimedOut {
        /// Which.
        change: String,
        /// How long it was watched.
        seconds: u64,
    },
    /// A file is not a rotation that both keys signed, or cannot become one.
    #[error("{} is not a rotation of a key", path.display())]
    Rotation {
        /// Where.
        path: PathBuf,
        /// Why.
        source: anyhow::Error,
    },
    /// Which log is meant is not known.
    #[error("query-api does not say which log it serves")]
    LogUnknown,
    /// The policy file is not one.
    #[error("the policy {} is not valid", path.display())]
    Policy {
        /// Where.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// The file is not a target's journal.
    #[error("the journal {} is not one", path.display())]
    Journal {
        /// Where.
        path: PathBuf,
        /// Why.
        source: JournalError,
    },
    /// A bundle cannot be judged.
    #[error("the evidence cannot be verified")]
    Verify(#[from] VerifyError),
    /// A bundle cannot be written or read on.
    #[error("the evidence bundle cannot be used")]
    Bundle(#[from] BundleError),
    /// query-api sent something that is not a log's line.
    #[error("query-api sent no line of a log after sequence {after}")]
    NoLine {
        /// The last whole line.
        after: u64,
    },
    /// Only what is under a checkpoint can be shown in parts.
    #[error("the log shows no checkpoint: a part of it would prove nothing")]
    PartNotSealed,
    /// A checkpoint is not one, or not one that the policy believes.
    #[error("the checkpoint is not believed")]
    Checkpoint(#[source] CheckpointError),
    /// The archive failed.
    #[error("the archive cannot be used")]
    Archive(#[from] ArchiveError),
    /// The archive has nothing that is sealed.
    #[error("the archive holds no checkpoint")]
    ArchiveEmpty,
    /// query-api sent something that is no proof.
    #[error("query-api sent no proof")]
    ProofMalformed,
    /// A proof that cannot be written.
    #[error("a proof cannot be written")]
    Proof(#[source] ProofLineError),
    /// A file is not a receipt.
    #[error("{} is not a receipt", path.display())]
    Receipt {
        /// Where.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A verification does not go on.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The evidence holds no such aggregate.
    #[error("the evidence holds no good commit of {0}")]
    NoSuchAggregate(String),
    /// What a witness cosigned is not known.
    #[cfg(feature = "witness")]
    #[error(transparent)]
    Witness(#[from] crate::witness::StateError),
    /// A log is not restored.
    #[cfg(feature = "restore")]
    #[error(transparent)]
    Restore(#[from] crate::restore::RestoreError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl CliError {
    /// The stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Api(source) | Self::Command { source, .. } => client_code(source),
            Self::ReadFile { .. } => "cli.file_unreadable",
            Self::WriteFile { .. } => "cli.file_unwritable",
            Self::Exists { .. } => "cli.file_exists",
            Self::Config { .. } => "cli.config_invalid",
            Self::NoToken => "cli.no_token",
            Self::Key { .. } => "cli.key_invalid",
            Self::KeyMode { .. } => "cli.key_file_open_to_others",
            Self::Randomness(_) => "cli.randomness",
            Self::SqlTooLarge { .. } => "cli.sql_too_large",
            Self::NotOpen { .. } => "cli.not_open_for_approval",
            Self::Mismatch(_) => "cli.approval_mismatch",
            Self::ConfirmationNeeded => "cli.confirmation_needed",
            Self::NotConfirmed => "cli.not_confirmed",
            Self::TimedOut { .. } => "cli.timed_out",
            Self::Rotation { .. } => "cli.rotation_invalid",
            Self::LogUnknown => "cli.log_unknown",
            Self::Policy { .. } | Self::Verify(VerifyError::Policy(_)) => "cli.policy_invalid",
            Self::Journal { .. } => "cli.journal_invalid",
            Self::Verify(
                VerifyError::Bundle(BundleError::NotAFile(_))
                | VerifyError::Earlier(BundleError::NotAFile(_)),
            ) => "cli.bundle_tampered",
            Self::Verify(VerifyError::Bundle(_) | VerifyError::Earlier(_)) | Self::Bundle(_) => {
                "cli.bundle_unreadable"
            }
            Self::NoLine { .. } | Self::ProofMalformed | Self::Proof(_) => "cli.answer_unreadable",
            Self::Archive(_) => "cli.archive_unreadable",
            Self::ArchiveEmpty => "cli.archive_empty",
            Self::Resume(error) => error.code(),
            Self::NoSuchAggregate(_) => "cli.not_in_evidence",
            Self::PartNotSealed => "cli.part_not_sealed",
            Self::Checkpoint(_) => "cli.checkpoint_not_believed",
            Self::Receipt { .. } => "cli.receipt_invalid",
            #[cfg(feature = "witness")]
            Self::Witness(error) => error.code(),
            #[cfg(feature = "restore")]
            Self::Restore(error) => error.code(),
            Self::Other(error) if error.is::<PortTaken>() => "cli.port_taken",
            Self::Other(error) => error.downcast_ref().map_or("cli.failed", client_code),
        }
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Api(source) | Self::Command { source, .. } => client_exit(source),
            Self::Config { .. }
            | Self::NoToken
            | Self::ConfirmationNeeded
            | Self::LogUnknown
            | Self::Rotation { .. }
            | Self::Receipt { .. }
            | Self::Journal { .. }
            | Self::Policy { .. } => Exit::Usage,
            Self::NotOpen { .. } => Exit::Conflict,
            Self::Checkpoint(CheckpointError::Quorum { .. })
            | Self::PartNotSealed
            | Self::ArchiveEmpty => Exit::VerificationIncomplete,
            Self::NoSuchAggregate(_) => Exit::NotFound,
            Self::Mismatch(_)
            | Self::Checkpoint(_)
            | Self::Verify(
                VerifyError::Bundle(BundleError::NotAFile(_))
                | VerifyError::Earlier(BundleError::NotAFile(_)),
            ) => Exit::VerificationFailed,
            Self::Verify(_) => Exit::VerificationIncomplete,
            Self::ReadFile { .. }
            | Self::WriteFile { .. }
            | Self::Exists { .. }
            | Self::Key { .. }
            | Self::KeyMode { .. }
            | Self::Randomness(_)
            | Self::SqlTooLarge { .. }
            | Self::NotConfirmed
            | Self::TimedOut { .. }
            | Self::Bundle(_)
            | Self::NoLine { .. }
            | Self::ProofMalformed
            | Self::Proof(_)
            | Self::Resume(_)
            | Self::Archive(_) => Exit::Failure,
            #[cfg(feature = "witness")]
            Self::Witness(_) => Exit::Failure,
            #[cfg(feature = "restore")]
            Self::Restore(error) => error.exit(),
            Self::Other(error) => error.downcast_ref().map_or(Exit::Failure, client_exit),
        }
    }

    /// The whole message: `error: <sentence> (<code>)`, the members that are wrong, and what to do next.
    pub fn told(&self) -> String {
        let (sentence, code) = (one_line(&self.sentence()), one_line(self.code()));
        let mut lines = vec![format!("error: {sentence} ({code})")];
        if let Some(ClientError::Problem(problem)) = self.client() {
            let member = |member: &FieldError| {
                let FieldError { pointer, detail, code } = member;
                format!("  {}", one_line(&format!("{pointer}: {detail} ({code})")))
            };
            lines.extend(problem.errors.iter().map(member));
            let trace = problem.trace_id.as_ref().filter(|_| problem.status >= 500);
            lines.extend(trace.map(|trace| format!("  trace id {}", one_line(trace))));
        }
        lines.extend(self.next_step().map(|step| one_line(&step)));
        lines.join("\n")
    }

    fn client(&self) -> Option<&ClientError> {
        match self {
            Self::Api(source) | Self::Command { source, .. } => Some(source),
            Self::Other(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// The error and its causes.
    fn sentence(&self) -> String {
        if let Some(ClientError::Problem(problem)) = self.client() {
            return problem.detail.clone().unwrap_or_else(|| problem.title.clone());
        }
        if let Self::Config { path, source } = self {
            // Not its whole text: that quotes the file's line, which may hold the token.
            return format!(
                "the configuration {} is not valid: {}",
                path.display(),
                source.message()
            );
        }
        let first: &dyn Error = if let Self::Command { source, .. } = self { source } else { self };
        let mut sentence = first.to_string();
        let mut cause = first.source();
        while let Some(error) = cause {
            sentence.push_str(": ");
            sentence.push_str(&error.to_string());
            cause = error.source();
        }
        sentence
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Self::Command { key, source } if may_have_been_recorded(source) => Some(format!(
                "It may have been recorded: send it again with --idempotency-key {key}"
            )),
            Self::Api(ClientError::Transport { .. })
            | Self::Command { source: ClientError::Transport { .. }, .. } => Some(
                "Is it running there? `countersign dev` starts everything on this machine; \
                 --api-url and --query-url say where else"
                    .to_owned(),
            ),
            Self::NoToken => Some(
                "Set COUNTERSIGN_TOKEN or COUNTERSIGN_TOKEN_FILE; `countersign dev` shows \
                 where those for development are"
                    .to_owned(),
            ),
            Self::KeyMode { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::ConfirmationNeeded => {
                Some("Review the change above, then add --yes to sign it".to_owned())
            }
            Self::Resume(error) => Some(error.next_step().to_owned()),
            Self::LogUnknown => Some("Name the log with --log".to_owned()),
            #[cfg(feature = "restore")]
            Self::Restore(error) => error.next_step().map(str::to_owned),
            _ if self.client().and_then(ClientError::code).is_some_and(is_about_the_token) => Some(
                "Check COUNTERSIGN_TOKEN or COUNTERSIGN_TOKEN_FILE: `countersign dev` shows where \
                 those for development are"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn is_about_the_token(code: &str) -> bool {
    matches!(code, "auth.missing" | "auth.invalid_token")
}

/// Whether the command may stand in the log although no receipt came.
fn may_have_been_recorded(error: &ClientError) -> bool {
    match error {
        ClientError::Problem(problem) => problem.status >= 500 || problem.code == "http.in_flight",
        ClientError::Transport { source, .. } => !source.is_connect(),
        ClientError::Answer { .. } => true,
        ClientError::Request(_) => false,
    }
}

/// A port that `countersign dev` was told to use.
#[derive(Debug, thiserror::Error)]
#[error("port {port} for {listener} is taken: name another one, or none and a free one is taken")]
pub struct PortTaken {
    /// The port.
    pub port: u16,
    /// What it was for.
    pub listener: &'static str,
    /// What the system says.
    pub source: io::Error,
}

fn client_code(error: &ClientError) -> &str {
    match error {
        ClientError::Problem(problem) => &problem.code,
        ClientError::Transport { .. } => "cli.api_unreachable",
        ClientError::Answer { .. } => "cli.answer_unreadable",
        ClientError::Request(_) => "cli.request_invalid",
    }
}

fn client_exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Problem(problem) => Exit::of_status(problem.status),
        ClientError::Transport { .. } | ClientError::Answer { .. } | ClientError::Request(_) => {
            Exit::Failure
        }
    }
}

/// On one line and safe to print: servers and files can say anything.
fn one_line(text: &str) -> String {
    sql::escaped(&text.trim().replace(['\n', '\t'], " "))
}

#[cfg(test)]
mod tests;
