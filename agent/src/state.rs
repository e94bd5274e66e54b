//! What the agent must not forget, in its own folder: the latest time seen, the root accepted, the highest fences, the
//! changes consumed, the migration under way, refusals that no journal holds, and cancels whose job has not come back.
//!
//! One JSON file, replaced whole and synced before a call returns. SQL of a change can reach the target's journal, but
//! not this file: what it remembers as consumed stays consumed. Losing the folder leaves the journal alone with that,
//! and loses the means to notice a target or clock that was set back.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use trust::accept::StoredResult;
use trust::dsse::Envelope;
use trust::encoding::{Sha256Digest, Timestamp, as_base64};
use trust::names::{DataSourceId, JobId};
use trust::spiffe::SpiffeId;
use trust::statement::RootRef;

use crate::journal::JournalRow;

const FORMAT: &str = "countersign-agent-state/1";
/// Attempts remembered as begun; older ones have long expired.
const REMEMBERED_ATTEMPTS: usize = 1_024;
/// How long after a change's `not_after` it is still remembered as consumed; from then on it is refused as expired.
const CONSUMED_MARGIN_SECONDS: i64 = 7 * 86_400;
/// Refusals kept whose jobs have not expired; one more is not given.
const KEPT_ANSWERS: usize = 256;
/// Cancels kept for jobs that have not come yet; the oldest go first.
const KEPT_CANCELS: usize = 256;

/// Why the state cannot be kept or read, or forbids to start.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent uses the folder.
    #[error("another agent uses {}", .0.display())]
    InUse(PathBuf),
    /// The file is damaged. Deleting it is the site's decision: it forgets fences and the time floor.
    #[error("the state in {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The state is another agent's, or of another format.
    #[error("the state in {} belongs to {found}", path.display())]
    OtherAgent {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
    },
    /// To forget one would let its job run although it was refused.
    #[error(
        "{KEPT_ANSWERS} refusals of jobs that have not expired are kept: no room for another one"
    )]
    TooManyAnswers,
    /// An older root than one that was accepted before (`root_rollback`).
    #[error("root {given} is pinned, root {accepted} was accepted before: never backwards")]
    RootRollback {
        /// The version that is pinned now.
        given: u64,
        /// The highest version accepted.
        accepted: u64,
    },
    /// Same version, other digest (`root_mismatch`).
    #[error("root {version} was accepted before with another digest")]
    RootMismatch {
        /// The version.
        version: u64,
    },
}

/// A migration whose SQL may have begun and whose end is not journaled yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Its journal row, should it have to be written as `started`.
    pub row: JournalRow,
    /// The transaction's id as text.
    pub xid: String,
    /// The `result.v1` payload that says `unknown`.
    #[serde(with = "as_base64")]
    pub unknown_result: Vec<u8>,
    /// Digest of the whole journal as its COMMIT is to leave it; `None` until COMMIT is about to be sent.
    #[serde(default)]
    pub promised_seal: Option<String>,
}

/// Whether an ended migration counts as run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumed {
    /// It succeeded, or something of it may stay: never again.
    Kept,
    /// It failed and left nothing behind.
    Released,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: String,
    agent: SpiffeId,
    time_floor: Option<Timestamp>,
    root: Option<RootRef>,
    fences: BTreeMap<DataSourceId, BTreeMap<u64, u64>>,
    begun: BTreeMap<DataSourceId, Begun>,
    /// By data source: changes whose SQL began, with their `not_after`.
    #[serde(default)]
    consumed: BTreeMap<DataSourceId, BTreeMap<Sha256Digest, Timestamp>>,
    attempts: Vec<String>,
    #[serde(default)]
    answers: Vec<KeptAnswer>,
    cancels: Vec<KeptCancel>,
}

/// An answer that no target's journal holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptAnswer {
    job: JobId,
    attempt: u64,
    job_sha256: Sha256Digest,
    /// Of the job: from then on it is refused as expired.
    not_after: Timestamp,
    #[serde(with = "as_base64")]
    result: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptCancel {
    job: JobId,
    cancel: Envelope,
}

/// The agent's durable state. Calls that change it return after it is on disk (a few milliseconds, blocking).
#[derive(Debug)]
pub struct State {
    file: PathBuf,
    kept: Mutex<Kept>,
    _in_use: File,
}

