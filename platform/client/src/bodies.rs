//! What every command answers: a receipt.

use ledger::receipt::Receipt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A signed receipt: this commit is at this place of this log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptBody {
    /// The log's origin.
    pub log: String,
    /// The commit's place in it.
    pub sequence: u64,
    /// What was committed to.
    pub aggregate: AggregateBody,
    /// The aggregate's version after it; the `ETag`.
    pub version: u64,
    /// `blake3:<64 hex>` of the commit's bytes.
    pub hash: String,
    /// The commit's time.
    pub time: String,
    /// `<key id> <base64>` of the writer's Ed25519 signature over log, sequence and hash. Absent in the answer to a command
    /// that was recorded before the writer's key was rotated: the proof of inclusion says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// An aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AggregateBody {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    pub id: String,
}

impl ReceiptBody {
    /// The position to read from: `<origin>:<sequence>`.
    pub fn position(&self) -> String {
        format!("{}:{}", self.log, self.sequence)
    }
}

/// A receipt as the API sends it.
pub fn receipt_body(receipt: &Receipt) -> ReceiptBody {
    ReceiptBody {
        log: receipt.log.to_string(),
        sequence: receipt.sequence,
        aggregate: AggregateBody {
            kind: receipt.aggregate.kind.to_string(),
            id: receipt.aggregate.id.to_string(),
        },
        version: receipt.version,
        hash: receipt.hash.to_string(),
        time: receipt.time.to_string(),
        signature: Some(receipt.signature.clone()).filter(|text| !text.is_empty()),
    }
}
