//! The program's own texts inside what is written down to be read back by another process of it.

use serde::{Deserialize as _, Deserializer};

/// Such a text. (Serde would borrow what it sees to be a `&str`.)
pub(crate) type Own = &'static str;

/// Reads one back, for good: what is written down has few of them.
pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Own, D::Error> {
    Ok(String::deserialize(from)?.leak())
}
