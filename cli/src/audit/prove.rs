//! `audit prove`: one message is under a checkpoint that the policy believes, at exactly its place.

use super::export::proof_line;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::session::Session;
use client::reads::InclusionBody;
use ledger::{CheckpointNote, CommitHash, Line, LogPolicy, Receipt};
use serde_json::json;

/// What is to be proven.
#[derive(Debug)]
pub struct Claim {
    /// The message's sequence.
    pub sequence: u64,
    /// The receipt that says so, if there is one.
    pub receipt: Option<Receipt>,
}

/// Fetches message, proof and checkpoint, and believes none of them before it is checked.
pub async fn prove(
    session: &Session,
    output: &Output,
    policy: &LogPolicy,
    claim: &Claim,
) -> Result<Exit, CliError> {
    let (origin, sequence) = (&policy.origin, claim.sequence);
    let body: InclusionBody =
        session.query.get(&format!("/v1/logs/{origin}/proofs/{sequence}")).await?;
    let note = CheckpointNote::parse(body.checkpoint.as_bytes());
    let checkpoint = note.and_then(|note| note.verify(policy)).map_err(CliError::Checkpoint)?;
    let hash = message(session, policy, sequence).await?;
    let proof = proof_line(&body)?.inclusion;
    let head = checkpoint.head();
    let mut wrong = Vec::new();
    if proof.tree_size != head.size {
        wrong.push("the proof is of another tree than the checkpoint's".to_owned());
    }
    if let Err(error) = proof.verify_commit(sequence, &hash, &head.root) {
        wrong.push(format!("the checkpoint does not hold the message: {error}"));
    }
    if let Some(receipt) = &claim.receipt {
        if let Err(error) = receipt.verify(&policy.writers) {
            wrong.push(format!("the receipt is not the log's: {error}"));
        } else if receipt.hash != hash || receipt.log != *origin {
            wrong.push(format!(
                "the writer acknowledged {}, and the log holds {hash}: keep the receipt, it proves it",
                receipt.hash
            ));
        }
    }
    let holds = wrong.is_empty();
    let verdict = if holds { "proven" } else { "tampered" };
    let value = json!({
        "verdict": verdict, "sequence": sequence, "hash": hash, "wrong": wrong,
        "size": head.size, "root": head.root, "sealed_at": checkpoint.sealed_at(),
        "witnesses": checkpoint.cosigned(), "is_witnessed": checkpoint.is_witnessed(),
        "proof": body.path, "checkpoint": body.checkpoint,
    });
    let (size, root) = (head.size.to_string(), head.root.to_string());
    let (place, hash, wrong) = (sequence.to_string(), hash.to_string(), wrong.join("; "));
    let members = [
        ("verdict", verdict),
        ("sequence", place.as_str()),
        ("hash", &hash),
        ("checkpoint", &size),
        ("root", &root),
        ("wrong", if holds { "nothing" } else { &wrong }),
    ];
    output.document(&Document::record(value, verdict, &members))?;
    Ok(if holds { Exit::Ok } else { Exit::VerificationFailed })
}

/// The hash of the message's real bytes.
async fn message(
    session: &Session,
    policy: &LogPolicy,
    sequence: u64,
) -> Result<CommitHash, CliError> {
    let after = sequence.saturating_sub(1);
    let path = format!("/v1/logs/{}/commits?after={after}", policy.origin);
    let mut chunks = session.query.stream(&path).await?;
    let mut pending = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        pending.extend_from_slice(&chunk);
        if let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            pending.truncate(end + 1);
            break;
        }
    }
    let line = Line::parse(&pending).ok().filter(|line| line.sequence == sequence);
    line.map(|line| CommitHash::of(&line.payload)).ok_or(CliError::NoLine { after })
}
