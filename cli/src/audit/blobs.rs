//! Blobs that statements stand on, by content.

use super::objection::Objection;
use ledger::{BlobRef, BundleSource, blob_file};
use std::io::Read as _;

/// Where blobs come from.
pub trait Blobs {
    /// The bytes stored under this reference, if there are any; the caller checks them.
    fn stored(&self, blob: &BlobRef) -> Option<Vec<u8>>;

    /// The bytes that the reference names. Damage is the ledger's finding already.
    fn named(&self, blob: &BlobRef) -> Result<Vec<u8>, Objection> {
        let bytes = self.stored(blob).filter(|bytes| blob.check(bytes).is_ok());
        bytes.ok_or(Objection::Blob(blob.sha256))
    }
}

/// The blobs of a bundle.
pub struct OfBundle<'a>(pub &'a dyn BundleSource);

impl Blobs for OfBundle<'_> {
    fn stored(&self, blob: &BlobRef) -> Option<Vec<u8>> {
        let reader = self.0.open(&blob_file(&blob.sha256)).ok()?;
        let mut bytes = Vec::new();
        reader.take(blob.size.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}
