//! A command with who issued it and when: the only way a decision learns of the caller and the time.

pub use ::ledger::{ActorKind, Auth};

use crate::ids::{CommandId, PrincipalId};
use serde::{Deserialize, Serialize};
use trust::encoding::Timestamp;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The kind.
    pub kind: ActorKind,
    /// The principal.
    pub id: PrincipalId,
    /// How it was authenticated.
    pub auth: Auth,
}

/// A command as issued.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued<C> {
    /// The command's id; a retry has the same.
    pub id: CommandId,
    /// Who issued it.
    pub by: Actor,
    /// When it was decided.
    pub at: Timestamp,
    /// The command itself.
    pub command: C,
}
