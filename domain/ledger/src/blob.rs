//! Large values, by content: a commit names a blob by its digest, and the blob is stored once, before the commit.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trust::encoding::Sha256Digest;

/// Largest blob, bytes: the server's `max_payload`.
pub const MAX_BLOB_BYTES: u64 = 8 * 1024 * 1024;
/// Deeper than any strict JSON (`trust::strict::MAX_DEPTH`), so that a walk ends on any value.
const MAX_WALK: usize = 128;

/// Why bytes are not the blob that a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BlobError {
    /// Another length.
    #[error("the blob has {found} bytes where {expected} are named")]
    Size {
        /// As named.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// Another content.
    #[error("the blob's content is not what its digest says")]
    Content,
}

/// A reference to a blob, `{"$blob":{"sha256","size","media_type"}}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct BlobRef {
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Its length, bytes.
    pub size: u64,
    /// Its media type, such as `application/sql`.
    pub media_type: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "$blob")]
    blob: Members,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    sha256: Sha256Digest,
    size: u64,
    media_type: String,
}

impl From<Wire> for BlobRef {
    fn from(Wire { blob: Members { sha256, size, media_type } }: Wire) -> Self {
        Self { sha256, size, media_type }
    }
}

impl From<BlobRef> for Wire {
    fn from(BlobRef { sha256, size, media_type }: BlobRef) -> Self {
        Self { blob: Members { sha256, size, media_type } }
    }
}

impl BlobRef {
    /// The reference to these bytes.
    pub fn of(bytes: &[u8], media_type: &str) -> Self {
        let (sha256, size) = (Sha256Digest::of(bytes), length(bytes));
        Self { sha256, size, media_type: media_type.to_owned() }
    }

    /// Whether these are the bytes.
    pub fn check(&self, bytes: &[u8]) -> Result<(), BlobError> {
        check_bytes(&self.sha256, self.size, bytes)
    }
}

pub(crate) fn check_bytes(sha256: &Sha256Digest, size: u64, bytes: &[u8]) -> Result<(), BlobError> {
    let found = length(bytes);
    if found != size {
        return Err(BlobError::Size { expected: size, found });
    }
    if Sha256Digest::of(bytes) == *sha256 { Ok(()) } else { Err(BlobError::Content) }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Every reference inside a JSON value, in document order. An object counts only if it has exactly the form of a
/// reference: people may choose member names (labels), and such text must not look like damage.
pub fn blob_refs(value: &Value) -> Vec<BlobRef> {
    let mut found = Vec::new();
    collect(value, MAX_WALK, &mut found);
    found
}

fn collect(value: &Value, deeper: usize, found: &mut Vec<BlobRef>) {
    let Some(deeper) = deeper.checked_sub(1) else { return };
    match value {
        Value::Object(members) => {
            // serde would also take an array for a struct.
            if members.get("$blob").is_some_and(Value::is_object)
                && let Ok(blob) = BlobRef::deserialize(value)
            {
                found.push(blob);
                return;
            }
            members.values().for_each(|member| collect(member, deeper, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, deeper, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_found_at_any_depth() {
        let sql = BlobRef::of(b"select 1", "application/sql");
        let text = serde_json::to_value(&sql).unwrap();
        assert_eq!(text["$blob"]["size"], 8);
        let value = json!({"a": [{"b": text.clone()}, 1], "c": text, "d": {"$blob": "a label"}});
        assert_eq!(blob_refs(&value), vec![sql.clone(), sql]);
    }

    #[test]
    fn only_its_own_bytes_match_a_reference() {
        let blob = BlobRef::of(b"select 1", "application/sql");
        assert_eq!(blob.check(b"select 1"), Ok(()));
        assert_eq!(blob.check(b"select 2"), Err(BlobError::Content));
        assert_eq!(blob.check(b"select"), Err(BlobError::Size { expected: 8, found: 6 }));
    }
}
