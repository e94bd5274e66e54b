//! What a read slice is.

use crate::rows::Rows;

/// Why a commit could not be projected.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A statement failed.
    #[error("a statement failed")]
    Sql(#[source] sqlx::Error),
    /// The commit changes something that an earlier commit should have made.
    #[error("table {table} has no row for what the commit changes")]
    Missing {
        /// Where.
        table: &'static str,
    },
    /// The commit makes something that is there already.
    #[error("table {table} already holds what the commit makes")]
    Repeated {
        /// Where.
        table: &'static str,
    },
    /// A number that no column holds.
    #[error("a value is out of range")]
    OutOfRange,
    /// A text that no column holds.
    #[error("a text holds a NUL")]
    Nul,
    /// A stored document cannot be read or written.
    #[error("a document cannot be read or written")]
    Document(#[from] serde_json::Error),
    /// The aggregate's id is not one of its kind.
    #[error("the aggregate's id is of another kind")]
    Id(#[from] domain::ids::MalformedId),
}

impl From<sqlx::Error> for ProjectError {
    /// What a document holds is its aggregate's fault; everything else is the statement's.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only one of sqlx's errors has a cause of ours"
    )]
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { index, source } => {
                match source.downcast::<serde_json::Error>() {
                    Ok(unreadable) => Self::Document(*unreadable),
                    Err(source) => Self::Sql(sqlx::Error::ColumnDecode { index, source }),
                }
            }
            other => Self::Sql(other),
        }
    }
}

/// One read slice: rows of one aggregate each, which change with that aggregate's events.
pub trait Projection: Sized {
    /// The name of its position: a durable contract, since another name starts from the beginning of the log.
    const NAME: &'static str;

    /// Its rows, one kind for each table; whoever rebuilds the slice empties these tables.
    fn rows(self) -> Rows;
}
