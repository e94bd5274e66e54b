//! `audit verify --resume`: how far a verification is, in a file from which another process goes on.
//!
//! Three lines: what was asked, how far it is, and the SHA-256 of both. The digest finds damage and no malice: whoever can
//! write the file can have any report come out. What is trusted is not in it; the caller must bring the same again. The
//! file is written beside itself, synced and renamed, so that there is always a whole one.

use super::archived::Asked;
use super::seal::Served;
use crate::error::CliError;
use crate::files;
use crate::output::Output;
use futures::FutureExt as _;
use ledger::{CheckpointNote, IdText, Origin, Slug, Verifier};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::unconstrained;
use trust::encoding::Sha256Digest;

const FORMAT: &str = "countersign-verification/1";
/// Of the time, at most one part in this many goes into keeping the state.
const SHARE: u32 = 20;

/// Why a verification does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Somebody ended it.
    #[error("interrupted; {} keeps what was verified up to sequence {after}", path.display())]
    Interrupted {
        /// The state.
        path: PathBuf,
        /// The last sequence in it.
        after: u64,
    },
    /// The file is not what was written.
    #[error("{} is {what}: nothing of it is believed", path.display())]
    Damaged {
        /// The state.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The state of something else.
    #[error("{} is of another verification: {what} differs", path.display())]
    OfAnother {
        /// The state.
        path: PathBuf,
        /// In what.
        what: &'static str,
    },
}

impl ResumeError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Interrupted { .. } => "cli.verification_interrupted",
            Self::Damaged { .. } => "cli.verification_state_damaged",
            Self::OfAnother { .. } => "cli.verification_state_of_another",
        }
    }

    /// What helps.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Interrupted { .. } => "Run it again: it goes on where it was interrupted",
            Self::Damaged { .. } => "Verify from the beginning: remove the file, or name another",
            Self::OfAnother { .. } => {
                "Ask as it was asked then, or verify from the beginning with another file"
            }
        }
    }
}

/// What was asked: it is asked again, or the state is another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    format: String,
    /// The program's: what it keeps is its own.
    version: String,
    /// Of the policy file.
    policy: Sha256Digest,
    origin: Origin,
    shard: Slug,
    aggregate: Option<IdText>,
    /// The checkpoint under which the source is read.
    note: CheckpointNote,
    /// Of the verifier before the first line: it holds earlier bundles, checkpoints and receipts.
    against: Sha256Digest,
}

impl Begun {
    /// A verification that begins.
    pub fn of(
        asked: &Asked<'_>,
        policy: Sha256Digest,
        served: &Served,
        verifier: &Verifier,
    ) -> Result<Self, CliError> {
        let against = serde_json::to_vec(verifier).map_err(anyhow::Error::from)?;
        Ok(Self {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy,
            origin: asked.origin.clone(),
            shard: asked.shard.clone(),
            aggregate: asked.aggregate.cloned(),
            note: CheckpointNote::parse(&served.note).map_err(CliError::Checkpoint)?,
            against: Sha256Digest::of(&against),
        })
    }

    /// The checkpoint that it was begun under.
    pub fn served(&self) -> Served {
        let note = self.note.to_string().into_bytes();
        Served { note, size: self.note.claim().size }
    }

    /// The first thing in which the other one differs.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            ("the version of the program", self.version != other.version),
            ("the policy file", self.policy != other.policy),
            ("the log", self.origin != other.origin),
            ("the shard", self.shard != other.shard),
            ("the aggregate", self.aggregate != other.aggregate),
            ("the checkpoint of the archive", self.note != other.note),
            ("what it is held against", self.against != other.against),
        ]
        .into_iter()
        .find_map(|(what, differs)| differs.then_some(what))
    }
}

/// A state that was read and not believed yet.
pub struct Found {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the second line ends.
    end: usize,
    begun: Begun,
}

impl Found {
    /// Reads a state; none if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, CliError> {
        let bytes = match files::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let (what, path) = ("the state of the verification", path.to_owned());
                return Err(CliError::ReadFile { what, path, source });
            }
        };
        let damaged = |what| ResumeError::Damaged { path: path.to_owned(), what };
        let body = bytes.strip_suffix(b"\n").ok_or_else(|| damaged("cut off"))?;
        let end = body.iter().rposition(|byte| *byte == b'\n').map(|newline| newline + 1);
        let (told, digest) = end.and_then(|end| body.split_at_checked(end)).unwrap_or_default();
        if Sha256Digest::of(told).to_string().as_bytes() != digest {
            return Err(damaged("damaged").into());
        }
        let mut lines = told.split(|byte| *byte == b'\n');
        let begun = lines.next().and_then(|line| serde_json::from_slice::<Begun>(line).ok());
        let begun = begun.filter(|begun| begun.format == FORMAT);
        let begun = begun.ok_or_else(|| damaged("of another format"))?;
        let (path, end) = (path.to_owned(), told.len());
        Ok(Some(Self { path, bytes, end, begun }))
    }

    /// What it was begun with.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// How far it is, if it is of this verification.
    pub fn state<T: DeserializeOwned>(&self, begun: &Begun) -> Result<T, CliError> {
        if let Some(what) = self.begun.difference(begun) {
            return Err(self.of_another(what).into());
        }
        let told = self.bytes.get(..self.end).unwrap_or_default();
        let line = told.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
        let path = self.path.clone();
        let unreadable = |_| ResumeError::Damaged { path, what: "of another format" };
        Ok(serde_json::from_slice(line).map_err(unreadable)?)
    }

    /// It is of another verification.
    pub fn of_another(&self, what: &'static str) -> ResumeError {
        ResumeError::OfAnother { path: self.path.clone(), what }
    }
}

