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
use super::resume::{Begun, Found, Keeper};
use super::seal::Served;
use super::verify::concluded;
use crate::error::CliError;
use crate::output::Output;
use archive::{Archive, ArchiveError, ObjectName, lines};
use futures::StreamExt as _;
use ledger::line::MAX_LINE_BYTES;
use ledger::{
    BlobRef, CheckpointNote, Commit, CommitHash, Envelope, IdText, Kept, Line, Origin, Policy,
    Slug, Snapshot, Verifier, VerifyError, blob_refs,
};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::time::Duration;
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

/// Where a verification is kept from which a later one goes on.
#[derive(Clone, Copy)]
pub struct Resumed<'a> {
    /// The file.
    pub path: &'a Path,
    /// How often it is written.
    pub every: Duration,
    /// Of the policy file.
    pub policy: Sha256Digest,
}

/// What a verification came to.
pub struct Verified<'a> {
    /// On the record and on what it claims.
    pub conclusion: Conclusion,
    /// The chains of the aggregate that was asked for.
    pub chains: Option<Result<Vec<Chain>, CliError>>,
    /// What is to be finished once the conclusion is told.
    pub keeper: Option<Keeper<'a>>,
}

/// Verifies an archive.
pub async fn verify<'a>(
    archive: &Archive,
    asked: Asked<'_>,
    resumed: Option<Resumed<'a>>,
    output: &'a Output,
) -> Result<Verified<'a>, CliError> {
    let (mut reading, mut keeper) = match resumed {
        None => (Reading::start(&sealed(archive).await?, &asked)?, None),
        Some(resumed) => {
            let (reading, keeper) = resume(archive, &asked, resumed, output).await?;
            (reading, Some(keeper))
        }
    };
    let mut way = Way { archive, output, keeper: keeper.as_mut() };
    reading.lines(&mut way, asked.shard).await?;
    reading.blobs(&mut way).await?;
    reading.conclude(archive, &asked, keeper)
}

/// Begins, or goes on from what was kept.
async fn resume<'a>(
    archive: &Archive,
    asked: &Asked<'_>,
    Resumed { path, every, policy }: Resumed<'a>,
    output: &'a Output,
) -> Result<(Reading, Keeper<'a>), CliError> {
    let Some(found) = Found::read(path)? else {
        let served = sealed(archive).await?;
        let reading = Reading::start(&served, asked)?;
        let begun = Begun::of(asked, policy, &served, &reading.verifier)?;
        return Ok((reading, Keeper::new((path, every), begun, 0, output)?));
    };
    // The archive may have grown: what was begun ends where it was to end.
    let served = found.begun().served();
    let start = Reading::start(&served, asked)?;
    let begun = Begun::of(asked, policy, &served, &start.verifier)?;
    let (snapshot, state): (Snapshot, State) = found.state(&begun)?;
    if !holds(archive, &served).await? {
        return Err(found.of_another("the checkpoint of the archive").into());
    }
    let verifier = snapshot.resume(asked.policy, asked.origin, asked.shard);
    let verifier = verifier.map_err(VerifyError::Policy)?;
    let reading = Reading { verifier, size: served.size, state };
    let after = reading.state.after;
    output.talk(&format!("going on after sequence {after}, as kept in {}", path.display()));
    Ok((reading, Keeper::new((path, every), begun, after, output)?))
}

/// Whether an archive still holds a checkpoint that it stood under.
async fn holds(archive: &Archive, served: &Served) -> Result<bool, CliError> {
    let newest = sealed(archive).await?;
    if newest.size < served.size {
        return Ok(false);
    }
    let same = if newest.size == served.size {
        Some(newest.note)
    } else {
        archive.get(&ObjectName::Note { size: served.size }).await?.map(Into::into)
    };
    let root = |note: &[u8]| CheckpointNote::parse(note).map(|note| note.claim().head());
    Ok(same.is_some_and(|same| root(&same).is_ok_and(|found| root(&served.note) == Ok(found))))
}

/// The checkpoint that an archive stands under.
pub async fn sealed(archive: &Archive) -> Result<Served, CliError> {
    let note = archive.newest_checkpoint().await?.ok_or(CliError::ArchiveEmpty)?;
    let size = CheckpointNote::parse(&note).map_err(CliError::Checkpoint)?.claim().size;
    Ok(Served { note: note.to_vec(), size })
}

