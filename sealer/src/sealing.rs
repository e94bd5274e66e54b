//! The loop: gather, store, sign, append.

use crate::batch::{Batch, BatchError, MOST_MESSAGES};
use crate::gap::PATIENCE;
use crate::heads::Heads;
use crate::losing::Losing;
use crate::pauses::Pauses;
use crate::standing::Standing;
use anyhow::{Context as _, bail};
use archive::{Archive, ObjectName};
use bytes::Bytes;
use chassis::Clock;
use event_log::{AppendError, Checkpoints, Follower, LogError, Reader};
use ledger::{Checkpoint, CheckpointNote, CommitHash, Tree, cosigned_at};
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trust::keys::PrivateKey;

/// Longest wait for more messages after the first: well below the second that the protocol allows.
const GATHERING: Duration = Duration::from_millis(300);
/// Heads are stored after so many messages, or as many as there are heads.
const SNAPSHOT_AFTER: u64 = 10_000;

/// The newest checkpoint, for whoever cosigns or shows it.
pub type Published = watch::Receiver<Option<CheckpointNote>>;

/// The one that seals.
#[derive(Debug)]
pub struct Sealer {
    tree: Tree,
    last: CommitHash,
    follower: Follower,
    fence: u64,
    snapshot: u64,
    sealed_at: u64,
    log: Reader,
    checkpoints: Checkpoints,
    archive: Archive,
    key: PrivateKey,
    clock: Clock,
    newest: watch::Sender<Option<CheckpointNote>>,
    losing: Losing,
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
        let sealer = Self {
            tree,
            last,
            follower,
            fence,
            snapshot,
            sealed_at,
            log,
            checkpoints,
            archive,
            key,
            clock,
            newest,
            losing: Losing::new(PATIENCE),
        };
        (sealer, published)
    }

    /// With another patience than the protocol's, for a test.
    #[must_use]
    pub fn with_gap_patience(self, patience: Duration) -> Self {
        Self { losing: Losing::new(patience), ..self }
    }

    /// Seals until told to stop. Another sealer, another history and an archive that differs are errors that stop the
    /// process; everything transient is tried again. `ready` runs before the first message is waited for.
    pub async fn run(
        mut self,
        ready: impl FnOnce() + Send,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        ready();
        self.measure(0.0);
        while let Some(batch) = self.gather(&stopping).await? {
            if !self.seal(batch, &stopping).await? {
                break;
            }
        }
        Ok(())
    }

    /// What came, a moment after the first of it at the latest; none if the process stops.
    async fn gather(&mut self, stopping: &CancellationToken) -> anyhow::Result<Option<Batch>> {
        let mut batch = Batch::after(self.tree.size());
        let mut until: Option<Instant> = None;
        let mut pauses = Pauses::default();
        while !batch.is_full() {
            let next = tokio::select! {
                () = stopping.cancelled() => return Ok(None),
                () = elapsed(until) => break,
                next = self.follower.next_judged() => next,
            };
            match next {
                Ok(judged) => {
                    batch.add(&mut self.tree, &judged).context("the log cannot be taken in")?;
                    until.get_or_insert_with(|| Instant::now() + GATHERING);
                }
                Err(error) if error.is_transient() => {
                    let pause = pauses.longer();
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "following again later");
                    tokio::select! {
                        () = stopping.cancelled() => return Ok(None),
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                // What came before is sealed first.
                Err(LogError::Gap { .. }) if batch.leaves() > 0 => break,
                Err(LogError::Gap { expected, found }) => {
                    let lost = expected..=found - 1;
                    if self.losing.are_lost(&lost, (&self.log, &self.archive), stopping).await? {
                        self.take_gap(&mut batch, &lost)?;
                    } else if stopping.is_cancelled() {
                        return Ok(None);
                    } else {
                        self.follower.read_again();
                    }
                }
                Err(error) => return Err(error).context("the log cannot be followed"),
            }
        }
        Ok(Some(batch))
    }

    /// Leaves without a hash, as many as one checkpoint takes.
    fn take_gap(&mut self, batch: &mut Batch, lost: &RangeInclusive<u64>) -> anyhow::Result<()> {
        let through = (*lost.end()).min(self.tree.size() + MOST_MESSAGES);
        for sequence in *lost.start()..=through {
            batch.add_gap(&mut self.tree, sequence).context("a gap leaf cannot be taken in")?;
        }
        self.follower.pass_lost(through).context("the log cannot be followed over a gap")
    }

    /// Stores, signs and appends; false if the process stops first.
    async fn seal(&mut self, batch: Batch, stopping: &CancellationToken) -> anyhow::Result<bool> {
        let began = std::time::Instant::now();
        let mut pauses = Pauses::default();
        while let Err(error) = batch.store(&self.tree, &self.log, &self.archive).await {
            if !error.is_transient() {
                return Err(error).context("what is to be sealed cannot be archived");
            }
            wait("the archive is tried again", &error, &mut pauses, stopping).await;
            if stopping.is_cancelled() {
                return Ok(false);
            }
        }
        let note = self.sign()?;
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
        let name = ObjectName::Note { size: self.tree.size() };
        self.put(&name, bytes, stopping).await?;
        self.last = batch.last().unwrap_or(self.last);
        self.newest.send_replace(Some(note));
        metrics::histogram!("countersign_sealer_seal_duration_seconds").record(began.elapsed());
        metrics::counter!("countersign_sealer_messages_total").increment(batch.messages());
        metrics::counter!("countersign_sealer_condemned_total").increment(batch.condemned());
        metrics::counter!("countersign_sealer_gap_leaves_total").increment(batch.gaps());
        self.measure(self.age(&batch));
        self.keep_heads(stopping).await?;
        Ok(true)
    }

    /// The next checkpoint. Its time never goes back, whatever the clock does.
    fn sign(&mut self) -> anyhow::Result<CheckpointNote> {
        let now = u64::try_from(self.clock.now().datetime().timestamp()).unwrap_or_default();
        self.sealed_at = self.sealed_at.max(now);
        let checkpoint = Checkpoint::new(self.log.identity().origin.clone(), &self.tree.head());
        checkpoint.seal(&self.key, self.sealed_at).context("a checkpoint cannot be signed")
    }

    /// Heads belong to a checkpoint that is signed; storing them as often as there are heads costs the same a message.
    async fn keep_heads(&mut self, stopping: &CancellationToken) -> anyhow::Result<()> {
        let size = self.tree.size();
        let chains: u64 = self.follower.heads().count().try_into().unwrap_or(u64::MAX);
        if size - self.snapshot < SNAPSHOT_AFTER.max(chains) {
            return Ok(());
        }
        let chains = self.follower.heads().map(|(subject, head)| (subject.to_owned(), head));
        let (log, head) = (self.log.identity().origin.clone(), self.tree.head());
        let heads = Heads { log, head, last: self.last, chains: chains.collect() };
        let bytes = heads.encode(&self.key).context("the heads of all chains")?;
        self.put(&ObjectName::Heads { size }, Bytes::from(bytes), stopping).await?;
        self.snapshot = size;
        Ok(())
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

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn measure(&self, merge_delay: f64) {
        metrics::gauge!("countersign_sealer_size").set(self.tree.size() as f64);
        metrics::gauge!("countersign_sealer_last_merge_delay_seconds").set(merge_delay);
    }
}

/// When this log's key says that it sealed a note, unix seconds.
fn time_of(note: &CheckpointNote, key: &PrivateKey) -> Option<u64> {
    let (name, text) = (note.claim().origin.as_str(), note.note().text());
    let signatures = note.note().signatures().iter();
    signatures.filter_map(|signature| cosigned_at(signature, text, name, &key.public())).max()
}

async fn elapsed(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
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
