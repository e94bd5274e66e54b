//! Store, sign, append: one checkpoint after the other, while the next batch is gathered.

use crate::batch::{Batch, BatchError};
use crate::gap::PATIENCE;
use crate::gathering::{Gathered, Gatherer};
use crate::heads::Heads;
use crate::losing::Losing;
use crate::pauses::Pauses;
use crate::standing::Standing;
use anyhow::{Context as _, bail};
use archive::{Archive, ObjectName};
use bytes::Bytes;
use chassis::Clock;
use event_log::{AppendError, Checkpoints, Reader};
use ledger::{Checkpoint, CheckpointNote, CommitHash, TreeHead, cosigned_at};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trust::keys::PrivateKey;

/// Batches that wait while one is stored.
const WAITING: usize = 1;

/// The newest checkpoint, for whoever cosigns or shows it.
pub type Published = watch::Receiver<Option<CheckpointNote>>;

/// The one that seals.
#[derive(Debug)]
pub struct Sealer {
    gatherer: Gatherer,
    signer: Signer,
}

/// The one that signs.
#[derive(Debug)]
struct Signer {
    last: CommitHash,
    fence: u64,
    sealed_at: u64,
    log: Reader,
    checkpoints: Checkpoints,
    archive: Archive,
    key: PrivateKey,
    clock: Clock,
    newest: watch::Sender<Option<CheckpointNote>>,
}

impl Sealer {
    /// Goes on where sealing stands.
    pub fn new(
        standing: Standing,
        log: Reader,
        checkpoints: Checkpoints,
        archive: Archive,
        key: PrivateKey,
        clock: Clock,
    ) -> (Self, Published) {
        let Standing { tree, last, follower, fence, note, snapshot } = standing;
        let sealed_at = note.as_ref().and_then(|note| time_of(note, &key)).unwrap_or_default();
        let (newest, published) = watch::channel(note);
        let losing = Losing::new(PATIENCE);
        let gatherer = Gatherer {
            tree,
            follower,
            snapshot,
            losing,
            log: log.clone(),
            archive: archive.clone(),
        };
        let signer =
            Signer { last, fence, sealed_at, log, checkpoints, archive, key, clock, newest };
        (Self { gatherer, signer }, published)
    }

    /// With another patience than the protocol's, for a test.
    #[must_use]
    pub fn with_gap_patience(mut self, patience: Duration) -> Self {
        self.gatherer.losing = Losing::new(patience);
        self
    }

    /// Seals until told to stop. Another sealer, another history and an archive that differs are errors that stop the
    /// process; everything transient is tried again. `ready` runs before the first message is waited for.
    pub async fn run(
        self,
        ready: impl FnOnce() + Send,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { gatherer, mut signer } = self;
        ready();
        measure(gatherer.tree.size(), 0.0);
        let (gathered, mut batches) = mpsc::channel(WAITING);
        let mut gathering = JoinSet::new();
        gathering.spawn(gatherer.run(gathered, stopping.clone()));
        while let Some(batch) = batches.recv().await {
            if !signer.seal(batch, &stopping).await? {
                return Ok(());
            }
        }
        gathering.join_next().await.context("nobody gathered")?.context("gathering failed")?
    }
}

