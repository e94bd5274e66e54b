//! A folder as a store: `object_store` writes, we see to it that what it answers survives the loss of power.

use object_store::local::LocalFileSystem;
use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The archive's root on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// With fsync of every file and of its folder.
    pub(crate) store: Arc<LocalFileSystem>,
    root: PathBuf,
    /// Folders whose own entry is known to be on the disk.
    settled: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Folder {
    /// Of a folder that exists.
    pub(crate) fn existing(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let store = LocalFileSystem::new_with_prefix(&root).map_err(io::Error::other)?;
        Ok(Self { store: Arc::new(store.with_fsync(true)), root, settled: Arc::default() })
    }

    /// Makes the folder and those above it, durably, if there is none.
    pub(crate) fn make(root: &Path) -> io::Result<Self> {
        let existed = root.ancestors().find(|folder| folder.exists()).map(Path::to_owned);
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        if let Some(existed) = existed {
            let made = root.ancestors().take_while(|folder| *folder != existed);
            made.chain([existed.as_path()]).try_for_each(sync_folder)?;
        }
        Self::existing(root)
    }

    pub(crate) fn path(&self, key: &object_store::path::Path) -> PathBuf {
        self.root.join(key.as_ref())
    }

    /// Whether a regular file, and nothing that reading could block on or lead away, is at `key`; `None` if nothing is.
    pub(crate) async fn is_file(&self, key: &object_store::path::Path) -> io::Result<Option<bool>> {
        match tokio::fs::symlink_metadata(self.path(key)).await {
            Ok(meta) => Ok(Some(meta.is_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns when the file at `key`, which is there, is on the disk with every folder above it.
    ///
    /// The store's own fsync is not enough in two cases. Whoever finds the object of another writer must not call it
    /// stored before that writer's fsync is done, or ever will be. And a writer that was killed between making a
    /// folder and its fsync leaves a folder that the next one finds and does not sync again.
    pub(crate) async fn settle(
        &self,
        key: &object_store::path::Path,
        is_ours: bool,
    ) -> io::Result<()> {
        let (folder, file) = (self.clone(), self.path(key));
        let work = move || folder.settle_now(&file, is_ours);
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }

    fn settle_now(&self, file: &Path, is_ours: bool) -> io::Result<()> {
        if !is_ours {
            File::open(file)?.sync_all()?;
            file.parent().map_or(Ok(()), sync_folder)?;
        }
        let settled = || self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let below_root = file.ancestors().skip(1).take_while(|folder| *folder != self.root);
        for folder in below_root {
            if settled().contains(folder) {
                continue;
            }
            folder.parent().map_or(Ok(()), sync_folder)?;
            settled().insert(folder.to_owned());
        }
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn folders_that_another_left_behind_are_settled_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(&root.path().join("a/b")).unwrap();
        let key = object_store::path::Path::from("origin/tile/0/000");
        let file = folder.path(&key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"x").unwrap();
        folder.settle(&key, false).await.unwrap();
        let settled = folder.settled.lock().unwrap().clone();
        let expected = ["origin", "origin/tile", "origin/tile/0"];
        assert_eq!(settled, expected.iter().map(|name| folder.root.join(name)).collect());
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_durable() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::existing(root.path()).unwrap();
        let key = object_store::path::Path::from("origin/checkpoint");
        let error = folder.settle(&key, false).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(Folder::existing(&root.path().join("none")).is_err());
    }
}
