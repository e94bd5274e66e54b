//! Keeps the index: follows the log, batches what is at hand, commits it with its position.

use super::document::Known;
use super::index::{Entry, IndexError, SearchIndex};
use crate::pauses::Pauses;
use anyhow::Context as _;
use cqrs_es::Aggregate as _;
use domain::changes::ChangeEvent;
use domain::identity::Principal;
use domain::registry::Event;
use event_log::{Followed, Follower, LogError, Reader, Recorded};
use ledger::BlobRef;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Most messages that are read ahead.
const BATCH: usize = 1_000;
/// While more is waiting, the index is committed so often: each commit is work that does not depend on its size.
const COMMITTED: Duration = Duration::from_secs(1);
/// Most bytes of SQL that a batch holds.
const BATCH_SQL_BYTES: usize = 32 << 20;
/// Names that are remembered.
const NAMES: usize = 10_000;
/// How often the writer's place is asked for while another process has it.
const LOCK_STEP: Duration = Duration::from_millis(500);
/// How long the mirror of blobs may be behind that of the log.
const BLOB_TRIES: usize = 60;

/// Keeps the index in `folder` until told to stop. Another history or a broken index is an error that stops the process;
/// everything transient is tried again.
pub async fn keep(
    folder: &Path,
    log: Reader,
    ready: impl FnOnce() + Send,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = stopping.cancelled() => Ok(()),
        ended = kept(folder, log, ready) => ended,
    }
}

async fn kept(folder: &Path, log: Reader, ready: impl FnOnce() + Send) -> anyhow::Result<()> {
    let mut index = opened(folder, &log).await.context("the search index cannot be opened")?;
    let mut ready = Some(ready);
    let mut source = Source { log: log.clone(), names: HashMap::new() };
    let mut pauses = Pauses::default();
    loop {
        let lost = match log.follow(index.position().cloned()).await {
            Ok(mut follower) => {
                if let Some(ready) = ready.take() {
                    ready();
                }
                pauses = Pauses::default();
                let (kept, lost) = follow(index, &mut source, &mut follower).await?;
                index = kept;
                lost
            }
            Err(error) => error,
        };
        if !lost.is_transient() {
            return Err(lost).context("the log cannot be followed into the search index");
        }
        tracing::warn!(error = %lost, "following the log into the search index again later");
        tokio::time::sleep(pauses.longer()).await;
    }
}

/// Indexes until the log fails. The log is read and verified beside the indexing, which has threads of its own.
async fn follow(
    mut index: SearchIndex,
    source: &mut Source,
    follower: &mut Follower,
) -> anyhow::Result<(SearchIndex, LogError)> {
    let mut due = Instant::now() + COMMITTED;
    let mut ahead = source.batch(follower, None).await;
    loop {
        let Ahead { batch, lost, more } = ahead;
        let is_due = !more || lost.is_some() || due <= Instant::now();
        if is_due {
            due = Instant::now() + COMMITTED;
        }
        let writing = written(index, batch, is_due);
        if let Some(lost) = lost {
            return Ok((writing.await?, lost));
        }
        // More was promised; if it does not come, what is there is to be found all the same.
        let reading = source.batch(follower, (!is_due).then_some(due));
        (index, ahead) = tokio::try_join!(writing, async { Ok(reading.await) })?;
    }
}

