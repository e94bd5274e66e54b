//! Where sealing stands at the start: the largest checkpoint that was ever signed, and the tree and chains under it.
//!
//! Stream, archive and the note that is shown as the newest are asked; what each holds must be consistent with the
//! others, and the log must still be what was sealed. Otherwise nothing is signed, and the process says what it found.
//! Witnesses are asked after it ([`crate::witnesses`]), who also say which note is shown: none without its quorum.

use crate::batch::{Batch, BatchError, MOST_MESSAGES};
use crate::heads::Heads;
use crate::keys::LogKeys;
use crate::pauses::Pauses;
use archive::{Archive, ArchiveError, ObjectName};
use bytes::Bytes;
use event_log::{Checkpoints, Follower, LogError, Reader};
use ledger::tree::{consistency_proof, consistency_tiles};
use ledger::{
    Checkpoint, CheckpointError, CheckpointNote, CommitHash, Origin, Position, Tree, TreeHead,
};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;
use trust::keys::PrivateKey;

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A checkpoint that was stored is not one of this log's.
    #[error("the {place} holds a checkpoint that this log's key did not sign")]
    Foreign {
        /// Stream or archive.
        place: &'static str,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// Two signed checkpoints contradict each other, or the log contradicts one.
    #[error("the {place} holds a checkpoint of size {size} that is not of this log: a fork")]
    Fork {
        /// What contradicts it.
        place: &'static str,
        /// Its size.
        size: u64,
    },
    /// The log ends before what was sealed.
    #[error(
        "the log ends at {last}, and {sealed} messages were sealed: restore it from the archive"
    )]
    Shortened {
        /// The log's last sequence.
        last: u64,
        /// The largest checkpoint.
        sealed: u64,
    },
    /// A message is gone that was sealed.
    #[error(
        "sequence {sequence} was sealed, and the log has lost it: restore the log from the archive"
    )]
    Lost {
        /// The first one.
        sequence: u64,
    },
    /// The key would sign sizes that belong to the key before it.
    #[error(
        "the previous key of the log signs up to size {previous}, and the newest checkpoint here is {sealed}: \
         previous_keys must end with the newest checkpoint"
    )]
    PreviousKey {
        /// The last size of the previous key.
        previous: u64,
        /// The largest checkpoint.
        sealed: u64,
    },
    /// The archive has not got what was sealed.
    #[error("the archive does not hold the {what} of size {size}: is it the archive of this log?")]
    ArchiveLacks {
        /// What it lacks.
        what: &'static str,
        /// The size.
        size: u64,
    },
    /// A witness has seen more than we.
    #[error(
        "witness {witness} has cosigned size {seen}, and the largest checkpoint here is {sealed}: state was lost"
    )]
    WitnessAhead {
        /// Its name.
        witness: String,
        /// The size that it has seen.
        seen: u64,
        /// Ours.
        sealed: u64,
    },
    /// A witness has seen another history.
    #[error(
        "witness {witness} shows another root of size {size} than this log has: it cosigned another history, a fork"
    )]
    WitnessContradicts {
        /// Its name.
        witness: String,
        /// The size of the checkpoint that it cosigned last.
        size: u64,
    },
    /// The archive failed.
    #[error("the archive cannot be used")]
    Archive(#[from] ArchiveError),
    /// The log failed.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// A message cannot be taken in.
    #[error("the log cannot be taken in again")]
    Batch(#[from] BatchError),
}

/// Everything that the next checkpoint follows from.
#[derive(Debug)]
pub struct Standing {
    pub(crate) tree: Tree,
    /// Hash of the last sealed message.
    pub(crate) last: CommitHash,
    pub(crate) follower: Follower,
    /// Sequence of the newest checkpoint in its stream; 0 if there is none.
    pub(crate) fence: u64,
    /// The newest checkpoint.
    pub(crate) note: Option<CheckpointNote>,
    /// The size of the newest snapshot of heads.
    pub(crate) snapshot: u64,
}

impl Standing {
    /// Finds it; none if the process stops first. A log that is not open yet is waited for.
    pub async fn find(
        log: &Reader,
        checkpoints: &Checkpoints,
        archive: &Archive,
        keys: &LogKeys,
        stopping: &CancellationToken,
    ) -> Result<Option<Self>, Refused> {
        let mut pauses = Pauses::default();
        loop {
            let finding = Search { log, checkpoints, archive, keys };
            let found = tokio::select! {
                () = stopping.cancelled() => return Ok(None),
                found = finding.standing() => found,
            };
            let error = match found {
                Err(Refused::Log(error)) if error.is_transient() => error,
                other => return other.map(Some),
            };
            let pause = pauses.longer();
            tracing::warn!(%error, pause_ms = pause.as_millis(), "the log is read again later");
            tokio::select! {
                () = stopping.cancelled() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The newest checkpoint. Before the first one the empty tree's, which contradicts nothing: a witness that is asked
    /// about it says what it has seen.
    pub fn word(
        &self,
        origin: &Origin,
        key: &PrivateKey,
        unix_seconds: u64,
    ) -> Result<CheckpointNote, CheckpointError> {
        let empty = || Checkpoint::new(origin.clone(), &Tree::empty().head());
        self.note.clone().map_or_else(|| empty().seal(key, unix_seconds), Ok)
    }
}

struct Search<'a> {
    log: &'a Reader,
    checkpoints: &'a Checkpoints,
    archive: &'a Archive,
    keys: &'a LogKeys,
}

impl Search<'_> {
    async fn standing(&self) -> Result<Standing, Refused> {
        let newest = self.checkpoints.newest().await?;
        let fence = newest.as_ref().map_or(0, |newest| newest.sequence);
        let streamed = newest.map(|newest| self.ours("stream", &newest.note)).transpose()?;
        let shown = self.archive.newest_checkpoint().await?;
        let shown = shown.map(|bytes| self.ours("archive", &bytes)).transpose()?;
        let mut found = vec![streamed, self.archived().await?, shown];
        found.sort_by_key(|note| note.as_ref().map_or(0, |note| note.claim().size));
        let largest = found.pop().flatten();
        let sealed = largest.as_ref().map(|note| note.claim().head());
        let (previous, size) = (self.keys.previous_end(), sealed.map_or(0, |head| head.size));
        if size < previous {
            return Err(Refused::PreviousKey { previous, sealed: size });
        }
        if let Some(head) = sealed {
            let last = self.log.last_sequence().await?;
            if last < head.size {
                return Err(Refused::Shortened { last, sealed: head.size });
            }
        }
        let mut standing = self.resumed(sealed.as_ref()).await?;
        if let Some(head) = &sealed {
            self.catch_up(&mut standing, head).await?;
            for other in found.iter().flatten() {
                self.check_past(&other.claim().head(), head).await?;
            }
        }
        if let Some(note) = &largest {
            let name = ObjectName::Note { size: note.claim().size };
            // What is shown carries the witnesses' lines too; what is there already is only made durable.
            let there = self.archive.get(&name).await?;
            let bytes = there.unwrap_or_else(|| Bytes::from(note.to_string()));
            self.archive.put_once(&name, bytes).await?;
        }
        Ok(Standing { fence, note: largest, ..standing })
    }

    fn ours(&self, place: &'static str, bytes: &[u8]) -> Result<CheckpointNote, Refused> {
        let foreign = |source| Refused::Foreign { place, source };
        let note = CheckpointNote::parse(bytes).map_err(foreign)?;
        note.is_signed_by(&self.log.identity().origin, self.keys.accepted()).map_err(foreign)?;
        Ok(note)
    }

    async fn archived(&self) -> Result<Option<CheckpointNote>, Refused> {
        let Some(size) = self.archive.checkpoint_sizes(None).await?.last().copied() else {
            return Ok(None);
        };
        self.note_of(size).await.map(Some)
    }

    async fn note_of(&self, size: u64) -> Result<CheckpointNote, Refused> {
        let lacks = Refused::ArchiveLacks { what: "checkpoint", size };
        let bytes = self.archive.get(&ObjectName::Note { size }).await?.ok_or(lacks)?;
        let note = self.ours("archive", &bytes)?;
        if note.claim().size == size {
            Ok(note)
        } else {
            Err(Refused::Fork { place: "archive", size })
        }
    }

    /// The tree at the newest snapshot of heads, or an empty one.
    async fn resumed(&self, sealed: Option<&TreeHead>) -> Result<Standing, Refused> {
        let most = sealed.map_or(0, |head| head.size);
        let sizes = self.archive.heads_sizes(None).await?;
        for size in sizes.into_iter().rev().filter(|size| *size <= most) {
            let Some((heads, tree)) = self.snapshot(size).await? else {
                tracing::warn!(size, "a snapshot of chain heads cannot be used");
                continue;
            };
            let (origin, hash) = (self.log.identity().origin.clone(), heads.last);
            let position = Position { origin, sequence: size, hash };
            let follower = self.log.follow_with(Some(position), heads.chains).await?;
            return Ok(Standing::new(tree, hash, follower, size));
        }
        let follower = self.log.follow_with(None, BTreeMap::new()).await?;
        Ok(Standing::new(Tree::empty(), CommitHash::ZERO, follower, 0))
    }

    async fn snapshot(&self, size: u64) -> Result<Option<(Heads, Tree)>, Refused> {
        let Some(bytes) = self.archive.get(&ObjectName::Heads { size }).await? else {
            return Ok(None);
        };
        let keys = self.keys.accepted().iter().filter(|key| key.sizes.covers(size));
        let heads = keys.into_iter().find_map(|key| Heads::parse(&bytes, &key.key).ok());
        let Some(heads) = heads else { return Ok(None) };
        let head = self.note_of(size).await?.claim().head();
        if heads.head != head || heads.log != self.log.identity().origin {
            return Ok(None);
        }
        let tiles = self.archive.tiles(&Tree::resume_tiles(size)).await?;
        Ok(Tree::resume(&head, &tiles).ok().map(|tree| (heads, tree)))
    }

    /// Takes the log in again up to what is sealed, which must give the sealed root. What is not there must have been
    /// sealed as lost.
    async fn catch_up(&self, standing: &mut Standing, head: &TreeHead) -> Result<(), Refused> {
        let mut lost = None;
        while standing.tree.size() < head.size {
            let size = standing.tree.size();
            let mut batch = Batch::after(size);
            while standing.tree.size() < head.size && !batch.is_full() {
                let next = standing.tree.size() + 1;
                let found = if self.has(&standing.follower, next).await? {
                    match standing.follower.next_judged().await {
                        Ok(judged) => {
                            batch.add(&mut standing.tree, &judged)?;
                            continue;
                        }
                        Err(LogError::Gap { found, .. }) => found,
                        Err(error) => return Err(error.into()),
                    }
                } else {
                    head.size + 1
                };
                lost.get_or_insert(next);
                let through = head.size.min(found - 1).min(size + MOST_MESSAGES);
                for sequence in next..=through {
                    batch.add_gap(&mut standing.tree, sequence)?;
                }
                standing.follower.pass_lost(through)?;
            }
            standing.last = batch.last().unwrap_or(standing.last);
        }
        match lost {
            _ if standing.tree.root() == head.root => Ok(()),
            Some(sequence) => Err(Refused::Lost { sequence }),
            None => Err(Refused::Fork { place: "log", size: head.size }),
        }
    }

    /// Whether a message comes at this sequence or later; the one that would be waited for may be lost.
    async fn has(&self, follower: &Follower, sequence: u64) -> Result<bool, Refused> {
        if follower.has_more() {
            return Ok(true);
        }
        if !self.log.stored_after(sequence - 1, 1).await?.is_empty() {
            return Ok(true);
        }
        // A replica that is behind says nothing too; then the log is read again later.
        if self.log.is_held(sequence).await? {
            let (subject, read, held) = ("the log".to_owned(), sequence - 1, sequence);
            return Err(LogError::Behind { subject, read, held }.into());
        }
        Ok(false)
    }

    /// The smaller checkpoint is a past of the larger one, by the archive's tiles.
    async fn check_past(&self, past: &TreeHead, head: &TreeHead) -> Result<(), Refused> {
        let fork = Refused::Fork { place: "archive", size: past.size };
        if past.size == head.size {
            return if past.root == head.root { Ok(()) } else { Err(fork) };
        }
        if past.size == 0 {
            return Ok(());
        }
        let needed = consistency_tiles(past.size, head.size);
        let tiles = self.archive.tiles(&needed).await?;
        let lacks = |_| Refused::ArchiveLacks { what: "tiles", size: head.size };
        let (proven, _) = consistency_proof(past.size, head, &tiles).map_err(lacks)?;
        if proven == *past { Ok(()) } else { Err(fork) }
    }
}

impl Standing {
    fn new(tree: Tree, last: CommitHash, follower: Follower, snapshot: u64) -> Self {
        Self { tree, last, follower, fence: 0, note: None, snapshot }
    }
}
