//! The index on disk, as its one writer has it.

use super::document::{Known, document};
use super::fields::{FORMAT, Fields, folder, prepare};
use event_log::Followed;
use ledger::{Origin, Position};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::LockError;
use tantivy::indexer::UserOperation;
use tantivy::{Index, IndexWriter, TantivyDocument, TantivyError};

/// Threads that index. What is found is sorted by its place in the log, not by who indexed it.
const THREADS: usize = 2;
/// Memory for documents that are not committed yet.
const BUFFER_BYTES: usize = 128 << 20;
/// Documents handed to a thread at a time.
const HANDED: usize = 64;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The folder cannot be made, read or emptied.
    #[error("the folder {} of the search index cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes it.
    #[error("another process writes the search index")]
    Locked,
    /// It was filled from another log.
    #[error("the search index was filled from log {found}, not from {expected}: another history")]
    OtherLog {
        /// As stored.
        found: Origin,
        /// As configured.
        expected: Origin,
    },
    /// Tantivy failed.
    #[error("the search index failed")]
    Tantivy(#[from] TantivyError),
    /// An event or a position cannot be written.
    #[error("a document of the search index cannot be written")]
    Document(#[from] serde_json::Error),
}

/// What a commit of the index says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    pub format: u32,
    pub position: Position,
}

/// The index and its one writer.
pub struct SearchIndex {
    writer: IndexWriter,
    fields: Fields,
    origin: Origin,
    position: Option<Position>,
    /// Up to where everything was added, committed or not.
    added: Option<Position>,
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SearchIndex(at {:?})", self.position)
    }
}

/// One message of the log, with what its documents need.
#[derive(Debug)]
pub(crate) struct Entry {
    pub seen: Followed,
    pub known: Known,
}

impl SearchIndex {
    /// Opens the index of a log in `search_dir`, or makes it. Another format has a folder of its own.
    pub fn open(search_dir: &Path, origin: &Origin) -> Result<Self, IndexError> {
        let folder = folder(search_dir);
        let failed = |source| IndexError::Folder { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let (schema, fields) = Fields::schema();
        let index = prepare(Index::open_or_create(directory(&folder)?, schema)?);
        // The writer's place first: what the last commit says is the last word only then.
        let writer = writer(&index)?;
        let position = read_payload(&index)?.map(|payload| payload.position);
        if let Some(other) = position.as_ref().filter(|position| position.origin != *origin) {
            let (found, expected) = (other.origin.clone(), origin.clone());
            return Err(IndexError::OtherLog { found, expected });
        }
        let (origin, added) = (origin.clone(), position.clone());
        Ok(Self { writer, fields, origin, position, added })
    }

    /// Up to where it holds everything.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// As the worker writes, without names of people and without SQL: for measurements that follow no log.
    pub fn write_commits(&mut self, commits: Vec<Followed>) -> Result<u64, IndexError> {
        let bare = |seen| Entry { seen, known: Known::default() };
        let batch: Vec<_> = commits.into_iter().map(bare).collect();
        let documents = self.add(&batch)?;
        self.commit()?;
        Ok(documents)
    }

    /// Adds messages of the log, in order; they are found after [`SearchIndex::commit`]. What the index holds already is
    /// skipped. After an error nothing is there that was not committed.
    pub(crate) fn add(&mut self, batch: &[Entry]) -> Result<u64, IndexError> {
        let added = self.try_add(batch);
        if added.is_err() {
            self.roll_back()?;
        }
        added
    }

    /// Commits what was added, together with the position after it. After an error the index is where it was.
    pub(crate) fn commit(&mut self) -> Result<(), IndexError> {
        let committed = self.try_commit();
        if committed.is_err() {
            self.roll_back()?;
        }
        committed
    }

    fn try_add(&mut self, batch: &[Entry]) -> Result<u64, IndexError> {
        let (mut documents, mut handed) = (0, Vec::new());
        for Entry { seen, known } in batch {
            let position = seen.position(&self.origin);
            // Documents and position are committed at one moment: what is beyond it was never there.
            if self.added.as_ref().is_some_and(|added| position.sequence <= added.sequence) {
                continue;
            }
            self.added = Some(position);
            let Followed::Commit(recorded) = seen else { continue };
            let Ok(events) = &recorded.events else { continue };
            for event in events {
                let document = document(&self.fields, recorded, event, known)?;
                handed.push(UserOperation::Add(document));
                documents += 1;
            }
            if handed.len() >= HANDED {
                self.hand_over(&mut handed)?;
            }
        }
        self.hand_over(&mut handed)?;
        Ok(documents)
    }

    fn hand_over(
        &self,
        documents: &mut Vec<UserOperation<TantivyDocument>>,
    ) -> Result<(), IndexError> {
        self.writer.run(std::mem::take(documents))?;
        Ok(())
    }

    fn try_commit(&mut self) -> Result<(), IndexError> {
        let Some(position) = self.added.clone() else { return Ok(()) };
        if self.added == self.position {
            return Ok(());
        }
        let payload = serde_json::to_string(&Payload { format: FORMAT, position })?;
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&payload);
        prepared.commit()?;
        self.position.clone_from(&self.added);
        Ok(())
    }

    /// What the index's last commit says is there: one that failed may have been made.
    fn roll_back(&mut self) -> Result<(), IndexError> {
        self.writer.rollback()?;
        self.position = read_payload(self.writer.index())?.map(|payload| payload.position);
        self.added.clone_from(&self.position);
        Ok(())
    }
}

pub(crate) fn directory(folder: &Path) -> Result<MmapDirectory, TantivyError> {
    Ok(MmapDirectory::open(folder)?)
}

fn writer(index: &Index) -> Result<IndexWriter, IndexError> {
    index.writer_with_num_threads(THREADS, BUFFER_BYTES).map_err(|error| {
        let busy = matches!(error, TantivyError::LockFailure(LockError::LockBusy, _));
        if busy { IndexError::Locked } else { IndexError::Tantivy(error) }
    })
}

/// What the index's last commit says; none if there was none.
pub(crate) fn read_payload(index: &Index) -> Result<Option<Payload>, IndexError> {
    let payload = index.load_metas()?.payload;
    Ok(payload.map(|payload| serde_json::from_str(&payload)).transpose()?)
}
