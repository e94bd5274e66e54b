//! What the target itself remembers: which steps of which changes began, ended or failed, and the answer that each
//! attempt got. Schema `countersign`, owned by the agent's role, written in the transaction of the change itself.
//!
//! `pgfp1` leaves the schema out, so that the journal never changes a fingerprint; job SQL that names it is refused.
//! The session's `search_path` is `pg_catalog, pg_temp` whenever these statements run.

mod record;
mod schema;
mod seal;
mod view;

pub use record::{Existing, RowEnd, StepState, StoredAnswer, insert, record};
pub(crate) use schema::make_again;
pub use schema::{prepare, untouched};
pub(crate) use seal::{SEAL_OF_CATALOG, SEAL_OF_ROWS};
pub use view::{Wanted, stored, view};

use serde::{Deserialize, Serialize};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::names::{ChangeId, JobId};

/// What is known of a step before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalRow {
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u64,
    /// SHA-256 of its payload.
    pub job_sha256: Sha256Digest,
    /// The change.
    pub change: ChangeId,
    /// SHA-256 of its payload.
    pub change_sha256: Sha256Digest,
    /// Its revision.
    pub revision: u64,
    /// The step.
    pub ordinal: u32,
    /// SHA-256 of its bytes.
    pub step_sha256: Sha256Digest,
    /// The fencing token of the schema lock.
    pub fence: u64,
    /// The epoch that the fence belongs to.
    pub dispatcher_epoch: u64,
    /// When it began.
    pub started_at: Timestamp,
}

/// The wire's integers are below 2^53.
pub(crate) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
