//! The archive of one log: put once, compare, read, list.

use crate::bucket::Bucket;
use crate::config::{ArchiveConfig, ArchiveUrl, ConfigError};
use crate::error::{ArchiveError, BoxError};
use crate::folder::Folder;
use crate::name::{MAX_NOTE_BYTES, ObjectName, Segment};
use crate::place::Place;
use crate::weakness::Weakness;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use ledger::Origin;
use object_store::path::Path as Key;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use std::path::Path;
use trust::encoding::Sha256Digest;

/// The newest signed note.
const CHECKPOINT: &str = "checkpoint";
/// How often an object that was there and then was not is put again.
const PUT_ATTEMPTS: u32 = 3;
/// Segments that are fetched while one is read.
const READ_AHEAD: usize = 2;

/// What [`Archive::put_once`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there and is now.
    Stored,
    /// The same bytes were there.
    AlreadyThere,
}

/// The archive of one log. Clones share it.
#[derive(Debug, Clone)]
pub struct Archive {
    place: Place,
    /// The log's folder.
    base: Key,
}

impl Archive {
    /// Opens the archive of the log `origin`; a folder is made if there is none. `read_secret` reads the file with a
    /// bucket's secret key, and refuses one that others may read. No request is sent yet.
    pub fn open<E: Into<BoxError>>(
        config: &ArchiveConfig,
        origin: &Origin,
        read_secret: impl FnOnce(&Path) -> Result<String, E>,
    ) -> Result<Self, ArchiveError> {
        match &config.url {
            ArchiveUrl::Folder(_) if config.has_bucket_keys() => {
                Err(ConfigError::FolderWithBucketKeys.into())
            }
            ArchiveUrl::Folder(root) => {
                let folder = Folder::make(root).map_err(unusable(root))?;
                Ok(Self { place: Place::Folder(folder), base: Key::from(origin.as_str()) })
            }
            ArchiveUrl::Bucket { bucket, prefix } => {
                let place = Place::Bucket(Bucket::open(config, bucket, read_secret)?);
                let base = Key::from(prefix.as_str()).join(origin.as_str());
                Ok(Self { place, base })
            }
        }
    }

    /// The archive of the log `origin` in a folder that exists, for whoever only reads.
    pub fn in_folder(root: &Path, origin: &Origin) -> Result<Self, ArchiveError> {
        let folder = Folder::existing(root).map_err(unusable(root))?;
        Ok(Self { place: Place::Folder(folder), base: Key::from(origin.as_str()) })
    }

    /// Stores an object under a name that nothing has yet. If something has, its bytes are compared: other bytes are
    /// [`ArchiveError::Differs`], and nothing is overwritten. Durable when it returns.
    pub async fn put_once(&self, name: &ObjectName, bytes: Bytes) -> Result<Put, ArchiveError> {
        check_size(&name.to_string(), length(&bytes), name.max_bytes())?;
        check_blob(name, &bytes)?;
        let key = self.key(&name.to_string());
        for _ in 0..PUT_ATTEMPTS {
            let create = PutOptions::from(PutMode::Create);
            let payload = PutPayload::from_bytes(bytes.clone());
            match self.place.store().put_opts(&key, payload, create).await {
                Ok(_) => {
                    self.place.settle(&key, true).await?;
                    return Ok(Put::Stored);
                }
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(source) => return Err(failed("put", &key)(source)),
            }
            match self.holds(&key, &bytes).await? {
                Some(true) => {
                    self.place.settle(&key, false).await?;
                    return Ok(Put::AlreadyThere);
                }
                Some(false) => return Err(ArchiveError::Differs { path: key.to_string() }),
                None => tracing::warn!(%key, "an object of the archive is gone: put again"),
            }
        }
        Err(ArchiveError::Vanishing { path: key.to_string() })
    }

