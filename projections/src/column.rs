//! Between columns and the values of answers.

use crate::database::DatabaseError;
use crate::projection::ProjectError;
use chrono::{DateTime, Utc};
use trust::encoding::Timestamp;

/// A count as a column holds it. Integers of the log are below 2^53.
pub(crate) fn bigint(value: u64) -> Result<i64, ProjectError> {
    i64::try_from(value).map_err(|_| ProjectError::OutOfRange)
}

/// A text as a column holds it, for columns that later events overwrite.
pub(crate) fn text(value: &str) -> Result<String, ProjectError> {
    if value.contains('\0') { Err(ProjectError::Nul) } else { Ok(value.to_owned()) }
}

/// A count from a column.
pub(crate) fn count<T: TryFrom<i64>>(column: &'static str, value: i64) -> Result<T, DatabaseError> {
    T::try_from(value).map_err(|_| DatabaseError::Column { column })
}

/// A time as answers spell it.
pub(crate) fn time(value: DateTime<Utc>) -> String {
    Timestamp::new(value).to_string()
}

/// The wire name of a value whose serde form is one.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> Result<String, ProjectError> {
    let value = serde_json::to_value(value)?;
    value.as_str().map(str::to_owned).ok_or(ProjectError::OutOfRange)
}
