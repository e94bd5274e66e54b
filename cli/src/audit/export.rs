//! `audit export`: the log's lines byte by byte, every blob that they name, and `bundle.json` last.

use super::blobs::OfBundle;
use super::copies;
use super::directory::Directory;
use super::evidence::Evidence;
use super::origin::CopiedFrom;
use super::part::Part;
use super::progress::Progress;
use super::seal::Served;
use crate::clock;
use crate::error::CliError;
use crate::output::Output;
use client::ClientError;
use client::reads::InclusionBody;
use ledger::bundle::{CHECKPOINT_FILE, COMMITS_FILE, MANIFEST_FILE, PROOFS_FILE};
use ledger::line::MAX_LINE_BYTES;
use ledger::{
    BundleSource as _, Commit, CommitHash, EntryKind, Envelope, Inclusion, Line, Manifest, Origin,
    ProofLine, Scope, Slug, blob_file, blob_refs,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use trust::encoding::Sha256Digest;

/// How often a stream that broke off without a new line is asked for again.
const TRIES: u32 = 3;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Lines.
    pub lines: u64,
    /// Blobs.
    pub blobs: u64,
    /// Where the log ends.
    pub last_sequence: u64,
    /// The size of the checkpoint that it stands under; none if the log is not sealed.
    pub sealed_size: Option<u64>,
}

/// What is copied.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Of which log.
    pub origin: &'a Origin,
    /// What part of it.
    pub scope: &'a Scope,
}

/// Copies a log into a new folder, or a new file if the name ends in `.tar`.
pub async fn export(
    from: &CopiedFrom,
    output: &Output,
    wanted: Wanted<'_>,
    out: &Path,
) -> Result<Exported, CliError> {
    if out.extension().is_none_or(|extension| extension != "tar") {
        let is_new = new_folder(out)?;
        let exported = into_folder(from, output, wanted, out).await;
        if exported.is_err() && is_new {
            // Goes only if it is still empty: what has arrived may be of use.
            drop(fs::remove_dir(out));
        }
        return exported;
    }
    let failed = |source| CliError::WriteFile { path: out.to_owned(), source };
    let tar = new_file(out)?;
    let beside = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = tempfile::tempdir_in(beside.unwrap_or(Path::new("."))).map_err(failed)?;
    let exported = into_folder(from, output, wanted, folder.path()).await;
    let packed = exported.and_then(|exported| {
        pack(folder.path(), tar).map_err(failed)?;
        Ok(exported)
    });
    if packed.is_err() {
        // The error is told; half a tar would only mislead.
        drop(fs::remove_file(out));
    }
    packed
}

/// An empty folder; says whether it was made for this.
fn new_folder(path: &Path) -> Result<bool, CliError> {
    let failed = |source| CliError::WriteFile { path: path.to_owned(), source };
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.map(|()| true).map_err(failed),
    }
    let is_empty = fs::read_dir(path).map_err(failed)?.next().is_none();
    if is_empty { Ok(false) } else { Err(CliError::Exists { path: path.to_owned() }) }
}

fn new_file(path: &Path) -> Result<File, CliError> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists { path: path.to_owned() },
        _ => CliError::WriteFile { path: path.to_owned(), source },
    })
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), CliError> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        let failed = |source| CliError::WriteFile { path: parent.to_owned(), source };
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = new_file(&path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|source| CliError::WriteFile { path, source })
}

