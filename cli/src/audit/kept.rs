//! What a verifier kept from another time: checkpoints and receipts, read from files and checked by themselves.

use crate::error::CliError;
use crate::files;
use ledger::{CheckpointNote, LogPolicy, Receipt, VerifiedCheckpoint};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A receipt as an answer of command-api or of the command line holds it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Receipt(Receipt),
    Answer { receipt: Receipt },
}

/// Reads receipts.
pub fn receipts(paths: &[PathBuf]) -> Result<Vec<Receipt>, CliError> {
    let read = |path: &PathBuf| {
        let bytes = read(path, "the receipt")?;
        match serde_json::from_slice(&bytes) {
            Ok(Found::Receipt(receipt) | Found::Answer { receipt }) => Ok(receipt),
            Err(source) => Err(CliError::Receipt { path: path.clone(), source }),
        }
    };
    paths.iter().map(read).collect()
}

/// Reads checkpoints that the policy believes.
pub fn checkpoints(
    paths: &[PathBuf],
    policy: &LogPolicy,
) -> Result<Vec<VerifiedCheckpoint>, CliError> {
    let read = |path: &PathBuf| {
        let note = CheckpointNote::parse(&read(path, "the checkpoint")?);
        note.and_then(|note| note.verify(policy)).map_err(CliError::Checkpoint)
    };
    paths.iter().map(read).collect()
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, CliError> {
    let unreadable = |source| CliError::ReadFile { what, path: path.to_owned(), source };
    files::read(path).map_err(unreadable)
}
