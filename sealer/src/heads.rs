//! The ends of all chains at a checkpoint, so that a sealer need not read the log from its start.
//!
//! One line of JSON (log, size, root, hash of the last message, number of heads), then for each head: u16 big-endian
//! length of the subject, subject, u64 big-endian version, 32 bytes of hash; at the end the log key's signature over
//! `"countersign.dev/heads/v1\n"` and the SHA-256 of all that. Nobody but the sealer reads it: whoever can change the
//! archive must not choose which commits it finds good.

use ledger::{CommitHash, Head, NodeHash, Origin, TreeHead};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trust::encoding::Sha256Digest;
use trust::keys::{PrivateKey, PublicKey};

const DOMAIN: &[u8] = b"countersign.dev/heads/v1\n";
const SIGNATURE_BYTES: usize = 64;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// The log.
    pub log: Origin,
    /// The checkpoint that it belongs to.
    pub head: TreeHead,
    /// Hash of the last message by then.
    pub last: CommitHash,
    /// The last good commit of every aggregate, by subject.
    pub chains: BTreeMap<String, Head>,
}

/// A snapshot that is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of chain heads is damaged, or not signed by this sealer")]
pub struct HeadsError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    log: Origin,
    size: u64,
    root: NodeHash,
    last: CommitHash,
    heads: usize,
}

impl Heads {
    /// The signed bytes. A subject has less than 64 KiB.
    pub fn encode(&self, key: &PrivateKey) -> Result<Vec<u8>, HeadsError> {
        let Self { log, head: TreeHead { size, root }, last, chains } = self;
        let header =
            Header { log: log.clone(), size: *size, root: *root, last: *last, heads: chains.len() };
        let mut bytes = serde_json::to_vec(&header).map_err(|_| HeadsError)?;
        bytes.push(b'\n');
        for (subject, head) in chains {
            let length = u16::try_from(subject.len()).map_err(|_| HeadsError)?;
            bytes.extend(length.to_be_bytes());
            bytes.extend(subject.as_bytes());
            bytes.extend(head.version.to_be_bytes());
            bytes.extend(head.hash.as_bytes());
        }
        let signature = key.sign(&message(&bytes));
        bytes.extend(signature);
        Ok(bytes)
    }

    /// Reads what [`Self::encode`] wrote under the same key.
    pub fn parse(bytes: &[u8], key: &PublicKey) -> Result<Self, HeadsError> {
        let split = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or(HeadsError)?;
        let (signed, signature) = bytes.split_at_checked(split).ok_or(HeadsError)?;
        if !key.verifies(&message(signed), signature) {
            return Err(HeadsError);
        }
        let newline = signed.iter().position(|byte| *byte == b'\n').ok_or(HeadsError)?;
        let (header, rest) = signed.split_at_checked(newline).ok_or(HeadsError)?;
        let header: Header = serde_json::from_slice(header).map_err(|_| HeadsError)?;
        let mut rest = rest.get(1..).ok_or(HeadsError)?;
        let mut chains = BTreeMap::new();
        for _ in 0..header.heads {
            let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
            let (subject, after) = rest.split_at_checked(length).ok_or(HeadsError)?;
            rest = after;
            let subject = std::str::from_utf8(subject).map_err(|_| HeadsError)?.to_owned();
            let version = u64::from_be_bytes(take(&mut rest)?);
            let hash = CommitHash::from_bytes(take(&mut rest)?);
            chains.insert(subject, Head { version, hash });
        }
        if !rest.is_empty() || chains.len() != header.heads {
            return Err(HeadsError);
        }
        let head = TreeHead { size: header.size, root: header.root };
        Ok(Self { log: header.log, head, last: header.last, chains })
    }
}

fn message(signed: &[u8]) -> Vec<u8> {
    [DOMAIN, Sha256Digest::of(signed).as_bytes()].concat()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], HeadsError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(HeadsError)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> Heads {
        let hash = |byte| CommitHash::from_bytes([byte; 32]);
        let chain = |n: u8| (format!("cs.log.main.acme.change.{n}"), n);
        let chains = (1..=3).map(chain);
        let head = |n: u8| Head { version: u64::from(n), hash: hash(n) };
        Heads {
            log: "main.log.example".parse().unwrap(),
            head: TreeHead { size: 7, root: NodeHash::from_bytes([9; 32]) },
            last: hash(8),
            chains: chains.map(|(subject, n)| (subject, head(n))).collect(),
        }
    }

    #[test]
    fn a_snapshot_is_read_back_and_no_byte_of_it_can_change() {
        let key = PrivateKey::from_seed(&[1; 32]);
        let bytes = heads().encode(&key).unwrap();
        assert_eq!(Heads::parse(&bytes, &key.public()), Ok(heads()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Heads::parse(&damaged, &key.public()), Err(HeadsError), "byte {at}");
        }
        assert_eq!(
            Heads::parse(&bytes, &PrivateKey::from_seed(&[2; 32]).public()),
            Err(HeadsError)
        );
        assert_eq!(Heads::parse(&[], &key.public()), Err(HeadsError));
    }
}
