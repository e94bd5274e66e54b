//! A session: both APIs, spoken to as one person.

use crate::args::{Global, Repeat};
use crate::config::{self, Settings};
use crate::error::CliError;
use client::reads::WhoamiBody;
use client::{Client, Credential, ReceiptBody};
use ledger::{Origin, PositionMark};
use serde::Serialize;
use uuid::Uuid;

/// Both APIs, as one person.
#[derive(Debug, Clone)]
pub struct Session {
    command: Client,
    /// For reads.
    pub query: Client,
    log: Option<Origin>,
}

/// A command's receipt.
#[derive(Debug)]
pub struct Recorded {
    /// The receipt.
    pub receipt: ReceiptBody,
    /// It answers an earlier try.
    pub replayed: bool,
}

/// A session as configured. Nothing is sent yet.
pub fn open(global: &Global) -> Result<Session, CliError> {
    let Settings { command_api, query_api, token, log } = config::load(global)?;
    let credential = Credential::Token(token);
    let command = Client::new(&command_api, credential.clone())?;
    Ok(Session { command, query: Client::new(&query_api, credential)?, log })
}

impl Session {
    /// Issues a command.
    pub async fn tell<B: Serialize + Sync>(
        &self,
        repeat: &Repeat,
        path: &str,
        body: &B,
    ) -> Result<Recorded, CliError> {
        let key = repeat.idempotency_key.clone();
        let key = key.unwrap_or_else(|| Uuid::now_v7().to_string());
        match self.command.command(path, &key, body).await {
            Ok(answer) => Ok(Recorded { receipt: answer.answer, replayed: answer.replayed }),
            Err(source) => Err(CliError::Command { key, source }),
        }
    }

    /// The same, issuing commands in the trace of something recorded before.
    #[must_use]
    pub fn in_trace(&self, traceparent: &str) -> Self {
        Self { command: self.command.traced(traceparent.to_owned()), ..self.clone() }
    }

    /// Who we are to the server.
    pub async fn whoami(&self) -> Result<WhoamiBody, CliError> {
        Ok(self.query.get("/v1/whoami").await?)
    }

    /// The log that was named, is configured, or is the one that query-api serves.
    pub async fn log(&self, named: Option<Origin>) -> Result<Origin, CliError> {
        if let Some(origin) = named.or_else(|| self.log.clone()) {
            return Ok(origin);
        }
        let served = self.query.served_position("/v1/whoami").await?;
        let mark = served.and_then(|text| text.parse::<PositionMark>().ok());
        Ok(mark.ok_or(CliError::LogUnknown)?.origin)
    }
}

impl Recorded {
    /// `submitted chg_..., sequence 12 of dev.example`.
    pub fn told(&self, what: &str) -> String {
        let ReceiptBody { log, sequence, aggregate, .. } = &self.receipt;
        let again = if self.replayed { " (this was recorded by an earlier try)" } else { "" };
        format!("{what} {}: sequence {sequence} of {log}{again}", aggregate.id)
    }
}