impl State {
    /// Opens the folder, made with mode 0700 if it is missing, for this agent alone.
    pub fn open(folder: &Path, agent: &SpiffeId) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("make the folder", folder))?;
        let in_use = claim(folder)?;
        let file = folder.join("state.json");
        let kept = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Unreadable { path: file.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::of(agent),
            Err(error) => return Err(failed("read", &file)(error)),
        };
        if kept.format != FORMAT || kept.agent != *agent {
            let found = format!("{} ({})", kept.agent, kept.format);
            return Err(StateError::OtherAgent { path: file, found });
        }
        Ok(Self { file, kept: Mutex::new(kept), _in_use: in_use })
    }

    /// The latest time that was seen; 1970 before the first.
    pub fn time_floor(&self) -> Timestamp {
        let floor = self.kept().time_floor;
        floor.unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into())
    }

    /// Time has come this far. Steps below one second are not worth a write.
    pub fn raise_time_floor(&self, now: Timestamp) -> Result<(), StateError> {
        if now < self.time_floor().plus_seconds(1) {
            return Ok(());
        }
        self.update(|kept| kept.time_floor = Some(now))
    }

    /// Takes the pinned root as current; never one older than before.
    pub fn accept_root(&self, root: RootRef) -> Result<(), StateError> {
        if let Some(accepted) = self.kept().root {
            if root.version < accepted.version {
                let (given, accepted) = (root.version, accepted.version);
                return Err(StateError::RootRollback { given, accepted });
            }
            if root.version == accepted.version && root.sha256 != accepted.sha256 {
                return Err(StateError::RootMismatch { version: root.version });
            }
        }
        self.update(|kept| kept.root = Some(root))
    }

    /// The highest fence of a data source, by dispatcher epoch.
    pub fn fences(&self, source: &DataSourceId) -> BTreeMap<u64, u64> {
        self.kept().fences.get(source).cloned().unwrap_or_default()
    }

    /// The migration of a data source whose end is not journaled.
    pub fn begun(&self, source: &DataSourceId) -> Option<Begun> {
        self.kept().begun.get(source).cloned()
    }

    /// Whether the SQL of this attempt may ever have begun here.
    pub fn has_begun(&self, job: &JobId, attempt: u64) -> bool {
        self.kept().attempts.contains(&attempt_name(job, attempt))
    }

    /// Before an answer that no journal holds is given: the attempt must not run later.
    pub fn keep_answer(
        &self,
        answer: StoredResult,
        not_after: Timestamp,
    ) -> Result<(), StateError> {
        let StoredResult { job, attempt, job_sha256, result, document: _ } = answer;
        let floor = self.time_floor();
        let is_open = |kept: &KeptAnswer| floor < kept.not_after;
        if self.kept().answers.iter().filter(|kept| is_open(kept)).count() >= KEPT_ANSWERS {
            return Err(StateError::TooManyAnswers);
        }
        self.update(|kept| {
            kept.answers.retain(is_open);
            kept.answers.push(KeptAnswer { job, attempt, job_sha256, not_after, result });
        })
    }

    /// The answer kept for an attempt: that for these bytes of the job, else that for others.
    pub fn answered(
        &self,
        job: &JobId,
        attempt: u64,
        job_sha256: Sha256Digest,
    ) -> Option<StoredResult> {
        let kept = self.kept();
        let of_attempt =
            kept.answers.iter().filter(|kept| kept.job == *job && kept.attempt == attempt);
        let found = of_attempt.max_by_key(|kept| kept.job_sha256 == job_sha256)?;
        Some(StoredResult {
            job: found.job.clone(),
            attempt: found.attempt,
            job_sha256: found.job_sha256,
            result: found.result.clone(),
            document: None,
        })
    }

    /// The changes that began on a data source and did not fail clean.
    pub fn consumed(&self, source: &DataSourceId) -> BTreeSet<Sha256Digest> {
        self.kept().consumed.get(source).into_iter().flat_map(BTreeMap::keys).copied().collect()
    }

    /// Before the SQL of a migration runs. Its change, which may run until `not_after`, is consumed from here on.
    pub fn begin(
        &self,
        source: &DataSourceId,
        begun: Begun,
        not_after: Timestamp,
    ) -> Result<(), StateError> {
        let name = attempt_name(&begun.row.job, begun.row.attempt);
        self.update(|kept| {
            let floor = kept.time_floor;
            let consumed = kept.consumed.entry(source.clone()).or_default();
            consumed.retain(|_, until| {
                floor.is_none_or(|floor| floor < until.plus_seconds(CONSUMED_MARGIN_SECONDS))
            });
            consumed.insert(begun.row.change_sha256, not_after);
            kept.begun.insert(source.clone(), begun);
            if !kept.attempts.contains(&name) {
                kept.attempts.push(name);
            }
            drop_oldest(&mut kept.attempts, REMEMBERED_ATTEMPTS);
        })
    }

    /// Before COMMIT is sent: what the journal must look like once it is through.
    pub fn promise(&self, source: &DataSourceId, seal: &str) -> Result<(), StateError> {
        self.update(|kept| {
            if let Some(begun) = kept.begun.get_mut(source) {
                begun.promised_seal = Some(seal.to_owned());
            }
        })
    }

    /// It is known that nothing of it took place, and it is not journaled either.
    pub fn forget(&self, source: &DataSourceId) -> Result<(), StateError> {
        self.update(|kept| kept.close(source, Consumed::Released))
    }

    /// Its end is journaled in the target: only now may the fence rise here, or a lost write would look like a target
    /// that was set back.
    pub fn end(
        &self,
        source: &DataSourceId,
        (epoch, fence): (u64, u64),
        consumed: Consumed,
    ) -> Result<(), StateError> {
        self.update(|kept| {
            kept.close(source, consumed);
            let highest = kept.fences.entry(source.clone()).or_default().entry(epoch).or_default();
            *highest = fence.max(*highest);
        })
    }

    /// Keeps a dispatcher's cancel for a job that is not here (any more). It is verified again when the job comes.
    pub fn keep_cancel(&self, job: &JobId, cancel: &Envelope) -> Result<(), StateError> {
        self.update(|kept| {
            let cancel = KeptCancel { job: job.clone(), cancel: cancel.clone() };
            if !kept.cancels.contains(&cancel) {
                kept.cancels.push(cancel);
            }
            drop_oldest(&mut kept.cancels, KEPT_CANCELS);
        })
    }

    /// The cancels kept for a job.
    pub fn cancels(&self, job: &JobId) -> Vec<Envelope> {
        let kept = self.kept();
        let of_job = kept.cancels.iter().filter(|cancel| cancel.job == *job);
        of_job.map(|cancel| cancel.cancel.clone()).collect()
    }

    fn update(&self, change: impl FnOnce(&mut Kept)) -> Result<(), StateError> {
        let mut kept = self.kept();
        let mut next = kept.clone();
        change(&mut next);
        if next != *kept {
            write(&self.file, &next)?;
            *kept = next;
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of(agent: &SpiffeId) -> Self {
        Self {
            format: FORMAT.to_owned(),
            agent: agent.clone(),
            time_floor: None,
            root: None,
            fences: BTreeMap::new(),
            begun: BTreeMap::new(),
            consumed: BTreeMap::new(),
            attempts: Vec::new(),
            answers: Vec::new(),
            cancels: Vec::new(),
        }
    }

    fn close(&mut self, source: &DataSourceId, consumed: Consumed) {
        let begun = self.begun.remove(source);
        if let (Some(begun), Consumed::Released) = (begun, consumed)
            && let Some(changes) = self.consumed.get_mut(source)
        {
            changes.remove(&begun.row.change_sha256);
        }
    }
}

fn attempt_name(job: &JobId, attempt: u64) -> String {
    format!("{job}:{attempt}")
}

fn drop_oldest<T>(list: &mut Vec<T>, most: usize) {
    list.drain(..list.len().saturating_sub(most));
}

fn failed<'p>(
    what: &'static str,
    path: &'p Path,
) -> impl FnOnce(io::Error) -> StateError + use<'p> {
    move |source| StateError::Io { what, path: path.to_owned(), source }
}

fn claim(folder: &Path) -> Result<File, StateError> {
    let path = folder.join("in-use");
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

/// Whole or not at all, and on disk.
fn write(path: &Path, kept: &Kept) -> Result<(), StateError> {
    let part = path.with_extension("part");
    let written = || {
        let bytes = serde_json::to_vec(kept)?;
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(failed("write", path))
}

#[cfg(test)]
mod tests;
