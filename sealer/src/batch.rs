//! Messages that follow one another, and what they add to the archive before they are sealed.

use archive::{Archive, ArchiveError, ObjectName, Put, Segment, lines};
use bytes::Bytes;
use event_log::{Judged, LogError, Reader, stored};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use ledger::tree::{StoredTile, TreeError};
use ledger::{CommitHash, Line, LineError, Tree, TreeHead, blob_refs};
use std::collections::BTreeSet;
use trust::encoding::{Sha256Digest, Timestamp};

/// Most messages under one checkpoint.
pub const MOST_MESSAGES: u64 = 1_000;
/// Lines of more bytes are not added to: a segment of the archive has at most 32 MiB.
const ENOUGH_BYTES: usize = 16 << 20;
/// Objects that are stored at once.
const AT_ONCE: usize = 8;

/// Why a batch is not in the archive.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The archive refused, or cannot be reached.
    #[error("the archive does not take what is to be sealed")]
    Archive(#[from] ArchiveError),
    /// The log cannot be read.
    #[error("a blob cannot be read from the log")]
    Log(#[from] LogError),
    /// A message that no line can hold.
    #[error("a message cannot be written as a line of evidence")]
    Line(#[from] LineError),
    /// Not the next leaf.
    #[error("a message does not follow")]
    Tree(#[from] TreeError),
    /// A name that the archive has not.
    #[error("the archive has no place for a tile")]
    Name(#[from] archive::NameError),
}

impl BatchError {
    /// Trying again can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Archive(ArchiveError::Store { .. } | ArchiveError::NotDurable { .. }) => true,
            Self::Log(error) => error.is_transient(),
            Self::Archive(_) | Self::Line(_) | Self::Tree(_) | Self::Name(_) => false,
        }
    }
}

/// What came after a size of the tree.
#[derive(Debug)]
pub struct Batch {
    from: u64,
    messages: u64,
    condemned: u64,
    gaps: u64,
    lines: Vec<u8>,
    tiles: Vec<StoredTile>,
    blobs: BTreeSet<(String, Sha256Digest)>,
    last: Option<CommitHash>,
    oldest: Option<Timestamp>,
}

impl Batch {
    /// Nothing yet.
    pub fn after(size: u64) -> Self {
        Self {
            from: size,
            messages: 0,
            condemned: 0,
            gaps: 0,
            lines: Vec::new(),
            tiles: Vec::new(),
            blobs: BTreeSet::new(),
            last: None,
            oldest: None,
        }
    }

    /// Takes in the next message, good or condemned: both are leaves, with the hash of their real bytes.
    pub fn add(&mut self, tree: &mut Tree, judged: &Judged) -> Result<(), BatchError> {
        let message = &judged.message;
        let hash = match &judged.commit {
            Ok(commit) => {
                let data = commit.envelope.events.iter().flat_map(|event| blob_refs(&event.data));
                let tenant = &commit.envelope.tenant;
                self.blobs.extend(data.map(|blob| (tenant.to_string(), blob.sha256)));
                commit.hash
            }
            Err(condemned) => {
                self.condemned += 1;
                condemned.hash
            }
        };
        let stored = stored(message);
        let received_at = Timestamp::new(message.time);
        self.lines.extend(Line::of(&stored, received_at).encode()?);
        self.tiles.extend(tree.push(message.sequence, &hash)?);
        self.messages += 1;
        self.last = Some(hash);
        self.oldest.get_or_insert(received_at);
        Ok(())
    }

    /// Takes in a sequence that is lost: a leaf without a hash, and no line.
    pub fn add_gap(&mut self, tree: &mut Tree, sequence: u64) -> Result<(), BatchError> {
        self.tiles.extend(tree.push(sequence, &CommitHash::ZERO)?);
        self.gaps += 1;
        self.last = Some(CommitHash::ZERO);
        Ok(())
    }

    /// Enough for one checkpoint.
    pub fn is_full(&self) -> bool {
        self.leaves() >= MOST_MESSAGES || self.lines.len() >= ENOUGH_BYTES
    }

    /// How many sequences it covers, lost ones too.
    pub fn leaves(&self) -> u64 {
        self.messages + self.gaps
    }

    /// How many of them are lost.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// How many messages it holds.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many of them are condemned.
    pub fn condemned(&self) -> u64 {
        self.condemned
    }

    /// The hash of the last one.
    pub fn last(&self) -> Option<CommitHash> {
        self.last
    }

    /// When the server stored the first one.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// Ends it at the tree's size. From here on the tree may grow with the next batch.
    pub fn close(mut self, tree: &Tree) -> Result<Closed, BatchError> {
        let mut tiles = Vec::new();
        for tile in std::mem::take(&mut self.tiles).into_iter().chain(tree.edge_tiles(self.from)) {
            tiles.push((ObjectName::of_tile(&tile.path)?, Bytes::from(tile.bytes)));
        }
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        Ok(Closed { batch: self, lines, tiles, head: tree.head() })
    }
}

/// A whole batch: what is stored before its checkpoint is signed.
#[derive(Debug)]
pub struct Closed {
    batch: Batch,
    lines: Bytes,
    tiles: Vec<(ObjectName, Bytes)>,
    head: TreeHead,
}

impl Closed {
    /// What it counted.
    pub fn counts(&self) -> &Batch {
        &self.batch
    }

    /// Size and root of the tree that ends with it.
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// Stores everything, durably; what is there already is compared.
    pub async fn store(&self, log: &Reader, archive: &Archive) -> Result<(), BatchError> {
        // Whatever tile a killed sealer leaves, the archive has the messages below it with their blobs, and a log that
        // lost them can get them back.
        self.store_blobs(log, archive).await?;
        self.store_lines(archive).await?;
        let puts = self.tiles.iter().cloned().map(|(name, bytes)| async move {
            archive.put_once(&name, bytes).await.map(|_: Put| ())
        });
        Ok(stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await?)
    }

    /// A restored log has its messages from another time: what a killed sealer left of them is the same but for that.
    async fn store_lines(&self, archive: &Archive) -> Result<(), BatchError> {
        let Some(segment) = Segment::new(self.batch.from, self.head.size) else { return Ok(()) };
        let name = ObjectName::Commits(segment);
        let stored = archive.put_once(&name, self.lines.clone()).await;
        let differs = match stored {
            Err(error @ ArchiveError::Differs { .. }) => error,
            stored => return Ok(stored.map(|_: Put| ())?),
        };
        let there = archive.segment(segment).await?;
        if !are_same_messages(&there, &self.lines) {
            return Err(differs.into());
        }
        Ok(archive.put_once(&name, there).await.map(|_: Put| ())?)
    }

    async fn store_blobs(&self, log: &Reader, archive: &Archive) -> Result<(), BatchError> {
        let puts = self.batch.blobs.iter().cloned().map(|(tenant, sha256)| async move {
            let name = ObjectName::Blob(sha256);
            if archive.exists(&name).await? {
                return Ok(());
            }
            match log.blob(&tenant, &sha256).await {
                Ok(Some(bytes)) => archive.put_once(&name, bytes).await.map(|_: Put| ())?,
                // A commit is sealed all the same: what it names and nobody has is a finding of every verifier.
                Ok(None) | Err(LogError::Blob { .. }) => {
                    metrics::counter!("countersign_sealer_blobs_missing_total").increment(1);
                    tracing::error!(tenant, %sha256, "a blob that a commit names is not in the log");
                }
                Err(error) => return Err(BatchError::from(error)),
            }
            Ok(())
        });
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// The same lines but for the times at which the server took the messages in.
fn are_same_messages(there: &Bytes, ours: &[u8]) -> bool {
    let (there, ours) = (lines(there.clone()), lines(Bytes::copy_from_slice(ours)));
    let same = |(one, other): (Bytes, Bytes)| match (Line::parse(&one), Line::parse(&other)) {
        (Ok(one), Ok(other)) => Line { received_at: other.received_at, ..one } == other,
        _ => false,
    };
    there.clone().count() == ours.clone().count() && there.zip(ours).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Stored;

    fn line(payload: &[u8], time: &str) -> Vec<u8> {
        let (hash, signature) = (Some("h"), None);
        let stored = Stored { sequence: 4, subject: "cs.log.a", hash, signature, payload };
        Line::of(&stored, time.parse().unwrap()).encode().unwrap()
    }

    #[test]
    fn only_the_time_of_a_line_may_be_another() {
        let [then, now] = ["2026-11-20T07:00:00.000000Z", "2026-11-21T07:00:00.000000Z"];
        let there = Bytes::from(line(b"a", then));
        assert!(are_same_messages(&there, &line(b"a", now)));
        assert!(!are_same_messages(&there, &line(b"b", then)));
        assert!(!are_same_messages(&there, &[line(b"a", then), line(b"a", then)].concat()));
        assert!(!are_same_messages(&Bytes::from_static(b"no line\n"), b"no line\n"));
    }
}