impl Signer {
    /// Stores, signs and appends; false if the process stops first.
    async fn seal(
        &mut self,
        Gathered { batch, heads }: Gathered,
        stopping: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let began = std::time::Instant::now();
        let mut pauses = Pauses::default();
        while let Err(error) = batch.store(&self.log, &self.archive).await {
            if !error.is_transient() {
                return Err(error).context("what is to be sealed cannot be archived");
            }
            wait("the archive is tried again", &error, &mut pauses, stopping).await;
            if stopping.is_cancelled() {
                return Ok(false);
            }
        }
        let (head, counts) = (batch.head(), batch.counts());
        let note = self.sign(&head)?;
        let bytes = Bytes::from(note.to_string());
        loop {
            match self.checkpoints.append(bytes.clone(), self.fence).await {
                Ok(fence) => break self.fence = fence,
                Err(AppendError::Conflict) => {
                    bail!("another sealer seals this log: this one stops")
                }
                Err(error @ (AppendError::Unknown { .. } | AppendError::Log(_))) => {
                    wait("the same checkpoint is appended again", &error, &mut pauses, stopping)
                        .await;
                    if stopping.is_cancelled() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error).context("a checkpoint cannot be appended"),
            }
        }
        let name = ObjectName::Note { size: head.size };
        self.put(&name, bytes, stopping).await?;
        self.last = counts.last().unwrap_or(self.last);
        self.newest.send_replace(Some(note));
        metrics::histogram!("countersign_sealer_seal_duration_seconds").record(began.elapsed());
        metrics::counter!("countersign_sealer_messages_total").increment(counts.messages());
        metrics::counter!("countersign_sealer_condemned_total").increment(counts.condemned());
        metrics::counter!("countersign_sealer_gap_leaves_total").increment(counts.gaps());
        measure(head.size, self.age(counts));
        if let Some(chains) = heads {
            // Heads belong to a checkpoint that is signed.
            let (log, last) = (self.log.identity().origin.clone(), self.last);
            let heads = Heads { log, head, last, chains };
            let bytes = heads.encode(&self.key).context("the heads of all chains")?;
            self.put(&ObjectName::Heads { size: head.size }, Bytes::from(bytes), stopping).await?;
        }
        Ok(true)
    }

    /// The next checkpoint. Its time never goes back, whatever the clock does.
    fn sign(&mut self, head: &TreeHead) -> anyhow::Result<CheckpointNote> {
        let now = u64::try_from(self.clock.now().datetime().timestamp()).unwrap_or_default();
        self.sealed_at = self.sealed_at.max(now);
        let checkpoint = Checkpoint::new(self.log.identity().origin.clone(), head);
        checkpoint.seal(&self.key, self.sealed_at).context("a checkpoint cannot be signed")
    }

    async fn put(
        &self,
        name: &ObjectName,
        bytes: Bytes,
        stopping: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut pauses = Pauses::default();
        while let Err(error) = self.archive.put_once(name, bytes.clone()).await {
            let error = BatchError::from(error);
            if !error.is_transient() || stopping.is_cancelled() {
                return Err(error).with_context(|| format!("{name} cannot be archived"));
            }
            wait("the archive is tried again", &error, &mut pauses, stopping).await;
        }
        Ok(())
    }

    /// How long the oldest message of the batch had to wait for its seal.
    fn age(&self, batch: &Batch) -> f64 {
        let oldest = batch.oldest().map(|oldest| self.clock.now().datetime() - oldest.datetime());
        let age = oldest.and_then(|age| age.to_std().ok()).unwrap_or_default();
        metrics::histogram!("countersign_sealer_merge_delay_seconds").record(age);
        age.as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn measure(size: u64, merge_delay: f64) {
    metrics::gauge!("countersign_sealer_size").set(size as f64);
    metrics::gauge!("countersign_sealer_last_merge_delay_seconds").set(merge_delay);
}

/// When this log's key says that it sealed a note, unix seconds.
fn time_of(note: &CheckpointNote, key: &PrivateKey) -> Option<u64> {
    let (name, text) = (note.claim().origin.as_str(), note.note().text());
    let signatures = note.note().signatures().iter();
    signatures.filter_map(|signature| cosigned_at(signature, text, name, &key.public())).max()
}

async fn wait(
    what: &'static str,
    error: &(dyn std::error::Error + Sync + 'static),
    pauses: &mut Pauses,
    stopping: &CancellationToken,
) {
    let pause = pauses.longer();
    tracing::warn!(error = %chassis::problem::Chain(error), pause_ms = pause.as_millis(), "{what}");
    tokio::select! {
        () = stopping.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
