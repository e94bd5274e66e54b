//! A whole evidence bundle through the verifier: files, lines, blobs, and an earlier bundle to compare with.

use super::{Caveat, Expected, Fault, Finding, Report, Severity, Verifier};
use crate::blob::MAX_BLOB_BYTES;
use crate::bundle::{
    BundleError, BundleFile, BundleSource, CHECKPOINT_FILE, COMMITS_FILE, EntryKind, MANIFEST_FILE,
    MAX_MANIFEST_BYTES, Manifest, PROOFS_FILE, blob_file, is_bundle_directory,
};
use crate::checkpoint::VerifiedCheckpoint;
use crate::line::MAX_LINE_BYTES;
use crate::name::Slug;
use crate::note::MAX_NOTE_BYTES;
use crate::policy::{Policy, PolicyError};
use crate::receipt::Receipt;
use crate::tree::MAX_PROOF_LINE_BYTES;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read as _};
use trust::encoding::Sha256Digest;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bundle cannot be read.
    #[error("the bundle cannot be verified")]
    Bundle(#[from] BundleError),
    /// The earlier bundle cannot be read.
    #[error("the earlier bundle cannot be compared with")]
    Earlier(#[source] BundleError),
    /// The policy does not know the log.
    #[error("the policy does not fit the bundle")]
    Policy(#[from] PolicyError),
}

/// What the verifier kept from another time or another source, and holds against a bundle.
#[derive(Clone, Copy, Default)]
pub struct Kept<'a> {
    /// An earlier bundle: every sequence of it must be in this one with the same hash.
    pub bundle: Option<&'a dyn BundleSource>,
    /// Checkpoints of the log: the messages must make their roots.
    pub checkpoints: &'a [VerifiedCheckpoint],
    /// Receipts of the log: their commits must be at their places.
    pub receipts: &'a [Receipt],
}

/// Verifies a bundle under a policy; with `earlier`, every sequence of that bundle must be in this one with the same
/// hash. `shard` is the shard in the log's subjects (`main`).
pub fn verify_bundle(
    source: &dyn BundleSource,
    policy: &Policy,
    shard: &Slug,
    earlier: Option<&dyn BundleSource>,
) -> Result<Report, VerifyError> {
    let kept = Kept { bundle: earlier, ..Kept::default() };
    verify_bundle_against(source, policy, shard, &kept)
}

/// Verifies a bundle under a policy and against everything that the verifier kept.
pub fn verify_bundle_against(
    source: &dyn BundleSource,
    policy: &Policy,
    shard: &Slug,
    kept: &Kept<'_>,
) -> Result<Report, VerifyError> {
    let files = Files::list(source)?;
    let manifest = files.manifest(source)?;
    let verifier = opened(source, &files, &manifest, policy, shard)?;
    let mut verifier = verifier.against(kept, policy, shard)?;
    for name in files.foreign {
        verifier.add(None, None, None, Fault::ForeignFile(name));
    }
    let has_proofs = files.known.contains(&Known::Proofs);
    if files.known.contains(&Known::Commits) {
        lines_of(source, &mut verifier, has_proofs)?;
    } else {
        verifier.add(None, None, None, Fault::FileMissing(COMMITS_FILE));
    }
    for known in files.known {
        match known {
            Known::Proofs if verifier.proofs().is_none() => {
                verifier.add(None, None, None, Fault::Unchecked(PROOFS_FILE));
            }
            Known::Blob(sha256) => {
                let bytes = read(source, &blob_file(&sha256), MAX_BLOB_BYTES)?;
                verifier.blob(sha256, &bytes);
            }
            Known::Statements => verifier.caveats.push(Caveat::StatementsNotChecked),
            Known::Manifest | Known::Commits | Known::Checkpoint | Known::Proofs => {}
        }
    }
    Ok(verifier.finish())
}

impl Verifier {
    /// Holds everything that was kept against the log. Before the first line.
    pub fn against(
        mut self,
        kept: &Kept<'_>,
        policy: &Policy,
        shard: &Slug,
    ) -> Result<Self, VerifyError> {
        if let Some(earlier) = kept.bundle {
            self = self.expecting(Expected::of_bundle(earlier, policy, shard)?);
        }
        for checkpoint in kept.checkpoints {
            self = self.expecting_checkpoint(checkpoint);
        }
        for receipt in kept.receipts {
            self = self.expecting_receipt(receipt);
        }
        Ok(self)
    }
}

/// A verifier that knows what the bundle says about itself, and the checkpoint that it brings.
fn opened(
    source: &dyn BundleSource,
    files: &Files,
    manifest: &Manifest,
    policy: &Policy,
    shard: &Slug,
) -> Result<Verifier, VerifyError> {
    let mut verifier = Verifier::new(policy, &manifest.log, shard)?.within(manifest.scope()?);
    if files.known.contains(&Known::Checkpoint) {
        let limit = u64::try_from(MAX_NOTE_BYTES).unwrap_or(u64::MAX);
        verifier = verifier.sealed_by(&read(source, CHECKPOINT_FILE, limit)?);
    }
    let stated = manifest.tree_size;
    let sealed = verifier.sealed.as_ref().map_or(stated, |sealed| sealed.size);
    if sealed != stated {
        verifier.add(None, None, None, Fault::TreeSize { stated, sealed });
    }
    Ok(verifier.ending_at(sealed))
}

/// What a bundle says about itself.
pub fn manifest_of(source: &dyn BundleSource) -> Result<Manifest, BundleError> {
    Files::list(source)?.manifest(source)
}

/// Takes in every line that a reader holds, to its end.
pub fn verify_commits(verifier: &mut Verifier, reader: &mut dyn BufRead) -> io::Result<()> {
    let mut line = Vec::new();
    while next_line(reader, MAX_LINE_BYTES, &mut line)? {
        verifier.line(&line);
    }
    Ok(())
}

/// Reads a line into `line`; `false` at the end. A line without an end must not fill the memory: what is longer than
/// `longest` comes as several damaged lines.
fn next_line(reader: &mut dyn BufRead, longest: usize, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let longest = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    Ok(reader.take(longest).read_until(b'\n', line)? > 0)
}

impl Expected {
    /// The hashes of an earlier bundle, recomputed from its payloads and verified under the same policy.
    pub fn of_bundle(
        earlier: &dyn BundleSource,
        policy: &Policy,
        shard: &Slug,
    ) -> Result<Self, VerifyError> {
        let files = Files::list(earlier).map_err(VerifyError::Earlier)?;
        let manifest = files.manifest(earlier).map_err(VerifyError::Earlier)?;
        let mut verifier = opened(earlier, &files, &manifest, policy, shard)?;
        verifier.seen = Some(BTreeMap::new());
        if files.is_spoilt(COMMITS_FILE, Known::Commits) {
            return Err(VerifyError::Earlier(BundleError::NotAFile(COMMITS_FILE)));
        }
        let has_proofs = files.known.contains(&Known::Proofs);
        lines_of(earlier, &mut verifier, has_proofs).map_err(VerifyError::Earlier)?;
        let hashes = verifier.seen.take().unwrap_or_default();
        let report = verifier.finish_without_blobs();
        let damaged = report
            .first_bad()
            .filter(|finding| finding.fault.severity() == Severity::Tampering)
            .map(|finding| finding.line.unwrap_or_default());
        let lacks = |finding: &&Finding| matches!(finding.fault, Fault::Missing { .. });
        let incomplete = report.findings.iter().find(lacks).and_then(|finding| finding.sequence);
        Ok(Self { origin: manifest.log, hashes, damaged, incomplete })
    }
}

/// What a verifier does with a file, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Manifest,
    Commits,
    Checkpoint,
    Proofs,
    Blob(Sha256Digest),
    Statements,
}

