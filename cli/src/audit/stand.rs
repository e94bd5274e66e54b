//! Test bundles: the testimony as a folder, and what somebody who owns the folder can do to it without any key.

use super::conclusion::Conclusion;
use super::directory::Directory;
use super::testimony::Testimony;
use super::verify::verify;
use super::written_log::write;
use crate::error::CliError;
use anyhow::Context as _;
use ledger::{BundleSource, Envelope, Kept, Line, Manifest, Policy, Slug, blob_file, blob_refs};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A bundle and the policy that it is judged under.
pub struct Stand {
    folder: tempfile::TempDir,
    pub policy: Policy,
    shard: Slug,
}

impl Stand {
    pub fn new(spoil: impl FnOnce(&mut Testimony)) -> anyhow::Result<Self> {
        let mut testimony = Testimony::new()?;
        spoil(&mut testimony);
        let folder = tempfile::tempdir()?;
        write(&testimony, folder.path())?;
        Ok(Self { folder, policy: testimony.policy()?, shard: "main".parse()? })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn verify(&self) -> anyhow::Result<Conclusion> {
        Ok(self.judge(self.path(), None)?)
    }

    /// Judges any folder, against an earlier one where there is one.
    pub fn judge(&self, folder: &Path, earlier: Option<&Path>) -> Result<Conclusion, CliError> {
        let earlier = earlier.map(Directory::new);
        let earlier = earlier.as_ref().map(|earlier| earlier as &dyn BundleSource);
        verify(
            &Directory::new(folder),
            &self.policy,
            &self.shard,
            &Kept { bundle: earlier, ..Kept::default() },
        )
    }

    /// Rewrites the lines, numbers them anew, and leaves out what would give it away.
    pub fn retell(&self, change: impl FnOnce(&mut Vec<Line>)) -> anyhow::Result<()> {
        let path = self.path().join("commits.ndjson");
        let bytes = fs::read(&path)?;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(Line::parse);
        let mut lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
        change(&mut lines);
        let (mut told, mut named) = (Vec::new(), BTreeSet::new());
        for (sequence, line) in (1..).zip(&mut lines) {
            line.sequence = sequence;
            told.extend(line.encode()?);
            let envelope = Envelope::parse(&line.payload)?;
            let blobs = envelope.events.iter().flat_map(|event| blob_refs(&event.data));
            named.extend(blobs.map(|blob| blob_file(&blob.sha256)));
        }
        fs::write(path, told)?;
        for entry in Directory::new(self.path()).entries()? {
            if entry.name.starts_with("blobs/") && !named.contains(&entry.name) {
                fs::remove_file(self.path().join(entry.name))?;
            }
        }
        let path = self.path().join("bundle.json");
        let mut manifest = Manifest::parse(&fs::read(&path)?)?;
        manifest.tree_size = u64::try_from(lines.len()).context("a short log")?;
        Ok(fs::write(path, manifest.encode()?)?)
    }
}