async fn into_folder(
    from: &CopiedFrom,
    output: &Output,
    Wanted { origin, scope }: Wanted<'_>,
    folder: &Path,
) -> Result<Exported, CliError> {
    let (last, served) = from.end(output, origin).await?;
    if served.is_none() && *scope != Scope::Log {
        return Err(CliError::PartNotSealed);
    }
    let path = folder.join(COMMITS_FILE);
    let mut copy = Copy {
        file: BufWriter::new(new_file(&path)?),
        after: first(scope, from),
        until: until(scope, served.as_ref()),
        part: Part::of(scope),
        taken: Vec::new(),
        blobs: BTreeMap::new(),
        evidence: Evidence::default(),
        progress: Progress::of(output, "commits"),
    };
    let last = copy.until.unwrap_or(last);
    copy.lines(from, origin, last, &path).await?;
    let Copy { mut file, after, taken, blobs: named, evidence, progress, .. } = copy;
    let synced = file.flush().and_then(|()| file.get_ref().sync_all());
    synced.map_err(|source| CliError::WriteFile { path, source })?;
    let lines = progress.count();
    let blobs = blobs(from, output, origin, folder, named).await?;
    let source = Directory::new(folder);
    for (name, bytes) in copies::of(&evidence, &OfBundle(&source)) {
        write(folder, &name, &bytes)?;
    }
    let last_sequence = after.max(last);
    let sealed_size = served.as_ref().map(|served| served.size);
    let manifest = match &served {
        None => Manifest::unsealed(origin.clone(), last_sequence, clock::now()),
        Some(served) => {
            write(folder, CHECKPOINT_FILE, &served.note)?;
            if *scope != Scope::Log {
                let (mut proofs, mut progress) = (Vec::new(), Progress::of(output, "proofs"));
                for sequence in &taken {
                    proofs.extend(from.proof(origin, *sequence, served).await?);
                    progress.step();
                }
                write(folder, PROOFS_FILE, &proofs)?;
            }
            Manifest::sealed(origin.clone(), served.size, scope, clock::now())
        }
    };
    write(folder, MANIFEST_FILE, &manifest.encode()?)?;
    Ok(Exported { lines, blobs, last_sequence, sealed_size })
}

/// What comes before the first line that is read: an archive is read from its start.
fn first(scope: &Scope, copied: &CopiedFrom) -> u64 {
    match (scope, copied) {
        (Scope::Range { from, .. }, CopiedFrom::Live(_)) => from.saturating_sub(1),
        _ => 0,
    }
}

/// The last line that belongs into the bundle.
fn until(scope: &Scope, served: Option<&Served>) -> Option<u64> {
    let sealed = served.map(|served| served.size);
    match (scope, sealed) {
        (Scope::Range { to, .. }, Some(size)) => Some(size.min(*to)),
        (_, sealed) => sealed,
    }
}

/// The proof as it was served; whoever verifies the bundle believes it or not.
pub fn proof_line(body: &InclusionBody) -> Result<ProofLine, CliError> {
    let path = body.path.iter().map(|hash| hash.parse()).collect::<Result<_, _>>();
    let path = path.map_err(|_| CliError::ProofMalformed)?;
    let (leaf_index, tree_size) = (body.leaf_index, body.tree_size);
    Ok(ProofLine { inclusion: Inclusion { leaf_index, tree_size, path } })
}

async fn blobs(
    from: &CopiedFrom,
    output: &Output,
    origin: &Origin,
    folder: &Path,
    named: BTreeMap<Sha256Digest, Slug>,
) -> Result<u64, CliError> {
    let mut progress = Progress::of(output, "blobs");
    for (sha256, tenant) in named {
        if let Some(bytes) = from.blob(origin, &tenant, sha256).await? {
            write(folder, &blob_file(&sha256), &bytes)?;
            progress.step();
        } else {
            output.talk(&format!("the blob {sha256} of {tenant} is missing"));
        }
    }
    Ok(progress.count())
}

/// Lines on their way into a file.
struct Copy<'a> {
    file: BufWriter<File>,
    after: u64,
    /// Lines after it are left out.
    until: Option<u64>,
    part: Part,
    /// The sequences that were taken.
    taken: Vec<u64>,
    blobs: BTreeMap<Sha256Digest, Slug>,
    evidence: Evidence,
    progress: Progress<'a>,
}

