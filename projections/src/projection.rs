//! What a read slice is.

use event_log::{Recorded, RecordedEvent};
use sqlx::PgConnection;
use std::future::Future;

/// Why a commit could not be projected.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A statement failed.
    #[error("a statement failed")]
    Sql(#[from] sqlx::Error),
    /// The commit changes something that an earlier commit should have made.
    #[error("table {table} has no row for what the commit changes")]
    Missing {
        /// Where.
        table: &'static str,
    },
    /// A number that no column holds.
    #[error("a value is out of range")]
    OutOfRange,
    /// A stored document cannot be read or written.
    #[error("a document cannot be read or written")]
    Document(#[from] serde_json::Error),
    /// The aggregate's id is not one of its kind.
    #[error("the aggregate's id is of another kind")]
    Id(#[from] domain::ids::MalformedId),
}

/// One read slice.
pub trait Projection: Send + Sync + 'static {
    /// The name of its position: a durable contract, since another name starts from the beginning of the log.
    const NAME: &'static str;
    /// Its tables; whoever rebuilds the slice empties them.
    const TABLES: &'static [&'static str];

    /// Writes one commit, in the order of its events, into rows of the commit's own aggregate only.
    ///
    /// It is called once per commit: repeats are skipped and the position moves in the same transaction. A whole commit
    /// at a time, because documents carry the aggregate's version, which all events of a commit share.
    fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> impl Future<Output = Result<(), ProjectError>> + Send;
}

/// An `UPDATE` that must have found its row.
pub(crate) fn found(
    table: &'static str,
    result: &sqlx::postgres::PgQueryResult,
) -> Result<(), ProjectError> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(ProjectError::Missing { table }) }
}