/// What a verification goes through.
struct Way<'a, 'b> {
    archive: &'a Archive,
    output: &'a Output,
    keeper: Option<&'a mut Keeper<'b>>,
}

/// How far a verification is, and what it found.
struct Reading {
    verifier: Verifier,
    /// The size of the checkpoint: what comes after it is left out.
    size: u64,
    state: State,
}

/// What is kept beside the verifier.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// The last line.
    after: u64,
    /// The end of the last segment.
    read_to: u64,
    lines: u64,
    /// What good commits say.
    evidence: Evidence,
    /// What all commits say, once that is not the same: an export makes its copies of it.
    told: Option<Box<Evidence>>,
    /// Blobs that commits name, good or not, and of which tenant.
    named: BTreeMap<Sha256Digest, Slug>,
    /// The last of them that was looked for.
    looked_for: Option<Sha256Digest>,
    blobs: u64,
    chains: Option<Chains>,
}

impl Reading {
    fn start(served: &Served, asked: &Asked<'_>) -> Result<Self, CliError> {
        let Asked { origin, shard, policy, kept, aggregate } = asked;
        let verifier = Verifier::new(policy, origin, shard).map_err(VerifyError::Policy)?;
        let verifier = verifier.sealed_by(&served.note).ending_at(served.size);
        let chains = aggregate.map(|id| Chains::of(id.clone()));
        Ok(Self {
            verifier: verifier.against(kept, policy, shard)?,
            size: served.size,
            state: State { chains, ..State::default() },
        })
    }

    /// Every segment that was not read yet.
    async fn lines(&mut self, way: &mut Way<'_, '_>, shard: &Slug) -> Result<(), CliError> {
        let mut progress = Progress::going_on(way.output, "commits", self.state.lines);
        let mut segments = std::pin::pin!(way.archive.read_log(self.state.read_to).await?);
        while let Some(read) = segments.next().await {
            let (segment, bytes) = self.kept_if_failed(way, read)?;
            if segment.from() >= self.size {
                break;
            }
            for line in lines(bytes) {
                if let Some(keeper) = &mut way.keeper {
                    keeper.look()?;
                }
                if self.state.step(&line, self.size)? {
                    self.line(&line, shard);
                    progress.step();
                }
            }
            self.state.lines = progress.count();
            self.state.read_to = segment.to();
            self.pass(way)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], shard: &Slug) {
        let mut good = None;
        // A line that is too long for any reader comes as several damaged ones, as from a file.
        for piece in line.chunks(MAX_LINE_BYTES.saturating_add(1)) {
            good = self.verifier.line(piece);
        }
        match good {
            Some(commit) => self.state.good(&commit, shard),
            None => self.state.other(line),
        }
    }

    /// Every blob that was not looked for yet.
    async fn blobs(&mut self, way: &mut Way<'_, '_>) -> Result<(), CliError> {
        let mut progress = Progress::going_on(way.output, "blobs", self.state.blobs);
        while let Some((sha256, tenant)) = self.state.next_blob() {
            let found = way.archive.blob(sha256).await;
            if let Some(bytes) = self.kept_if_failed(way, found)? {
                self.verifier.blob(sha256, &bytes);
                progress.step();
            } else {
                way.output.talk(&format!("the blob {sha256} of {tenant} is missing"));
            }
            self.state.looked_for = Some(sha256);
            self.state.blobs = progress.count();
            self.pass(way)?;
        }
        Ok(())
    }

    /// At a place from which another process could go on.
    fn pass(&self, way: &mut Way<'_, '_>) -> Result<(), CliError> {
        let state = (&self.verifier, &self.state);
        way.keeper.as_mut().map_or(Ok(()), |keeper| keeper.pass(&state, self.state.after))
    }

    /// What was read at such a place; a failure there costs nothing that was verified.
    fn kept_if_failed<T>(
        &self,
        way: &mut Way<'_, '_>,
        read: Result<T, ArchiveError>,
    ) -> Result<T, CliError> {
        if read.is_err()
            && let Some(keeper) = &mut way.keeper
        {
            keeper.keep(&(&self.verifier, &self.state), self.state.after)?;
        }
        Ok(read?)
    }