impl Copy<'_> {
    /// Every line at least up to `last`; a stream that breaks off is read on after its last whole line.
    async fn lines(
        &mut self,
        from: &CopiedFrom,
        origin: &Origin,
        last: u64,
        path: &Path,
    ) -> Result<(), CliError> {
        let mut tries = TRIES;
        while self.after < last {
            let before = self.after;
            match self.stream(from, origin, path).await {
                // The log has no more: what is missing up to its end is the verifier's finding.
                Ok(()) if self.after == before => return Ok(()),
                Ok(()) => {}
                Err(CliError::Api(ClientError::Transport { .. })) if self.after > before => {
                    tries = TRIES;
                }
                Err(CliError::Api(ClientError::Transport { .. })) if tries > 1 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn stream(
        &mut self,
        from: &CopiedFrom,
        origin: &Origin,
        path: &Path,
    ) -> Result<(), CliError> {
        let mut chunks = from.lines(origin, self.after).await?;
        let mut pending: Vec<u8> = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                pending.extend_from_slice(part);
                if pending.ends_with(b"\n") {
                    self.take_in(&pending, path)?;
                    pending.clear();
                } else if pending.len() > MAX_LINE_BYTES {
                    return Err(CliError::NoLine { after: self.after });
                }
            }
        }
        if pending.is_empty() { Ok(()) } else { Err(CliError::NoLine { after: self.after }) }
    }

    /// Keeps a line as it is, whatever it holds: judging it is the verifier's.
    fn take_in(&mut self, line: &[u8], path: &Path) -> Result<(), CliError> {
        let sequence = sequence(line).filter(|sequence| *sequence > self.after);
        let sequence = sequence.ok_or(CliError::NoLine { after: self.after })?;
        self.after = sequence;
        let parsed = Line::parse(line);
        let is_wanted = parsed.as_ref().map_or(true, |line| self.part.takes(line));
        if !is_wanted || self.until.is_some_and(|until| sequence > until) {
            return Ok(());
        }
        self.taken.push(sequence);
        self.file
            .write_all(line)
            .map_err(|source| CliError::WriteFile { path: path.to_owned(), source })?;
        self.progress.step();
        let Ok(line) = parsed else { return Ok(()) };
        let Ok(envelope) = Envelope::parse(&line.payload) else { return Ok(()) };
        for blob in envelope.events.iter().flat_map(|event| blob_refs(&event.data)) {
            self.blobs.insert(blob.sha256, envelope.tenant.clone());
        }
        let hash = CommitHash::of(&line.payload);
        self.evidence.take_in(&Commit { sequence: line.sequence, hash, envelope });
        Ok(())
    }
}

/// The sequence of a line, even of one that a verifier refuses.
pub fn sequence(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Sequence {
        sequence: u64,
    }
    serde_json::from_slice(line).ok().map(|Sequence { sequence }| sequence)
}

/// Packs a folder, `bundle.json` last.
fn pack(folder: &Path, tar: File) -> io::Result<()> {
    let source = Directory::new(folder);
    let mut builder = tar::Builder::new(BufWriter::new(tar));
    builder.mode(tar::HeaderMode::Deterministic);
    let files = source.entries()?.into_iter().filter(|entry| entry.kind == EntryKind::File);
    let (last, first): (Vec<_>, Vec<_>) = files.partition(|entry| entry.name == MANIFEST_FILE);
    for entry in first.into_iter().chain(last) {
        builder.append_path_with_name(folder.join(&entry.name), &entry.name)?;
    }
    let file = builder.into_inner()?.into_inner()?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::tar_file::TarFile;
    use super::*;
    use std::io::Read as _;

    #[test]
    fn an_existing_bundle_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        assert!(new_folder(&new).unwrap());
        assert!(!new_folder(&new).unwrap(), "an empty folder is fine");
        fs::write(new.join("a"), "").unwrap();
        assert_eq!(new_folder(&new).unwrap_err().code(), "cli.file_exists");
        let file = folder.path().join("b.tar");
        fs::write(&file, "").unwrap();
        assert_eq!(new_file(&file).unwrap_err().code(), "cli.file_exists");
        assert!(new_folder(&folder.path().join("no/such")).is_err());
    }

    #[test]
    fn a_packed_folder_holds_the_same_files_with_the_manifest_last() {
        let folder = tempfile::tempdir().unwrap();
        let name = blob_file(&Sha256Digest::of(b"blob"));
        for (name, text) in [(MANIFEST_FILE, "{}"), (COMMITS_FILE, ""), (name.as_str(), "blob")] {
            write(folder.path(), name, text.as_bytes()).unwrap();
        }
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("b.tar");
        pack(folder.path(), new_file(&path).unwrap()).unwrap();
        let tar = TarFile::open(&path).unwrap();
        let names: Vec<_> = tar.entries().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [name.as_str(), COMMITS_FILE, MANIFEST_FILE]);
        let mut text = String::new();
        tar.open(&name).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "blob");
    }

    #[test]
    fn a_damaged_line_still_has_its_place() {
        assert_eq!(sequence(b"{\"sequence\":7,\"more\":[]}\n"), Some(7));
        assert_eq!(sequence(b"nothing\n"), None);
    }
}
