//! A member that may be null but not absent.

use serde::{Deserialize, Deserializer};

/// For `#[serde(deserialize_with)]`: without a default, serde then asks for the member itself.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer)
}
