//! Which checkpoint is shown as the newest: the largest one with a quorum of cosignatures, and no other.

use super::asking::CosignedNote;
use crate::config::WitnessConfig;
use crate::pauses::Pauses;
use crate::sealing::Published;
use archive::Archive;
use bytes::Bytes;
use ledger::{CheckpointNote, NoteSignature, cosigned_at};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Collects cosignatures of one checkpoint after the other.
#[derive(Debug)]
pub struct Showing {
    archive: Archive,
    witnesses: Vec<WitnessConfig>,
    quorum: usize,
    /// What the witnesses are asked about.
    target: watch::Sender<Option<CheckpointNote>>,
    /// The target, with every cosignature that came.
    collected: Option<CheckpointNote>,
    /// What the archive shows.
    shown: Option<CheckpointNote>,
}

impl Showing {
    /// Nothing is collected yet.
    pub fn new(
        archive: Archive,
        witnesses: Vec<WitnessConfig>,
        quorum: usize,
        target: watch::Sender<Option<CheckpointNote>>,
    ) -> Self {
        Self { archive, witnesses, quorum, target, collected: None, shown: None }
    }

    /// Shows what is cosigned, until told to stop.
    pub async fn run(
        mut self,
        mut published: Published,
        mut cosigned: mpsc::Receiver<CosignedNote>,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut pauses = Pauses::default();
        if !self.look(&mut pauses, &stopping).await {
            return Ok(());
        }
        loop {
            let newest = published.borrow_and_update().clone();
            let is_behind = self.show(newest.as_ref()).await.is_err();
            if !is_behind {
                pauses = Pauses::default();
            }
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                changed = published.changed() => if changed.is_err() { return Ok(()) },
                Some((note, line)) = cosigned.recv() => self.collect(&note, line),
                () = tokio::time::sleep(pauses.longer()), if is_behind => {}
            }
        }
    }

    /// What is shown already, whose lines are kept; false if told to stop.
    async fn look(&mut self, pauses: &mut Pauses, stopping: &CancellationToken) -> bool {
        loop {
            match self.archive.newest_checkpoint().await {
                Ok(bytes) => {
                    // The start has refused one that is not of this log.
                    self.shown = bytes.and_then(|bytes| CheckpointNote::parse(&bytes).ok());
                    return true;
                }
                Err(error) => tracing::warn!(%error, "what is shown as the newest is unknown"),
            }
            let pause = tokio::time::sleep(pauses.longer());
            if stopping.run_until_cancelled(pause).await.is_none() {
                return false;
            }
        }
    }

    /// Shows the target if it may be and is not yet; then the next target is the newest checkpoint.
    async fn show(&mut self, newest: Option<&CheckpointNote>) -> Result<(), archive::ArchiveError> {
        loop {
            self.put().await?;
            if !self.aim(newest) {
                return Ok(());
            }
        }
    }

    async fn put(&mut self) -> Result<(), archive::ArchiveError> {
        let Some(note) = &self.collected else { return Ok(()) };
        let (size, shown) = (note.claim().size, self.shown.as_ref());
        let is_older = shown.is_some_and(|shown| shown.claim().size > size);
        if !self.has_quorum(note) || is_older || shown == Some(note) {
            return Ok(());
        }
        let put = self.archive.replace_checkpoint(Bytes::from(note.to_string())).await;
        if let Err(error) = put {
            tracing::warn!(%error, size, "a checkpoint cannot be shown");
            return Err(error);
        }
        tracing::debug!(size, "a checkpoint is shown as the newest");
        self.shown = Some(note.clone());
        Ok(())
    }

    /// Takes the newest as target once the last one was shown; whether it did.
    fn aim(&mut self, newest: Option<&CheckpointNote>) -> bool {
        let Some(newest) = newest else { return false };
        let size = newest.claim().size;
        if let Some(note) = &self.collected
            && (note.claim().size >= size || !self.has_quorum(note))
        {
            return false;
        }
        // After a restart the lines of those that have cosigned it are there already.
        let text = newest.note().text();
        let shown = self.shown.as_ref().filter(|shown| shown.note().text() == text);
        self.collected = Some(shown.unwrap_or(newest).clone());
        self.target.send_replace(Some(newest.clone()));
        true
    }

    fn collect(&mut self, note: &CheckpointNote, line: NoteSignature) {
        let size = note.claim().size;
        let Some(mut collected) = self.collected.take() else { return };
        // A late line of an earlier target, or a second one of a witness, adds nothing.
        let is_of_it = collected.note().text() == note.note().text();
        let is_new = !self
            .witnesses
            .iter()
            .any(|witness| witness.name == line.name && has_cosigned(witness, &collected));
        if is_of_it
            && is_new
            && let Err(error) = collected.add(line)
        {
            tracing::warn!(%error, size, "a checkpoint does not take a cosignature");
        }
        self.collected = Some(collected);
    }

    fn has_quorum(&self, note: &CheckpointNote) -> bool {
        let cosigned = self.witnesses.iter().filter(|witness| has_cosigned(witness, note));
        cosigned.count() >= self.quorum
    }
}

