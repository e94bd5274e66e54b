//! What a witness shows of what it cosigned last. An answer that contradicts this log is not signed, and whoever sits
//! between can forge it; a note with the witness's cosignature is its own word, and alone stops the sealer.
//!
//! Source: C2SP tlog-mirror, `GET <prefix>/<SHA-256 of the origin>/checkpoint`.

use crate::config::WitnessConfig;
use crate::standing::Refused;
use archive::{Archive, ArchiveError};
use ledger::tree::{consistency_proof, consistency_tiles};
use ledger::{CheckpointNote, Origin, cosigned_at};

/// A checkpoint that a witness cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    witness: String,
    note: CheckpointNote,
}

/// Why nobody can say whether it contradicts this log.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    #[error("the archive cannot be read")]
    Archive(#[from] ArchiveError),
    #[error("the archive holds no root of size {0}")]
    NoRoot(u64),
}

impl Evidence {
    /// None unless the text is a checkpoint of this log with a cosignature by the witness's own key.
    pub fn of(text: &str, origin: &Origin, witness: &WitnessConfig) -> Option<Self> {
        let note = CheckpointNote::parse(text.as_bytes()).ok()?;
        let (name, key, signed) = (witness.name.as_str(), &witness.spki, note.note());
        let is_its_own = signed
            .signatures()
            .iter()
            .any(|line| cosigned_at(line, signed.text(), name, key).is_some());
        let is_evidence = is_its_own && note.claim().origin == *origin;
        is_evidence.then(|| Self { witness: name.to_owned(), note })
    }

    /// Why this log may not go on beside it, where the witness cosigned what `ours`, our largest checkpoint, did not
    /// grow out of.
    pub async fn against(
        &self,
        ours: &CheckpointNote,
        archive: &Archive,
    ) -> Result<Option<Refused>, Undecided> {
        let (seen, sealed) = (self.note.claim().head(), ours.claim().head());
        let witness = self.witness.clone();
        if seen.size > sealed.size {
            let refused = Refused::WitnessAhead { witness, seen: seen.size, sealed: sealed.size };
            return Ok(Some(refused));
        }
        let root = match seen.size {
            // The empty tree has one root, as the note's parser has seen to.
            0 => seen.root,
            size if size == sealed.size => sealed.root,
            size => {
                let tiles = archive.tiles(&consistency_tiles(size, sealed.size)).await?;
                let proof = consistency_proof(size, &sealed, &tiles);
                proof.map_err(|_| Undecided::NoRoot(size))?.0.root
            }
        };
        let refused = Refused::WitnessContradicts { witness, size: seen.size };
        Ok((root != seen.root).then_some(refused))
    }

    /// The note, to be kept beside our own.
    pub fn note(&self) -> &CheckpointNote {
        &self.note
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use archive::ObjectName;
    use ledger::{Checkpoint, CommitHash, Tree, TreeHead, cosign};
    use trust::keys::PrivateKey;

    const SIZE: u64 = 300;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed(&[seed; 32])
    }

    fn origin() -> Origin {
        "sealed.log".parse().unwrap()
    }

    fn witness(seed: u8) -> WitnessConfig {
        let spki = key(seed).public();
        WitnessConfig { name: "w".parse().unwrap(), spki, url: String::new() }
    }

    /// A log that grew up to a size, and what is stored of it; `number` makes another history.
    async fn grown(size: u64, number: u8, archive: Option<&Archive>) -> TreeHead {
        let mut tree = Tree::empty();
        for sequence in 1..=size {
            let stored = tree.push(sequence, &CommitHash::of(&[number])).unwrap();
            let edge = if sequence == size { tree.edge_tiles(0) } else { Vec::new() };
            for tile in stored.into_iter().chain(edge) {
                let Some(archive) = archive else { continue };
                let name = ObjectName::of_tile(&tile.path).unwrap();
                archive.put_once(&name, tile.bytes.into()).await.unwrap();
            }
        }
        tree.head()
    }

    fn signed(origin: &Origin, head: &TreeHead) -> CheckpointNote {
        Checkpoint::new(origin.clone(), head).seal(&key(7), 1_800_000_000).unwrap()
    }

    fn cosigned(origin: &Origin, head: &TreeHead, seed: u8, time: u64) -> String {
        let mut note = signed(origin, head);
        let line = cosign(note.note().text(), &witness(1).name, &key(seed), time);
        note.add(line).unwrap();
        note.to_string()
    }

    #[tokio::test]
    async fn only_the_witness_s_own_word_on_this_log_is_evidence() {
        let head = grown(3, 0, None).await;
        let other: Origin = "other.log".parse().unwrap();
        let theirs = cosigned(&origin(), &head, 1, 5);
        assert!(Evidence::of(&theirs, &origin(), &witness(1)).is_some());
        for forged in [
            signed(&origin(), &head).to_string(),
            cosigned(&origin(), &head, 2, 5),
            cosigned(&origin(), &head, 1, 0),
            cosigned(&other, &head, 1, 5),
            theirs.replace("\n3\n", "\n4\n"),
            "400\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(Evidence::of(&forged, &origin(), &witness(1)), None, "{forged}");
        }
    }

    #[tokio::test]
    async fn evidence_stops_where_it_is_larger_or_of_another_history() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::in_folder(folder.path(), &origin()).unwrap();
        let ours = signed(&origin(), &grown(SIZE, 0, Some(&archive)).await);
        for (size, number, why) in [
            (0, 0, None),
            (1, 0, None),
            (256, 0, None),
            (SIZE, 0, None),
            (SIZE + 1, 0, Some("state was lost")),
            (SIZE + 1, 1, Some("state was lost")),
            (SIZE, 1, Some("another root of size 300")),
            (256, 1, Some("another root of size 256")),
            (1, 1, Some("another root of size 1")),
        ] {
            let text = cosigned(&origin(), &grown(size, number, None).await, 1, 5);
            let evidence = Evidence::of(&text, &origin(), &witness(1)).unwrap();
            let against = evidence.against(&ours, &archive).await.unwrap();
            let against = against.map(|refused| refused.to_string());
            let is_so = match (&against, why) {
                (Some(text), Some(why)) => text.contains(why),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(is_so, "{size} {number}: {against:?}");
        }
    }

    #[tokio::test]
    async fn what_the_archive_cannot_tell_is_no_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::in_folder(folder.path(), &origin()).unwrap();
        let ours = signed(&origin(), &grown(SIZE, 0, None).await);
        let text = cosigned(&origin(), &grown(256, 1, None).await, 1, 5);
        let evidence = Evidence::of(&text, &origin(), &witness(1)).unwrap();
        assert!(evidence.against(&ours, &archive).await.is_err());
    }
}