/// Keeps how far a verification is.
pub struct Keeper<'a> {
    path: &'a Path,
    begun: Begun,
    every: Duration,
    saved: Instant,
    took: Duration,
    /// The last sequence that was kept.
    after: u64,
    stops: [Signal; 2],
    is_stopping: bool,
    output: &'a Output,
}

impl<'a> Keeper<'a> {
    /// Keeps it in this file, and watches for Ctrl-C from now on.
    pub fn new(
        (path, every): (&'a Path, Duration),
        begun: Begun,
        after: u64,
        output: &'a Output,
    ) -> Result<Self, CliError> {
        let watch = |kind| signal(kind).map_err(anyhow::Error::from);
        let stops = [watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?];
        let (saved, took, is_stopping) = (Instant::now(), Duration::ZERO, false);
        Ok(Self { path, begun, every, saved, took, after, stops, is_stopping, output })
    }

    /// Looks whether somebody ends it: the first Ctrl-C is for the next place at which it can be kept, the second one for
    /// now.
    pub fn look(&mut self) -> Result<(), CliError> {
        for stop in &mut self.stops {
            // Lines are many between two turns of the runtime, which would stop answering.
            if unconstrained(stop.recv()).now_or_never().flatten().is_none() {
                continue;
            }
            if self.is_stopping {
                return Err(self.interrupted().into());
            }
            self.is_stopping = true;
            self.output.talk("stopping at the next segment or blob (Ctrl-C again ends at once)");
        }
        Ok(())
    }

    /// At a place from which it can go on: keeps it if it is time to, and ends if somebody said so.
    pub fn pass(&mut self, state: &impl Serialize, after: u64) -> Result<(), CliError> {
        self.look()?;
        let since = self.saved.elapsed();
        let is_due = self.every.is_zero() || since >= self.every.max(self.took * SHARE);
        if is_due || self.is_stopping {
            self.keep(state, after)?;
        }
        if self.is_stopping { Err(self.interrupted().into()) } else { Ok(()) }
    }

    /// Keeps it.
    pub fn keep(&mut self, state: &impl Serialize, after: u64) -> Result<(), CliError> {
        let began = Instant::now();
        let failed = |source| CliError::WriteFile { path: self.path.to_owned(), source };
        self.write(state).map_err(failed)?;
        self.after = after;
        self.output.talk(&format!("kept up to sequence {after} in {}", self.path.display()));
        (self.saved, self.took) = (Instant::now(), began.elapsed());
        Ok(())
    }

    fn write(&self, state: &impl Serialize) -> io::Result<()> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished)?;
        let mut told = serde_json::to_vec(&self.begun)?;
        told.push(b'\n');
        serde_json::to_writer(&mut told, state)?;
        told.push(b'\n');
        file.write_all(&told)?;
        writeln!(file, "{}", Sha256Digest::of(&told))?;
        file.sync_all()?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::rename(&unfinished, self.path)?;
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn interrupted(&self) -> ResumeError {
        ResumeError::Interrupted { path: self.path.to_owned(), after: self.after }
    }

    /// There is a report: nothing is to be gone on with.
    pub fn finish(self) -> Result<(), CliError> {
        match fs::remove_file(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => {
                removed.map_err(|source| CliError::WriteFile { path: self.path.to_owned(), source })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testimony::key;
    use super::*;
    use crate::output::Format;
    use ledger::{Checkpoint, Tree};
    use nix::sys::signal::{Signal, raise};
    use tokio::task::yield_now;

    fn begun() -> anyhow::Result<Begun> {
        let origin: Origin = "a.b".parse()?;
        Ok(Begun {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: Sha256Digest::of(b"policy"),
            note: Checkpoint::new(origin.clone(), &Tree::empty().head()).seal(&key("log"), 1)?,
            origin,
            shard: "main".parse()?,
            aggregate: None,
            against: Sha256Digest::of(b"nothing"),
        })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ctrl_c_keeps_it_at_the_next_place_and_a_second_one_ends_at_once() {
        let (folder, output) = (tempfile::tempdir().unwrap(), Output::new(Format::Json));
        let (path, begun) = (folder.path().join("state"), begun().unwrap());
        let hour = Duration::from_hours(1);
        let mut keeper = Keeper::new((&path, hour), begun.clone(), 0, &output).unwrap();
        keeper.pass(&"one", 1).unwrap();
        assert!(!path.exists(), "it is not time yet");
        raise(Signal::SIGINT).unwrap();
        while !keeper.is_stopping {
            keeper.look().unwrap();
            yield_now().await;
        }
        let error = keeper.pass(&"two", 2).unwrap_err();
        assert_eq!(error.code(), "cli.verification_interrupted");
        assert!(error.told().contains("up to sequence 2"), "{}", error.told());
        let found = Found::read(&path).unwrap().unwrap();
        assert_eq!(found.state::<String>(&begun).unwrap(), "two");
        raise(Signal::SIGTERM).unwrap();
        while keeper.look().is_ok() {
            yield_now().await;
        }
        keeper.finish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