struct Files {
    known: BTreeSet<Known>,
    foreign: Vec<String>,
    names: BTreeSet<String>,
}

impl Files {
    fn list(source: &dyn BundleSource) -> Result<Self, BundleError> {
        let (mut known, mut foreign) = (BTreeSet::new(), Vec::new());
        let mut names = BTreeSet::new();
        for entry in source.entries().map_err(BundleError::List)? {
            // A tar can hold one name twice, and two readers would see two things.
            let is_new = names.insert(entry.name.clone());
            let file = match entry.kind {
                EntryKind::Directory if is_new && is_bundle_directory(&entry.name) => continue,
                EntryKind::Directory | EntryKind::Other => None,
                EntryKind::File => BundleFile::named(&entry.name),
            };
            match file.filter(|_| is_new) {
                Some(BundleFile::Manifest) => known.insert(Known::Manifest),
                Some(BundleFile::Commits) => known.insert(Known::Commits),
                Some(BundleFile::Checkpoint) => known.insert(Known::Checkpoint),
                Some(BundleFile::Proofs) => known.insert(Known::Proofs),
                Some(BundleFile::Blob(sha256)) => known.insert(Known::Blob(sha256)),
                Some(BundleFile::Statement | BundleFile::Root) => known.insert(Known::Statements),
                None => {
                    foreign.push(entry.name);
                    false
                }
            };
        }
        Ok(Self { known, foreign, names })
    }

    /// Whether something of this name is there, and is not the one regular file that it should be.
    fn is_spoilt(&self, name: &str, known: Known) -> bool {
        self.names.contains(name) && !self.known.contains(&known)
    }

    fn manifest(&self, source: &dyn BundleSource) -> Result<Manifest, BundleError> {
        if self.is_spoilt(MANIFEST_FILE, Known::Manifest) {
            return Err(BundleError::NotAFile(MANIFEST_FILE));
        }
        if !self.known.contains(&Known::Manifest) {
            return Err(BundleError::NoManifest);
        }
        Manifest::parse(&read(source, MANIFEST_FILE, MAX_MANIFEST_BYTES)?)
    }
}

/// All lines, each after its proof: both files are in the order of the log.
fn lines_of(
    source: &dyn BundleSource,
    verifier: &mut Verifier,
    has_proofs: bool,
) -> Result<(), BundleError> {
    let failed =
        |name: &'static str| move |source| BundleError::Read { name: name.to_owned(), source };
    let mut lines = source.open(COMMITS_FILE).map_err(failed(COMMITS_FILE))?;
    let mut proofs = None;
    if has_proofs {
        proofs = Some(source.open(PROOFS_FILE).map_err(failed(PROOFS_FILE))?);
    }
    let (mut line, mut proof) = (Vec::new(), Vec::new());
    let mut next_proof = |verifier: &mut Verifier| {
        let Some(proofs) = &mut proofs else { return Ok(false) };
        let is_there = next_line(proofs, MAX_PROOF_LINE_BYTES, &mut proof);
        let is_there = is_there.map_err(failed(PROOFS_FILE))?;
        if is_there {
            verifier.proof(&proof);
        }
        Ok(is_there)
    };
    while next_line(&mut lines, MAX_LINE_BYTES, &mut line).map_err(failed(COMMITS_FILE))? {
        next_proof(verifier)?;
        verifier.line(&line);
    }
    while next_proof(verifier)? {}
    Ok(())
}

/// At most `limit` bytes and one more, by which a reader sees that there are too many.
fn read(source: &dyn BundleSource, name: &str, limit: u64) -> Result<Vec<u8>, BundleError> {
    let failed = |source| BundleError::Read { name: name.to_owned(), source };
    let mut bytes = Vec::new();
    let reader = source.open(name).map_err(failed)?;
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
