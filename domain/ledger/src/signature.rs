//! The writer's signature on a commit, and the headers that travel with it.
//!
//! The headers are never trusted alone: [`crate::judge`] recomputes the one and verifies the other.

use crate::commit::{AggregateRef, CommitError, Envelope};
use crate::hash::CommitHash;
use crate::name::Slug;
use crate::subject::Subject;
use trust::keys::{NamedSignature, PrivateKey, PublicKey};

/// Header with the commit's hash, `blake3:<hex>`.
pub const HASH_HEADER: &str = "Cs-Hash";
/// Header with the writer's signature, `<key id> <base64>`.
pub const SIGNATURE_HEADER: &str = "Cs-Signature";
const DOMAIN: &[u8; 36] = b"countersign.dev/commit-signature/v1\n";

/// What a writer signs of a commit.
pub(crate) fn message(hash: &CommitHash) -> [u8; 68] {
    let mut message = [0; 68];
    let (domain, digest) = message.split_at_mut(DOMAIN.len());
    domain.copy_from_slice(DOMAIN);
    digest.copy_from_slice(hash.as_bytes());
    message
}

/// Signs a commit hash as its writer: the value of [`SIGNATURE_HEADER`].
pub fn sign_hash(writer: &PrivateKey, hash: &CommitHash) -> NamedSignature {
    writer.sign_named(&message(hash))
}

/// Whether `signature` is this writer's signature on this commit hash.
pub fn hash_is_signed(writer: &PublicKey, hash: &CommitHash, signature: &NamedSignature) -> bool {
    signature.key == writer.id() && writer.verifies(&message(hash), &signature.signature)
}

/// A commit ready to be appended: publish `payload` on `subject` with both headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCommit {
    /// The subject to append to.
    pub subject: String,
    /// The exact bytes.
    pub payload: Vec<u8>,
    /// The value of [`HASH_HEADER`].
    pub hash: CommitHash,
    /// The value of [`SIGNATURE_HEADER`].
    pub signature: NamedSignature,
}

impl Envelope {
    /// Encodes, hashes and signs. The key must be the envelope's `writer`.
    pub fn sign(&self, shard: &Slug, writer: &PrivateKey) -> Result<SignedCommit, CommitError> {
        if writer.id() != self.writer {
            return Err(CommitError::OtherWriter);
        }
        let payload = self.encode()?;
        let hash = CommitHash::of(&payload);
        let signature = sign_hash(writer, &hash);
        Ok(SignedCommit { subject: self.subject(shard).to_string(), payload, hash, signature })
    }

    /// Whether this is the subject that it belongs on, in a log of this shard.
    pub(crate) fn is_on(&self, subject: &str, shard: &Slug) -> bool {
        let AggregateRef { kind, id } = &self.aggregate;
        let names = [shard.as_str(), self.tenant.as_str(), kind.as_str(), id.as_str()];
        // No name holds a dot.
        subject.strip_prefix("cs.log.").is_some_and(|rest| rest.split('.').eq(names))
    }

    /// The subject that this commit belongs on, in a log of this shard.
    pub fn subject(&self, shard: &Slug) -> Subject {
        Subject {
            shard: shard.clone(),
            tenant: self.tenant.clone(),
            aggregate: self.aggregate.clone(),
        }
    }
}
