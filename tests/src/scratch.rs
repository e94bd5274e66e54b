//! A folder for one scenario, short enough for Unix sockets, open enough for `PostgreSQL` as another user.

use anyhow::Context as _;
use devkit::folder::Temporary;
use std::path::{Path, PathBuf};

/// Goes away when dropped.
#[derive(Debug)]
pub struct Scratch(Temporary);

impl Scratch {
    /// A new one.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Temporary::make()?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file in it with this text.
    pub fn file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        Ok(path)
    }
}