    /// Makes a signed note the newest one. Durable when it returns; a reader sees the old or the new one. It is put
    /// once as [`ObjectName::Note`], too, before.
    pub async fn replace_checkpoint(&self, note: Bytes) -> Result<(), ArchiveError> {
        check_size(CHECKPOINT, length(&note), MAX_NOTE_BYTES)?;
        let key = self.key(CHECKPOINT);
        let overwrite = PutOptions::from(PutMode::Overwrite);
        let put = self.place.store().put_opts(&key, PutPayload::from_bytes(note), overwrite);
        put.await.map_err(failed("put", &key))?;
        self.place.settle(&key, true).await
    }

    /// The newest signed note. After a crash a larger one may be among [`Archive::checkpoint_sizes`].
    pub async fn newest_checkpoint(&self) -> Result<Option<Bytes>, ArchiveError> {
        self.read(&self.key(CHECKPOINT), MAX_NOTE_BYTES).await
    }

    /// An object's bytes; a blob's are compared with its name.
    pub async fn get(&self, name: &ObjectName) -> Result<Option<Bytes>, ArchiveError> {
        let found = self.read(&self.key(&name.to_string()), name.max_bytes()).await?;
        if let Some(bytes) = &found {
            check_blob(name, bytes)?;
        }
        Ok(found)
    }