fn has_cosigned(witness: &WitnessConfig, note: &CheckpointNote) -> bool {
    let text = note.note().text();
    note.note()
        .signatures()
        .iter()
        .any(|line| cosigned_at(line, text, witness.name.as_str(), &witness.spki).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Checkpoint, CommitHash, Tree, cosign};
    use trust::keys::PrivateKey;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed(&[seed; 32])
    }

    fn witness(seed: u8) -> WitnessConfig {
        let (name, spki) = (format!("w{seed}").parse().unwrap(), key(seed).public());
        WitnessConfig { name, spki, url: String::new() }
    }

    fn note(size: u64) -> CheckpointNote {
        let mut tree = Tree::empty();
        for sequence in 1..=size {
            tree.push(sequence, &CommitHash::of(&[7])).unwrap();
        }
        let origin = "sealed.log".parse().unwrap();
        Checkpoint::new(origin, &tree.head()).seal(&key(7), 1_800_000_000).unwrap()
    }

    fn line(seed: u8, note: &CheckpointNote, time: u64) -> NoteSignature {
        cosign(note.note().text(), &witness(seed).name, &key(seed), time)
    }

    struct Shop {
        showing: Showing,
        target: watch::Receiver<Option<CheckpointNote>>,
        archive: Archive,
        _folder: tempfile::TempDir,
    }

    fn shop(quorum: usize) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::in_folder(folder.path(), &"sealed.log".parse().unwrap()).unwrap();
        let (sender, target) = watch::channel(None);
        let witnesses = vec![witness(1), witness(2)];
        let showing = Showing::new(archive.clone(), witnesses, quorum, sender);
        Shop { showing, target, archive, _folder: folder }
    }

    impl Shop {
        async fn shown(&self) -> Option<CheckpointNote> {
            let bytes = self.archive.newest_checkpoint().await.unwrap()?;
            Some(CheckpointNote::parse(&bytes).unwrap())
        }

        fn asked(&self) -> Option<u64> {
            self.target.borrow().as_ref().map(|note| note.claim().size)
        }
    }

    #[tokio::test]
    async fn without_a_quorum_the_newest_is_shown_at_once() {
        let mut shop = shop(0);
        for size in [3, 5] {
            shop.showing.show(Some(&note(size))).await.unwrap();
            assert_eq!((shop.shown().await, shop.asked()), (Some(note(size)), Some(size)));
        }
    }

    #[tokio::test]
    async fn nothing_is_shown_before_a_quorum_has_cosigned_one_and_the_same() {
        let mut shop = shop(2);
        let (three, five) = (note(3), note(5));
        shop.showing.show(Some(&three)).await.unwrap();
        shop.showing.collect(&three, line(1, &three, 1));
        // The same witness twice, and a line for another checkpoint.
        shop.showing.collect(&three, line(1, &three, 2));
        shop.showing.collect(&five, line(2, &five, 1));
        shop.showing.show(Some(&five)).await.unwrap();
        assert_eq!((shop.shown().await, shop.asked()), (None, Some(3)));
        shop.showing.collect(&three, line(2, &three, 1));
        shop.showing.show(Some(&five)).await.unwrap();
        assert_eq!(shop.shown().await.unwrap().claim().size, 3);
        assert_eq!(shop.shown().await.unwrap().note().signatures().len(), 4);
        assert_eq!(shop.asked(), Some(5));
    }

    #[tokio::test]
    async fn a_line_beyond_the_quorum_is_added_and_none_is_lost_at_a_restart() {
        let mut shop = shop(1);
        let three = note(3);
        shop.showing.show(Some(&three)).await.unwrap();
        for seed in [1, 2] {
            shop.showing.collect(&three, line(seed, &three, 1));
            shop.showing.show(Some(&three)).await.unwrap();
        }
        let shown = shop.shown().await.unwrap();
        assert_eq!(shown.note().signatures().len(), 4);
        let (sender, _target) = watch::channel(None);
        let witnesses = vec![witness(1), witness(2)];
        let mut again = Showing::new(shop.archive.clone(), witnesses, 1, sender);
        assert!(again.look(&mut Pauses::default(), &CancellationToken::new()).await);
        again.show(Some(&three)).await.unwrap();
        again.collect(&three, line(2, &three, 9));
        again.show(Some(&three)).await.unwrap();
        assert_eq!(shop.shown().await, Some(shown));
    }

    #[tokio::test]
    async fn what_is_shown_never_gets_smaller() {
        let mut shop = shop(0);
        let five = note(5);
        shop.archive.replace_checkpoint(Bytes::from(five.to_string())).await.unwrap();
        assert!(shop.showing.look(&mut Pauses::default(), &CancellationToken::new()).await);
        shop.showing.show(Some(&note(3))).await.unwrap();
        assert_eq!(shop.shown().await, Some(five));
    }
}
