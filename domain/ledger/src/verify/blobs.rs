//! The blobs that commits name, and which of them have been seen.

use super::fault::Fault;
use super::report::Finding;
use crate::blob::{BlobError, BlobRef, blob_refs, check_bytes};
use crate::condemn::Commit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::Sha256Digest;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    size: u64,
    sequence: u64,
    subject: String,
    is_seen: bool,
}

/// Every blob named so far.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct NamedBlobs(BTreeMap<Sha256Digest, Named>);

impl NamedBlobs {
    /// Notes what a commit names; answers what cannot be true about it.
    pub(super) fn note(&mut self, commit: &Commit, subject: &str) -> Vec<Fault> {
        let refs = commit.envelope.events.iter().flat_map(|event| blob_refs(&event.data));
        refs.filter_map(|BlobRef { sha256, size, .. }| {
            let named = self.0.entry(sha256).or_insert_with(|| Named {
                size,
                sequence: commit.sequence,
                subject: subject.to_owned(),
                is_seen: false,
            });
            let source = BlobError::Size { expected: size, found: named.size };
            (named.size != size).then_some(Fault::Blob { sha256, source })
        })
        .collect()
    }

    /// Checks a blob's bytes. `is_complete` says that no commit is missing that may have named it.
    pub(super) fn check(
        &mut self,
        sha256: Sha256Digest,
        bytes: &[u8],
        is_complete: bool,
    ) -> Option<Finding> {
        let Some(named) = self.0.get_mut(&sha256) else {
            let fault = if is_complete { Fault::BlobUnnamed } else { Fault::BlobUnexplained };
            return Some(Finding {
                line: None,
                sequence: None,
                subject: None,
                fault: fault(sha256),
            });
        };
        named.is_seen = true;
        let source = check_bytes(&sha256, named.size, bytes).err()?;
        Some(named.finding(Fault::Blob { sha256, source }))
    }

    /// What was named and never seen.
    pub(super) fn unseen(&self) -> impl Iterator<Item = Finding> {
        self.0
            .iter()
            .filter(|(_, named)| !named.is_seen)
            .map(|(sha256, named)| named.finding(Fault::BlobMissing(*sha256)))
    }

    /// How many are named, and how many of them were seen.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |named: usize| u64::try_from(named).unwrap_or(u64::MAX);
        (count(self.0.len()), count(self.0.values().filter(|named| named.is_seen).count()))
    }
}

impl Named {
    fn finding(&self, fault: Fault) -> Finding {
        Finding {
            line: None,
            sequence: Some(self.sequence),
            subject: Some(self.subject.clone()),
            fault,
        }
    }
}