    /// Whether an object is there.
    pub async fn exists(&self, name: &ObjectName) -> Result<bool, ArchiveError> {
        let key = self.key(&name.to_string());
        match self.place.store().head(&key).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(source) => Err(failed("look at", &key)(source)),
        }
    }

    /// A large value by its digest.
    pub async fn blob(&self, sha256: Sha256Digest) -> Result<Option<Bytes>, ArchiveError> {
        self.get(&ObjectName::Blob(sha256)).await
    }

    /// The sizes of all signed notes, ascending; with `after` only the larger ones.
    pub async fn checkpoint_sizes(&self, after: Option<u64>) -> Result<Vec<u64>, ArchiveError> {
        let offset = after.map(|size| ObjectName::Note { size });
        self.sizes("checkpoints", offset).await
    }

    /// The sizes for which the ends of all chains are there, ascending; with `after` only the larger ones.
    pub async fn heads_sizes(&self, after: Option<u64>) -> Result<Vec<u64>, ArchiveError> {
        let offset = after.map(|size| ObjectName::Heads { size });
        self.sizes("heads", offset).await
    }

    /// The segments that the signed notes name, in the log's order: together the log up to the largest note. They
    /// begin with the one that holds the sequence after `after` (0 for all).
    pub async fn segments(&self, after: u64) -> Result<Vec<Segment>, ArchiveError> {
        let sizes = self.checkpoint_sizes(None).await?;
        let before = std::iter::once(0).chain(sizes.iter().copied());
        let pairs = before.zip(sizes.iter().copied());
        // A note of size 0 ends no segment.
        let segments = pairs.filter_map(|(from, to)| Segment::new(from, to));
        Ok(segments.filter(|segment| segment.to() > after).collect())
    }

    /// Every segment that is stored, ascending: also those that no signed note names, which a killed sealer left.
    pub async fn stored_segments(&self) -> Result<Vec<Segment>, ArchiveError> {
        let names = self.names("commits", None).await?;
        let segments = names.into_iter().filter_map(|name| match name {
            ObjectName::Commits(segment) => Some(segment),
            _ => None,
        });
        Ok(segments.collect())
    }

    /// The exact lines of a segment, one after the other ([`crate::lines`]).
    pub async fn segment(&self, segment: Segment) -> Result<Bytes, ArchiveError> {
        let name = ObjectName::Commits(segment);
        let missing = || ArchiveError::Missing { path: self.key(&name.to_string()).to_string() };
        self.get(&name).await?.ok_or_else(missing)
    }

    /// The whole log in order, from the segment that holds the sequence after `after` (0 for all) to the largest
    /// signed note. At most a few segments are in memory; the first error is the last item.
    pub async fn read_log(
        &self,
        after: u64,
    ) -> Result<
        impl Stream<Item = Result<(Segment, Bytes), ArchiveError>> + Send + use<>,
        ArchiveError,
    > {
        let segments = self.segments(after).await?;
        let archive = self.clone();
        let read = stream::iter(segments).map(move |segment| {
            let archive = archive.clone();
            async move { Ok((segment, archive.segment(segment).await?)) }
        });
        Ok(read.buffered(READ_AHEAD).scan(false, |failed, item| {
            let over = *failed;
            *failed = Result::is_err(&item);
            futures::future::ready((!over).then_some(item))
        }))
    }

    /// What the store does not protect against, asked of the store itself.
    pub async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        self.place.weaknesses().await
    }

    fn key(&self, path: &str) -> Key {
        // Names need no escapes; Key::from would write some if one did.
        Key::from(format!("{}/{path}", self.base))
    }

    async fn read(&self, key: &Key, limit: u64) -> Result<Option<Bytes>, ArchiveError> {
        self.place.check_readable(key).await?;
        let found = match self.place.store().get(key).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(failed("read", key)(source)),
        };
        check_size(key.as_ref(), found.meta.size, limit)?;
        found.bytes().await.map(Some).map_err(failed("read", key))
    }

    /// Whether exactly these bytes are at `key`; `None` if nothing is.
    async fn holds(&self, key: &Key, bytes: &Bytes) -> Result<Option<bool>, ArchiveError> {
        match self.read(key, length(bytes)).await {
            Ok(found) => Ok(found.map(|found| found == bytes)),
            Err(ArchiveError::TooLarge { .. }) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    async fn sizes(
        &self,
        folder: &str,
        after: Option<ObjectName>,
    ) -> Result<Vec<u64>, ArchiveError> {
        let names = self.names(folder, after).await?;
        let sizes = names.into_iter().filter_map(|name| match name {
            ObjectName::Note { size } | ObjectName::Heads { size } => Some(size),
            ObjectName::Tile { .. }
            | ObjectName::Entries { .. }
            | ObjectName::Commits(_)
            | ObjectName::Blob(_) => None,
        });
        Ok(sizes.collect())
    }

    /// What a folder holds, in order; without what the archive does not know.
    async fn names(
        &self,
        folder: &str,
        after: Option<ObjectName>,
    ) -> Result<Vec<ObjectName>, ArchiveError> {
        let prefix = self.key(folder);
        let store = self.place.store();
        let listed = match after {
            Some(after) => store.list_with_offset(Some(&prefix), &self.key(&after.to_string())),
            None => store.list(Some(&prefix)),
        };
        let mut names = Vec::new();
        let mut listed = listed.map_err(failed("list", &prefix));
        while let Some(meta) = listed.try_next().await? {
            match self.name(&meta.location) {
                Some(name) => names.push(name),
                None => {
                    tracing::warn!(key = %meta.location, "an object that the archive does not know");
                }
            }
        }
        // A folder lists in no order.
        names.sort_unstable();
        Ok(names)
    }

    fn name(&self, key: &Key) -> Option<ObjectName> {
        let name = key.as_ref().strip_prefix(self.base.as_ref())?.strip_prefix('/')?;
        name.parse().ok()
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn check_size(path: &str, found: u64, limit: u64) -> Result<(), ArchiveError> {
    if found <= limit {
        return Ok(());
    }
    Err(ArchiveError::TooLarge { path: path.to_owned(), found, limit })
}

fn check_blob(name: &ObjectName, bytes: &Bytes) -> Result<(), ArchiveError> {
    match name {
        ObjectName::Blob(sha256) if *sha256 != Sha256Digest::of(bytes) => {
            Err(ArchiveError::WrongBlob { path: name.to_string() })
        }
        _ => Ok(()),
    }
}

fn failed<'a>(what: &'static str, key: &'a Key) -> impl Fn(StoreError) -> ArchiveError + use<'a> {
    move |source| ArchiveError::Store { what, path: key.to_string(), source }
}

fn unusable(root: &Path) -> impl FnOnce(std::io::Error) -> ArchiveError + use<'_> {
    move |source| ArchiveError::Folder { path: root.to_owned(), source }
}
