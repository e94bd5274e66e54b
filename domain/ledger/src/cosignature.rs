//! C2SP cosignatures v1: a key says that at a time it had seen no checkpoint that contradicts this one.
//!
//! Ed25519 over `cosignature/v1\ntime <unix seconds>\n` and the note's text; the line carries the time as u64
//! big-endian before the signature. Witnesses cosign under their own name; the sealer cosigns under the origin, which
//! tells when it sealed. Source: <https://c2sp.org/tlog-cosignature>.

use crate::note::{KeyName, NoteSignature, SignatureKind, key_hash};
use trust::keys::{PrivateKey, PublicKey};

fn message(text: &str, unix_seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix_seconds}\n{text}").into_bytes()
}

/// Cosigns the text of a checkpoint's note. Whoever calls this has checked the checkpoint against its predecessor.
pub fn cosign(text: &str, name: &KeyName, key: &PrivateKey, unix_seconds: u64) -> NoteSignature {
    let signature = key.sign(&message(text, unix_seconds));
    NoteSignature {
        name: name.clone(),
        key_hash: key_hash(name.as_str(), SignatureKind::Cosignature, &key.public()),
        signature: [unix_seconds.to_be_bytes().as_slice(), &signature].concat(),
    }
}

/// The time of this key's cosignature on the text, unix seconds; `None` if it is not one.
pub fn cosigned_at(
    signature: &NoteSignature,
    text: &str,
    name: &str,
    key: &PublicKey,
) -> Option<u64> {
    if !signature.claims(name, SignatureKind::Cosignature, key) {
        return None;
    }
    let (time, signature) = signature.signature.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    key.verifies(&message(text, time), signature).then_some(time)
}
