//! The checkpoint that an export stands under: the newest one, once it covers what the log held when it was asked.

use crate::error::CliError;
use crate::output::Output;
use crate::session::Session;
use client::reads::LogBody;
use ledger::{CheckpointNote, Origin};
use std::time::{Duration, Instant};

/// How long a message may wait for its seal before an export goes without it.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(100);

/// A checkpoint as it was served: nobody has verified it here.
#[derive(Debug)]
pub struct Served {
    /// The exact bytes.
    pub note: Vec<u8>,
    /// How many messages it says that it seals.
    pub size: u64,
}

/// The checkpoint of an export of everything up to `last`; none if the log is not sealed, or shown unsealed.
pub async fn covering(
    session: &Session,
    output: &Output,
    origin: &Origin,
    last: u64,
) -> Result<Option<Served>, CliError> {
    let began = Instant::now();
    loop {
        let body: LogBody = session.query.get(&format!("/v1/logs/{origin}")).await?;
        let Some(sealed) = body.sealed_size else { return Ok(None) };
        if sealed < last && began.elapsed() < PATIENCE {
            tokio::time::sleep(STEP).await;
            continue;
        }
        let served = served(session, origin).await?;
        if let Some(left) = last.checked_sub(served.size).filter(|left| *left > 0) {
            output.talk(&format!("{left} newer messages are not sealed yet, and are left out"));
        }
        return Ok(Some(served));
    }
}

/// The newest checkpoint.
pub async fn served(session: &Session, origin: &Origin) -> Result<Served, CliError> {
    let note = session.query.bytes(&format!("/log/{origin}/checkpoint")).await?.to_vec();
    let size = CheckpointNote::parse(&note).map_err(CliError::Checkpoint)?.claim().size;
    Ok(Served { note, size })
}
