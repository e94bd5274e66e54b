//! C2SP cosignatures v1: a key says that at a time it had seen no checkpoint that contradicts this one.
//!
//! Ed25519 over `cosignature/v1\ntime <unix seconds>\n` and the note's text; the line carries the time as u64
//! big-endian before the signature. Witnesses cosign under their own name; the sealer cosigns under the origin, which
//! tells when it sealed. Source: <https://c2sp.org/tlog-cosignature>.

use crate::note::{KeyName, NoteSignature, SignatureKind, key_hash};
use trust::keys::{PrivateKey, PublicKey};

/// The latest time that a cosignature has, Unix seconds: the format's numbers end there.
pub const MAX_UNIX_SECONDS: u64 = (1 << 63) - 1;

/// Whether a cosignature can have been made then. 0 is no time in the format.
pub fn is_time(unix_seconds: u64) -> bool {
    (1..=MAX_UNIX_SECONDS).contains(&unix_seconds)
}

fn message(text: &str, unix_seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix_seconds}\n{text}").into_bytes()
}

/// Cosigns the text of a checkpoint's note. Whoever calls this has checked the checkpoint against its predecessor, and
/// that it is a time ([`is_time`]): no reader takes another one.
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
    (is_time(time) && key.verifies(&message(text, time), signature)).then_some(time)
}
