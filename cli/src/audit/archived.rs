//! `audit verify --archive`: segment by segment out of the archive, in bounded memory and without a copy of it.
//!
//! What it says is what a bundle that was exported from the archive and verified would say.

use super::aggregate::{Chain, Chains};
use super::blobs::Blobs;
use super::conclusion::Conclusion;
use super::copies;
use super::evidence::Evidence;
use super::export::sequence;
use super::progress::Progress;
use super::seal::Served;
use super::verify::concluded;
use crate::error::CliError;
use crate::output::Output;
use archive::{Archive, lines};
use bytes::Bytes;
use futures::TryStreamExt as _;
use ledger::line::MAX_LINE_BYTES;
use ledger::{
    BlobRef, CheckpointNote, Commit, CommitHash, Envelope, IdText, Kept, Line, Origin, Policy,
    Slug, Verifier, VerifyError, blob_refs,
};
use std::collections::BTreeMap;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use trust::encoding::Sha256Digest;

/// What is to be said about an archive.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Of which log.
    pub origin: &'a Origin,
    /// The shard in its subjects.
    pub shard: &'a Slug,
    /// What is trusted.
    pub policy: &'a Policy,
    /// What was kept from another time.
    pub kept: Kept<'a>,
    /// An aggregate whose chain is to be told, too.
    pub aggregate: Option<&'a IdText>,
}

/// Verifies an archive; answers the chains of the aggregate that was asked for.
pub async fn verify(
    archive: &Archive,
    asked: Asked<'_>,
    output: &Output,
) -> Result<(Conclusion, Option<Result<Vec<Chain>, CliError>>), CliError> {
    let mut reading = Reading::start(&sealed(archive).await?, &asked)?;
    reading.lines(archive, &asked, output).await?;
    reading.blobs(archive, output).await?;
    Ok(reading.conclude(archive, &asked))
}

/// The checkpoint that an archive stands under.
pub async fn sealed(archive: &Archive) -> Result<Served, CliError> {
    let note = archive.newest_checkpoint().await?.ok_or(CliError::ArchiveEmpty)?;
    let size = CheckpointNote::parse(&note).map_err(CliError::Checkpoint)?.claim().size;
    Ok(Served { note: note.to_vec(), size })
}

/// How far a verification is, and what it found.
struct Reading {
    verifier: Verifier,
    /// The size of the checkpoint: what comes after it is left out.
    size: u64,
    /// The last line.
    after: u64,
    /// What good commits say.
    evidence: Evidence,
    /// What all commits say, once that is not the same: an export makes its copies of it.
    told: Option<Box<Evidence>>,
    /// Blobs that commits name, good or not, and of which tenant.
    named: BTreeMap<Sha256Digest, Slug>,
    chains: Option<Chains>,
}

impl Reading {
    fn start(served: &Served, asked: &Asked<'_>) -> Result<Self, CliError> {
        let Asked { origin, shard, policy, kept, aggregate } = asked;
        let verifier = Verifier::new(policy, origin, shard).map_err(VerifyError::Policy)?;
        let verifier = verifier.sealed_by(&served.note).ending_at(served.size);
        Ok(Self {
            verifier: verifier.against(kept, policy, shard)?,
            size: served.size,
            after: 0,
            evidence: Evidence::default(),
            told: None,
            named: BTreeMap::new(),
            chains: aggregate.map(|id| Chains::of(id.clone())),
        })
    }

    async fn lines(
        &mut self,
        archive: &Archive,
        asked: &Asked<'_>,
        output: &Output,
    ) -> Result<(), CliError> {
        let mut progress = Progress::of(output, "commits");
        let mut segments = std::pin::pin!(archive.read_log(0).await?);
        while let Some((segment, bytes)) = segments.try_next().await? {
            if segment.from() >= self.size {
                break;
            }
            self.segment(bytes, asked.shard, &mut progress)?;
        }
        Ok(())
    }

    fn segment(
        &mut self,
        bytes: Bytes,
        shard: &Slug,
        progress: &mut Progress<'_>,
    ) -> Result<(), CliError> {
        for line in lines(bytes) {
            let is_whole = line.ends_with(b"\n");
            let sequence = sequence(&line).filter(|found| is_whole && *found > self.after);
            self.after = sequence.ok_or(CliError::NoLine { after: self.after })?;
            if self.after <= self.size {
                self.line(&line, shard);
                progress.step();
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], shard: &Slug) {
        let mut good = None;
        // A line that is too long for any reader comes as several damaged ones, as from a file.
        for piece in line.chunks(MAX_LINE_BYTES.saturating_add(1)) {
            good = self.verifier.line(piece);
        }
        if let Some(commit) = good {
            self.name_blobs(&commit);
            self.evidence.take_in(&commit);
            if let Some(told) = &mut self.told {
                told.take_in(&commit);
            }
            if let Some(chains) = &mut self.chains {
                chains.take_in(&commit, shard);
            }
        } else if let Some(commit) = unjudged(line) {
            self.name_blobs(&commit);
            let told = self.told.get_or_insert_with(|| Box::new(self.evidence.clone()));
            told.take_in(&commit);
        }
    }

    fn name_blobs(&mut self, Commit { envelope, .. }: &Commit) {
        for BlobRef { sha256, .. } in envelope.events.iter().flat_map(|e| blob_refs(&e.data)) {
            self.named.insert(sha256, envelope.tenant.clone());
        }
    }

    async fn blobs(&mut self, archive: &Archive, output: &Output) -> Result<(), CliError> {
        let mut progress = Progress::of(output, "blobs");
        for (sha256, tenant) in &self.named {
            if let Some(bytes) = archive.blob(*sha256).await? {
                self.verifier.blob(*sha256, &bytes);
                progress.step();
            } else {
                output.talk(&format!("the blob {sha256} of {tenant} is missing"));
            }
        }
        Ok(())
    }

    fn conclude(
        self,
        archive: &Archive,
        asked: &Asked<'_>,
    ) -> (Conclusion, Option<Result<Vec<Chain>, CliError>>) {
        let blobs = OfArchive { archive, named: &self.named };
        let told = self.told.as_ref();
        let copies = told.map(|told| copies::contradicted(told, &self.evidence, &blobs));
        let report = self.verifier.finish();
        let copies = copies.unwrap_or_default();
        let conclusion = concluded(report, &self.evidence, asked.policy, &blobs, copies);
        (conclusion, self.chains.map(Chains::into_found))
    }
}

/// What a message that is not good says, if it says anything.
fn unjudged(line: &[u8]) -> Option<Commit> {
    let line = Line::parse(line).ok()?;
    let envelope = Envelope::parse(&line.payload).ok()?;
    Some(Commit { sequence: line.sequence, hash: CommitHash::of(&line.payload), envelope })
}

/// The blobs of an archive that its commits name.
struct OfArchive<'a> {
    archive: &'a Archive,
    named: &'a BTreeMap<Sha256Digest, Slug>,
}

impl Blobs for OfArchive<'_> {
    fn stored(&self, blob: &BlobRef) -> Option<Vec<u8>> {
        let sha256 = *self.named.get_key_value(&blob.sha256)?.0;
        // Statements are checked one after the other by what asks for one blob at a time.
        let found = block_in_place(|| Handle::current().block_on(self.archive.blob(sha256)));
        Some(found.ok()??.to_vec())
    }
}
