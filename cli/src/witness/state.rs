//! What a witness has cosigned, on disk: it is durable before a cosignature leaves, and never guessed.
//!
//! The folder holds `witness.json` (whose state it is, and of which logs there must be a note), one file
//! `<SHA-256 of the origin>.checkpoint` for each log (the note that was cosigned last, with the log's own lines and the
//! cosignature, by which a damaged one is found) and `lock`. Every file is written anew beside itself, synced and
//! renamed over, and the folder is synced.

use crate::files;
use ledger::witness::{Cosigner, Seen, origin_hash};
use ledger::{CheckpointNote, Origin};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tempfile::Builder;
use trust::keys::PublicKey;
use trust::strict;

const FORMAT: &str = "countersign-witness/1";
const CARD: &str = "witness.json";
const LOCK: &str = "lock";
const NOTE_END: &str = ".checkpoint";
/// Files that were being written when a witness died.
const UNFINISHED: &str = ".unfinished-";

/// Why a witness does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has the folder.
    #[error("another witness uses the state in {}", .0.display())]
    InUse(PathBuf),
    /// The state of another name or key.
    #[error("the state in {} is of another witness: name or key differ", .0.display())]
    OtherWitness(PathBuf),
    /// What was cosigned is not known any more.
    #[error(
        "{} is {what}: what was cosigned is not known any more, and a cosignature could be of a fork; start a new \
         witness with a new key and an empty folder", path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The disk failed.
    #[error("the state {} cannot be kept", path.display())]
    Disk {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StateError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse(_) => "cli.witness_state_in_use",
            Self::OtherWitness(_) => "cli.witness_state_of_another",
            Self::Damaged { .. } => "cli.witness_state_damaged",
            Self::Disk { .. } => "cli.file_unwritable",
        }
    }
}

/// `witness.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    format: String,
    name: String,
    spki: PublicKey,
    /// Logs of which something was cosigned: a note that is missing then was lost.
    begun: BTreeSet<Origin>,
}

/// The folder of one witness.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    card: Card,
    /// Given back when the process ends, however it ends.
    _lock: Flock<File>,
}

impl State {
    /// Opens the folder, or makes it.
    pub fn open(folder: &Path, cosigner: &Cosigner) -> Result<Self, StateError> {
        let disk = |source| StateError::Disk { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(disk)?;
        let lock = File::create(folder.join(LOCK)).map_err(disk)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|_| StateError::InUse(folder.to_owned()))?;
        let names = names(folder).map_err(disk)?;
        for unfinished in names.iter().filter(|name| name.starts_with(UNFINISHED)) {
            fs::remove_file(folder.join(unfinished)).map_err(disk)?;
        }
        let (name, spki) = (cosigner.name().to_string(), cosigner.public());
        let path = folder.join(CARD);
        let card = match files::read(&path) {
            Ok(bytes) => parsed(&bytes).ok_or(StateError::Damaged { path, what: "damaged" })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if names.iter().any(|name| name.ends_with(NOTE_END)) {
                    return Err(StateError::Damaged { path, what: "gone" });
                }
                let card = Card { format: FORMAT.to_owned(), name, spki, begun: BTreeSet::new() };
                let state = Self { folder: folder.to_owned(), card, _lock: lock };
                state.keep_card()?;
                return Ok(state);
            }
            Err(source) => return Err(StateError::Disk { path, source }),
        };
        if card.name != name || card.spki != spki {
            return Err(StateError::OtherWitness(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), card, _lock: lock })
    }

    /// What was cosigned last of a log, and its note; none if nothing ever was.
    pub fn read(
        &mut self,
        origin: &Origin,
        cosigner: &Cosigner,
    ) -> Result<Option<(Seen, String)>, StateError> {
        let path = self.note_path(origin);
        let bytes = match files::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let was_there = self.card.begun.contains(origin);
                let lost = StateError::Damaged { path, what: "gone" };
                return if was_there { Err(lost) } else { Ok(None) };
            }
            Err(source) => return Err(StateError::Disk { path, source }),
        };
        let seen = Seen::in_note(&bytes, origin, cosigner);
        let note = String::from_utf8(bytes).ok();
        match seen.zip(note) {
            Some(kept) => {
                // The process may have died between the two files.
                self.begin(origin)?;
                Ok(Some(kept))
            }
            None => Err(StateError::Damaged { path, what: "damaged" }),
        }
    }

    /// Makes a note durable.
    pub fn keep(&mut self, origin: &Origin, note: &CheckpointNote) -> Result<(), StateError> {
        self.write(&self.note_path(origin), note.to_string().as_bytes())?;
        self.begin(origin)
    }

    fn begin(&mut self, origin: &Origin) -> Result<(), StateError> {
        if self.card.begun.insert(origin.clone()) { self.keep_card() } else { Ok(()) }
    }

    fn keep_card(&self) -> Result<(), StateError> {
        let path = self.folder.join(CARD);
        let bytes = serde_json::to_vec_pretty(&self.card);
        let bytes =
            bytes.map_err(|error| StateError::Disk { path: path.clone(), source: error.into() })?;
        self.write(&path, &bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
        let write = || {
            let mut file = Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| StateError::Disk { path: path.to_owned(), source })
    }

    fn note_path(&self, origin: &Origin) -> PathBuf {
        self.folder.join(format!("{}{NOTE_END}", origin_hash(origin)))
    }
}

