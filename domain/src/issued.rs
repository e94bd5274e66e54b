//! A command with who issued it and when: the only way a decision learns of the caller and the time.

use crate::ids::{CommandId, PrincipalId};
use serde::{Deserialize, Serialize};
use trust::encoding::Timestamp;

/// What kind of principal acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    Person,
    /// A service, known by its SPIFFE ID.
    Service,
    /// A workflow, known by the SPIFFE ID of the workflows service.
    Workflow,
}

/// How the caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// An OIDC login.
    Oidc,
    /// A bearer token.
    Token,
    /// An X.509-SVID.
    Spiffe,
}

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
