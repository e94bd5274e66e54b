//! What the tests of every context start from.

use crate::Issued;
use crate::ids::{CommandId, PrincipalId};
use crate::issued::{Actor, ActorKind, Auth};
use ::ledger::blob::BlobRef;
use trust::encoding::{Sha256Digest, Timestamp};

/// A principal by a short name.
pub fn person(name: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[name])
}

/// A command by a person, at a fixed time.
pub fn by<C>(name: &str, command: C) -> Issued<C> {
    at("2026-11-20T07:00:00.000000Z", name, command)
}

/// A command by a person, at a time.
pub fn at<C>(time: &str, name: &str, command: C) -> Issued<C> {
    Issued {
        id: CommandId::derived("command", &[name]),
        by: Actor { kind: ActorKind::Person, id: person(name), auth: Auth::Token },
        at: time.parse::<Timestamp>().unwrap(),
        command,
    }
}

/// A blob of these bytes.
pub fn blob(bytes: &[u8]) -> BlobRef {
    BlobRef::of(bytes, "application/octet-stream")
}

/// A digest of these bytes.
pub fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::of(bytes)
}
