//! Where a log is copied from: the live one through query-api, or its archive, without any server.

use super::archived;
use super::export::proof_line;
use super::seal::{self, Served};
use crate::error::CliError;
use crate::output::Output;
use crate::session::Session;
use archive::{Archive, ArchiveError, Segment};
use bytes::Bytes;
use client::reads::{InclusionBody, LogBody};
use client::{Chunks, ClientError};
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use ledger::tree::{inclusion_proof, inclusion_tiles};
use ledger::{CheckpointNote, Origin, ProofLine, Slug};
use trust::encoding::Sha256Digest;

/// One of the two.
#[derive(Debug)]
pub enum CopiedFrom {
    /// query-api, as one person.
    Live(Box<Session>),
    /// The archive.
    Archive(Archive),
}

/// Pieces of lines, in the order of the log.
pub enum Pieces {
    /// From query-api.
    Live(Chunks),
    /// Segments of the archive.
    Archive(BoxStream<'static, Result<(Segment, Bytes), ArchiveError>>),
}

impl Pieces {
    /// The next one; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CliError> {
        match self {
            Self::Live(chunks) => Ok(chunks.next().await?),
            Self::Archive(segments) => Ok(segments.try_next().await?.map(|(_, bytes)| bytes)),
        }
    }
}

impl CopiedFrom {
    /// The log's last sequence, and the checkpoint that a copy stands under.
    pub async fn end(
        &self,
        output: &Output,
        origin: &Origin,
    ) -> Result<(u64, Option<Served>), CliError> {
        match self {
            // Before the lines: what is lost at the end is then missed.
            Self::Live(session) => {
                let body: LogBody = session.query.get(&format!("/v1/logs/{origin}")).await?;
                let served = seal::covering(session, output, origin, body.last_sequence).await?;
                Ok((body.last_sequence, served))
            }
            Self::Archive(archive) => {
                let served = archived::sealed(archive).await?;
                Ok((served.size, Some(served)))
            }
        }
    }

    /// The lines after a sequence; an archive may begin with some before it.
    pub async fn lines(&self, origin: &Origin, after: u64) -> Result<Pieces, CliError> {
        match self {
            Self::Live(session) => {
                let path = format!("/v1/logs/{origin}/commits?after={after}");
                Ok(Pieces::Live(session.query.stream(&path).await?))
            }
            Self::Archive(archive) => Ok(Pieces::Archive(archive.read_log(after).await?.boxed())),
        }
    }

    /// A blob; none if it is not there.
    pub async fn blob(
        &self,
        origin: &Origin,
        tenant: &Slug,
        sha256: Sha256Digest,
    ) -> Result<Option<Bytes>, CliError> {
        match self {
            Self::Live(session) => {
                let path = format!("/v1/logs/{origin}/blobs/{tenant}/{sha256}");
                match session.query.bytes(&path).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Archive(archive) => Ok(archive.blob(sha256).await?),
        }
    }

    /// The line of `proofs.ndjson` for a sequence.
    pub async fn proof(
        &self,
        origin: &Origin,
        sequence: u64,
        under: &Served,
    ) -> Result<Vec<u8>, CliError> {
        let line = match self {
            Self::Live(session) => {
                let size = under.size;
                let path = format!("/v1/logs/{origin}/proofs/{sequence}?size={size}");
                proof_line(&session.query.get::<InclusionBody>(&path).await?)?
            }
            Self::Archive(archive) => {
                let note = CheckpointNote::parse(&under.note).map_err(CliError::Checkpoint)?;
                let (head, index) = (note.claim().head(), sequence.saturating_sub(1));
                let tiles = archive.tiles(&inclusion_tiles(index, head.size)).await?;
                let proof = inclusion_proof(index, &head, &tiles);
                let (_, inclusion) = proof.map_err(|error| CliError::Other(error.into()))?;
                ProofLine { inclusion }
            }
        };
        line.encode().map_err(CliError::Proof)
    }
}
