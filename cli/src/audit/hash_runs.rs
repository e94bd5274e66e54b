//! Hashes by sequence, written down as runs of consecutive ones: `[first sequence, base64 of the hashes]`.

use ledger::CommitHash;
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
use std::collections::BTreeMap;
use trust::encoding::{from_base64, to_base64};

const HASH_BYTES: usize = 32;

/// Writes the runs.
pub fn serialize<S: Serializer>(
    hashes: &BTreeMap<u64, CommitHash>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut runs: Vec<(u64, u64, Vec<u8>)> = Vec::new();
    for (sequence, hash) in hashes {
        match runs.last_mut() {
            Some((_, next, bytes)) if next == sequence => {
                *next = next.saturating_add(1);
                bytes.extend(hash.as_bytes());
            }
            _ => runs.push((*sequence, sequence.saturating_add(1), hash.as_bytes().to_vec())),
        }
    }
    to.collect_seq(runs.iter().map(|(first, _, bytes)| (first, to_base64(bytes))))
}

/// Reads them back.
pub fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<u64, CommitHash>, D::Error> {
    let mut hashes = BTreeMap::new();
    for (first, text) in Vec::<(u64, String)>::deserialize(from)? {
        let bytes = from_base64(&text).map_err(D::Error::custom)?;
        for (sequence, hash) in (first..).zip(bytes.chunks(HASH_BYTES)) {
            let hash = hash.try_into().map_err(D::Error::custom)?;
            hashes.insert(sequence, CommitHash::from_bytes(hash));
        }
    }
    Ok(hashes)
}
