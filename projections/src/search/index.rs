//! The index on disk, as its one writer has it.

use super::document::{Known, document};
use super::fields::{FORMAT, Fields, folder, prepare};
use event_log::Followed;
use ledger::{Origin, Position};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::LockError;
use tantivy::{Index, IndexWriter, TantivyError, Term};

/// Memory for documents that are not committed yet.
const BUFFER_BYTES: usize = 64 << 20;

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
    position: Option<Position>,
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
        Ok(Self { writer, fields, position })
    }

    /// Up to where it holds everything.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// As the worker writes, without names of people and without SQL: for measurements that follow no log.
    pub fn write_commits(
        &mut self,
        commits: Vec<Followed>,
        last: Position,
    ) -> Result<u64, IndexError> {
        let bare = |seen| Entry { seen, known: Known::default() };
        let batch: Vec<_> = commits.into_iter().map(bare).collect();
        self.write(&batch, last)
    }

    /// Writes messages of the log, in order, and commits them together with the position after them. After an error
    /// nothing of them is there.
    pub(crate) fn write(&mut self, batch: &[Entry], last: Position) -> Result<u64, IndexError> {
        let written = self.commit(batch, last);
        if written.is_err() {
            self.writer.rollback()?;
        }
        written
    }

    fn commit(&mut self, batch: &[Entry], last: Position) -> Result<u64, IndexError> {
        let mut documents = 0;
        for Entry { seen, known } in batch {
            let Followed::Commit(recorded) = seen else { continue };
            let Ok(events) = &recorded.events else { continue };
            for event in events {
                self.writer.delete_term(Term::from_field_text(self.fields.id, &event.id));
                self.writer.add_document(document(&self.fields, recorded, event, known)?)?;
                documents += 1;
            }
        }
        let payload = Payload { format: FORMAT, position: last.clone() };
        let payload = serde_json::to_string(&payload)?;
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&payload);
        prepared.commit()?;
        self.position = Some(last);
        Ok(documents)
    }
}

pub(crate) fn directory(folder: &Path) -> Result<MmapDirectory, TantivyError> {
    Ok(MmapDirectory::open(folder)?)
}

fn writer(index: &Index) -> Result<IndexWriter, IndexError> {
    // One thread: documents of one commit stay in order, and the machine has others to serve.
    index.writer_with_num_threads(1, BUFFER_BYTES).map_err(|error| {
        let busy = matches!(error, TantivyError::LockFailure(LockError::LockBusy, _));
        if busy { IndexError::Locked } else { IndexError::Tantivy(error) }
    })
}

/// What the index's last commit says; none if there was none.
pub(crate) fn read_payload(index: &Index) -> Result<Option<Payload>, IndexError> {
    let payload = index.load_metas()?.payload;
    Ok(payload.map(|payload| serde_json::from_str(&payload)).transpose()?)
}