fn parsed(bytes: &[u8]) -> Option<Card> {
    strict::parse_exact::<Card>(bytes).ok().filter(|card| card.format == FORMAT)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = folder.read_dir()?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::witness::{KnownLog, Request, decide};
    use ledger::{Checkpoint, CommitHash, Tree};
    use trust::keys::PrivateKey;

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::new("witness.example".parse().unwrap(), PrivateKey::from_seed(&[seed; 32]))
    }

    fn origin() -> Origin {
        "main.log.example".parse().unwrap()
    }

    /// Cosigns the first checkpoint of a log, and keeps it.
    fn begun(folder: &Path) -> Seen {
        let key = PrivateKey::from_seed(&[7; 32]);
        let mut tree = Tree::empty();
        tree.push(1, &CommitHash::of(b"a")).unwrap();
        let note = Checkpoint::new(origin(), &tree.head()).seal(&key, 1_795_000_000).unwrap();
        let log = KnownLog { origin: origin(), keys: vec![key.public()] };
        let mut state = State::open(folder, &cosigner(1)).unwrap();
        assert!(state.read(&origin(), &cosigner(1)).unwrap().is_none());
        let request = Request::new(0, Vec::new(), note);
        let granted = decide(None, &request, &log, &cosigner(1), 1_795_000_001).unwrap();
        granted.once_kept(|note| state.keep(&origin(), note)).unwrap().0
    }

    fn reopened(folder: &Path) -> Result<Option<(Seen, String)>, StateError> {
        State::open(folder, &cosigner(1))?.read(&origin(), &cosigner(1))
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let seen = begun(folder.path());
        let (read, note) = reopened(folder.path()).unwrap().unwrap();
        assert_eq!(read, seen);
        assert!(note.starts_with("main.log.example\n1\n"), "{note}");
        // A witness of many logs goes on with one more.
        let other = "other.log.example".parse().unwrap();
        let mut state = State::open(folder.path(), &cosigner(1)).unwrap();
        assert!(state.read(&other, &cosigner(1)).unwrap().is_none());
    }

    #[test]
    fn a_state_that_lost_a_file_or_a_byte_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        begun(folder.path());
        let note = folder.path().join(format!("{}.checkpoint", origin_hash(&origin())));
        for path in [note, folder.path().join(CARD)] {
            let whole = fs::read(&path).unwrap();
            let mut flipped = whole.clone();
            flipped[10] ^= 1;
            for wrong in [&b""[..], &whole[..whole.len() / 2], &flipped] {
                fs::write(&path, wrong).unwrap();
                let error = reopened(folder.path()).unwrap_err();
                assert_eq!(error.code(), "cli.witness_state_damaged", "{}", path.display());
            }
            fs::remove_file(&path).unwrap();
            let error = reopened(folder.path()).unwrap_err();
            assert_eq!(error.code(), "cli.witness_state_damaged", "{}", path.display());
            fs::write(&path, whole).unwrap();
            assert!(reopened(folder.path()).unwrap().is_some());
        }
    }

    #[test]
    fn a_process_that_died_between_the_files_is_taken_up_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join(CARD);
        drop(State::open(folder.path(), &cosigner(1)).unwrap());
        let fresh = fs::read(&card).unwrap();
        let seen = begun(folder.path());
        fs::write(&card, fresh).unwrap();
        fs::write(folder.path().join(".unfinished-x"), "half").unwrap();
        assert_eq!(reopened(folder.path()).unwrap().unwrap().0, seen);
        assert!(!folder.path().join(".unfinished-x").exists());
        // From here on the note must be there.
        let note = folder.path().join(format!("{}.checkpoint", origin_hash(&origin())));
        fs::remove_file(note).unwrap();
        assert!(reopened(folder.path()).is_err());
    }

    #[test]
    fn a_folder_is_of_one_witness_and_of_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = State::open(folder.path(), &cosigner(1)).unwrap();
        let error = State::open(folder.path(), &cosigner(1)).unwrap_err();
        assert_eq!(error.code(), "cli.witness_state_in_use");
        drop(open);
        let error = State::open(folder.path(), &cosigner(2)).unwrap_err();
        assert_eq!(error.code(), "cli.witness_state_of_another");
        assert!(State::open(folder.path(), &cosigner(1)).is_ok());
    }
}