    fn conclude<'a>(
        self,
        archive: &Archive,
        asked: &Asked<'_>,
        keeper: Option<Keeper<'a>>,
    ) -> Result<Verified<'a>, CliError> {
        let State { evidence, told, named, chains, .. } = self.state;
        let blobs = OfArchive { archive, named: &named, failed: OnceCell::new() };
        let copies = told.map(|told| copies::contradicted(&told, &evidence, &blobs));
        let (report, copies) = (self.verifier.finish(), copies.unwrap_or_default());
        let conclusion = concluded(report, &evidence, asked.policy, &blobs, copies);
        // A blob that could not be read is not a missing one.
        blobs.failed.into_inner().map_or(Ok(()), Err)?;
        Ok(Verified { conclusion, chains: chains.map(Chains::into_found), keeper })
    }
}

impl State {
    /// Goes to a line; whether it is one of those that the checkpoint seals.
    fn step(&mut self, line: &[u8], size: u64) -> Result<bool, CliError> {
        let is_whole = line.ends_with(b"\n");
        let sequence = sequence(line).filter(|found| is_whole && *found > self.after);
        self.after = sequence.ok_or(CliError::NoLine { after: self.after })?;
        Ok(self.after <= size)
    }

    fn good(&mut self, commit: &Commit, shard: &Slug) {
        self.name_blobs(commit);
        self.evidence.take_in(commit);
        if let Some(told) = &mut self.told {
            told.take_in(commit);
        }
        if let Some(chains) = &mut self.chains {
            chains.take_in(commit, shard);
        }
    }

    /// What a message that is not good says, if it says anything.
    fn other(&mut self, line: &[u8]) {
        let Ok(line) = Line::parse(line) else { return };
        let Ok(envelope) = Envelope::parse(&line.payload) else { return };
        let hash = CommitHash::of(&line.payload);
        let commit = Commit { sequence: line.sequence, hash, envelope };
        self.name_blobs(&commit);
        let told = self.told.get_or_insert_with(|| Box::new(self.evidence.clone()));
        told.take_in(&commit);
    }

    fn name_blobs(&mut self, Commit { envelope, .. }: &Commit) {
        for BlobRef { sha256, .. } in envelope.events.iter().flat_map(|e| blob_refs(&e.data)) {
            self.named.insert(sha256, envelope.tenant.clone());
        }
    }

    fn next_blob(&self) -> Option<(Sha256Digest, Slug)> {
        let from = self.looked_for.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.named.range((from, Bound::Unbounded)).next();
        next.map(|(sha256, tenant)| (*sha256, tenant.clone()))
    }
}

/// The blobs of an archive that its commits name.
struct OfArchive<'a> {
    archive: &'a Archive,
    named: &'a BTreeMap<Sha256Digest, Slug>,
    /// The first failure to read one.
    failed: OnceCell<ArchiveError>,
}

impl Blobs for OfArchive<'_> {
    fn stored(&self, blob: &BlobRef) -> Option<Vec<u8>> {
        let sha256 = *self.named.get_key_value(&blob.sha256)?.0;
        // Statements are checked one after the other by what asks for one blob at a time.
        let found = block_in_place(|| Handle::current().block_on(self.archive.blob(sha256)));
        match found {
            Ok(found) => Some(found?.to_vec()),
            Err(error) => {
                self.failed.get_or_init(|| error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_blob_that_cannot_be_read_is_no_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let origin: Origin = "main.log.example".parse().unwrap();
        let archive = Archive::in_folder(folder.path(), &origin).unwrap();
        let [there, gone] = [b"there", b"gone!"].map(|bytes| Sha256Digest::of(bytes));
        let name = ObjectName::Blob(there).to_string();
        let path = folder.path().join(origin.as_str()).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"other").unwrap();
        let named = [there, gone].map(|sha256| (sha256, "acme".parse().unwrap())).into();
        let blobs = OfArchive { archive: &archive, named: &named, failed: OnceCell::new() };
        let blob = |sha256| BlobRef { sha256, size: 5, media_type: "text/plain".to_owned() };
        assert_eq!(blobs.stored(&blob(gone)), None);
        assert!(blobs.failed.get().is_none());
        assert_eq!(blobs.stored(&blob(there)), None);
        assert!(blobs.failed.get().is_some());
    }
}