/// Waits for the one writer's place.
async fn opened(folder: &Path, log: &Reader) -> anyhow::Result<SearchIndex> {
    let mut told = false;
    loop {
        let (folder, origin) = (folder.to_owned(), log.identity().origin.clone());
        match tokio::task::spawn_blocking(move || SearchIndex::open(&folder, &origin)).await? {
            Err(IndexError::Locked) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!("another worker writes the search index: waiting for its place");
                }
                tokio::time::sleep(LOCK_STEP).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// Indexing and committing are work for a thread of their own.
async fn written(
    mut index: SearchIndex,
    batch: Vec<Entry>,
    is_due: bool,
) -> anyhow::Result<SearchIndex> {
    let writing = tokio::task::spawn_blocking(move || {
        let documents = index.add(&batch)?;
        if is_due {
            index.commit()?;
        }
        Ok::<_, IndexError>((index, documents))
    });
    let (index, documents) = writing.await?.context("the search index cannot be written")?;
    metrics::counter!("countersign_projections_search_documents_total").increment(documents);
    let sequence = index.position().map_or(0, |position| position.sequence);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("countersign_projections_search_sequence").set(sequence as f64);
    Ok(index)
}

/// What was at hand.
struct Ahead {
    batch: Vec<Entry>,
    /// The error that ended it.
    lost: Option<LogError>,
    /// More is waiting.
    more: bool,
}

/// What documents need beside their commit.
struct Source {
    log: Reader,
    names: HashMap<(String, String), Option<String>>,
}

impl Source {
    /// What is at hand: at least one message, unless none comes until then.
    async fn batch(&mut self, follower: &mut Follower, until: Option<Instant>) -> Ahead {
        let (mut batch, mut sql_bytes) = (Vec::new(), 0);
        let mut lost = None;
        while batch.is_empty()
            || (batch.len() < BATCH && sql_bytes < BATCH_SQL_BYTES && follower.has_more())
        {
            // Only the next message may be given up: one that was given is not given again.
            let next = match until {
                Some(until) => match timeout_at(until, follower.next()).await {
                    Ok(next) => next,
                    Err(_) => return Ahead { batch, lost, more: false },
                },
                None => follower.next().await,
            };
            match self.entry(next).await {
                Ok(entry) => {
                    sql_bytes += entry.known.sql.as_ref().map_or(0, Vec::len);
                    batch.push(entry);
                }
                Err(error) => {
                    lost = Some(error);
                    break;
                }
            }
        }
        Ahead { batch, lost, more: follower.has_more() }
    }

    async fn entry(&mut self, next: Result<Followed, LogError>) -> Result<Entry, LogError> {
        let seen = next?;
        let known = match &seen {
            Followed::Commit(recorded) => self.known(recorded).await?,
            Followed::Condemned(_) => Known::default(),
        };
        Ok(Entry { seen, known })
    }

    async fn known(&mut self, recorded: &Recorded) -> Result<Known, LogError> {
        let Ok(events) = &recorded.events else {
            tracing::warn!(
                log.sequence = recorded.sequence,
                "an unreadable commit is not searched"
            );
            return Ok(Known::default());
        };
        let drafted = events.iter().find_map(|event| {
            if let Event::Change(ChangeEvent::Drafted(drafted)) = &event.event {
                return Some(&drafted.sql);
            }
            None
        });
        let sql = match drafted {
            Some(blob) => self.sql(recorded, blob).await?,
            None => None,
        };
        if recorded.aggregate_type == Principal::TYPE {
            // Who had no name until now may have one.
            self.names.remove(&(recorded.tenant.clone(), recorded.aggregate_id.clone()));
        }
        let actor = self.name(&recorded.tenant, &recorded.actor.id.to_string()).await?;
        Ok(Known { actor, sql })
    }

    async fn sql(&self, recorded: &Recorded, blob: &BlobRef) -> Result<Option<Vec<u8>>, LogError> {
        for _ in 0..BLOB_TRIES {
            if let Some(found) = self.log.blob(&recorded.tenant, &blob.sha256).await? {
                return Ok(Some(found.to_vec()));
            }
            tokio::time::sleep(LOCK_STEP).await;
        }
        tracing::error!(log.sequence = recorded.sequence, sha256 = %blob.sha256, "a blob is not there: not searched");
        metrics::counter!("countersign_projections_search_missing_blobs_total").increment(1);
        Ok(None)
    }

    /// The name of a person; services and people unknown to the log have none.
    async fn name(&mut self, tenant: &str, id: &str) -> Result<Option<String>, LogError> {
        let key = (tenant.to_owned(), id.to_owned());
        if let Some(name) = self.names.get(&key) {
            return Ok(name.clone());
        }
        let found = match self.log.load::<Principal>(tenant, id).await {
            Ok(found) => found,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tracing::warn!(principal = id, %error, "the name of a principal cannot be read");
                None
            }
        };
        let created = found.and_then(|found| found.aggregate.created);
        let name = created.map(|created| created.name.shown().to_owned());
        if self.names.len() >= NAMES {
            self.names.clear();
        }
        self.names.insert(key, name.clone());
        Ok(name)
    }
}
