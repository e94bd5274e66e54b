//! The journal as the predicate sees it.

use super::bigint;
use crate::target::{Session, TargetError, failed};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;
use trust::accept::{JournalView, StoredResult};
use trust::encoding::Sha256Digest;
use trust::names::{ChangeId, JobId};

const WHAT: &str = "read the journal";

/// What a job asks the journal about.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The job.
    pub job: &'a JobId,
    /// Its attempt.
    pub attempt: u64,
    /// The change, where the message's can be read.
    pub change: Option<(&'a ChangeId, Sha256Digest)>,
    /// The agent's own fences of this data source, by dispatcher epoch.
    pub agent_fences: &'a BTreeMap<u64, u64>,
}

/// Reads what the predicate needs for this job. Read it under the advisory lock.
pub async fn view(session: &Session, wanted: Wanted<'_>) -> Result<JournalView, TargetError> {
    let mut view = JournalView {
        stored: stored(session, wanted.job, wanted.attempt).await?,
        agent_fences: wanted.agent_fences.clone(),
        target_fences: fences(session).await?,
        ..JournalView::default()
    };
    let Some((change, sha256)) = wanted.change else { return Ok(view) };
    let row = session
        .query_one(
            "SELECT pg_catalog.max(revision) FILTER (WHERE change = $1), \
                    pg_catalog.bool_or(change_sha256 = $2 AND state IN ('started', 'succeeded')) \
             FROM ONLY countersign.journal WHERE change = $1 OR change_sha256 = $2",
            &[&change.as_str(), &sha256.to_string()],
        )
        .await
        .map_err(failed(WHAT))?;
    let revision: Option<i64> = column(&row, 0)?;
    let consumed: Option<bool> = column(&row, 1)?;
    if let Some(revision) = revision {
        view.revisions.insert(change.clone(), unsigned(revision)?);
    }
    if consumed == Some(true) {
        view.consumed = BTreeSet::from([sha256]);
    }
    Ok(view)
}

/// The answer that an attempt got, if it got one.
pub async fn stored(
    session: &Session,
    job: &JobId,
    attempt: u64,
) -> Result<Option<StoredResult>, TargetError> {
    let found = "SELECT job_sha256, result, document, result_sha256, document_sha256 \
                 FROM ONLY countersign.results WHERE job = $1 AND attempt = $2";
    let row = session.query_opt(found, &[&job.as_str(), &bigint(attempt)]).await;
    let Some(row) = row.map_err(failed(WHAT))? else { return Ok(None) };
    let sha256: String = column(&row, 0)?;
    let (result, document): (Vec<u8>, Option<Vec<u8>>) = (column(&row, 1)?, column(&row, 2)?);
    let digest = |bytes: &Vec<u8>| Sha256Digest::of(bytes).to_string();
    let sealed: (Option<String>, Option<String>) = (column(&row, 3)?, column(&row, 4)?);
    // The journal's seal covers the bytes only by these digests.
    if sealed != (Some(digest(&result)), document.as_ref().map(digest)) {
        return Err(TargetError::Form("a stored answer"));
    }
    Ok(Some(StoredResult {
        job: job.clone(),
        attempt,
        job_sha256: sha256.parse().map_err(|_| TargetError::Form("a digest"))?,
        result,
        document,
    }))
}

async fn fences(session: &Session) -> Result<BTreeMap<u64, u64>, TargetError> {
    let highest =
        "SELECT dispatcher_epoch, pg_catalog.max(fence) FROM ONLY countersign.journal GROUP BY 1";
    let rows = session.query(highest, &[]).await.map_err(failed(WHAT))?;
    rows.iter().map(|row| Ok((unsigned(column(row, 0)?)?, unsigned(column(row, 1)?)?))).collect()
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r Row,
    index: usize,
) -> Result<T, TargetError> {
    row.try_get(index).map_err(failed(WHAT))
}

fn unsigned(number: i64) -> Result<u64, TargetError> {
    u64::try_from(number).map_err(|_| TargetError::Form("a number"))
}
