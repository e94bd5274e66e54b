//! Where objects lie: a folder or a bucket.

use crate::bucket::Bucket;
use crate::error::ArchiveError;
use crate::folder::Folder;
use crate::weakness::Weakness;
use object_store::ObjectStore;
use object_store::path::Path;

/// A store and what only it needs.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

impl Place {
    pub(crate) fn store(&self) -> &dyn ObjectStore {
        match self {
            Self::Folder(folder) => folder.store.as_ref(),
            Self::Bucket(bucket) => bucket.store.as_ref(),
        }
    }

    /// Refuses to read what is no file: a link may lead out of the archive, and a pipe never ends.
    pub(crate) async fn check_readable(&self, key: &Path) -> Result<(), ArchiveError> {
        let Self::Folder(folder) = self else { return Ok(()) };
        match folder.is_file(key).await {
            Ok(Some(false)) => Err(ArchiveError::NotAFile { path: key.to_string() }),
            Ok(Some(true) | None) => Ok(()),
            Err(source) => Err(ArchiveError::Folder { path: folder.path(key), source }),
        }
    }

    /// Returns when what is at `key` is as durable as the store can make it. A bucket has answered only then.
    pub(crate) async fn settle(&self, key: &Path, is_ours: bool) -> Result<(), ArchiveError> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let settled = folder.settle(key, is_ours).await;
        settled.map_err(|source| ArchiveError::NotDurable { path: key.to_string(), source })
    }

    pub(crate) async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        match self {
            Self::Folder(_) => Ok(vec![Weakness::Folder]),
            Self::Bucket(bucket) => bucket.weaknesses().await,
        }
    }
}
