//! Statements: strict payloads that somebody signs, one file for each kind.
//!
//! Reading refuses unknown and missing members and whatever [`Statement::check`] names; writing reads its own
//! bytes back, so that nothing can be signed that no one would accept. Source: PROTOCOL.md section 3.

mod cancel;
mod change;
mod decision;
mod delegation;
mod job;
mod result;
mod root;
mod root_validity;
mod submission;

pub use cancel::Cancel;
pub use change::{
    BreakGlass, Change, PolicyRef, RollbackRule, Selector, Step, StepKind, Target, Transition,
};
pub use decision::{Decision, DecisionKind};
pub use delegation::Delegation;
pub use job::{Job, LogPosition, Mode};
pub use result::{JobResult, Outcome, StepOutcome, StepResult};
pub use root::{
    AgentAuthority, AuthorRule, BreakGlassRule, DispatcherRole, Environment, LogTrust, Person,
    RoleGrant, Roles, Root, RootKeys, TrustKey, Witness,
};
pub use submission::Submission;

use crate::encoding::Sha256Digest;
use crate::keys::KeyId;
use crate::names::PrincipalId;
use crate::strict::{self, StrictError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why a payload is not the statement that it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The envelope names another payload type.
    #[error("payload type {found:?} where {expected:?} belongs")]
    PayloadType {
        /// The type of the statement asked for.
        expected: &'static str,
        /// The type that the envelope names.
        found: String,
    },
    /// Not strict JSON with exactly the members of the statement.
    #[error("the payload is not in strict form")]
    Form(#[from] StrictError),
    /// The members are there but do not go together.
    #[error("the statement is invalid")]
    Invalid(#[from] Invalid),
}

/// A rule that a well-formed payload breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A key stands twice in a root, in whichever roles.
    #[error("key {0} stands twice")]
    KeyTwice(KeyId),
    /// A person stands twice in a root, or is counted twice in a result.
    #[error("person {0} stands twice")]
    PersonTwice(PrincipalId),
    /// A number that must be at least 1.
    #[error("{0} is below 1")]
    BelowOne(String),
    /// More is asked for than there are keys or people who could give it.
    #[error("{what} asks for {needed} of {available}")]
    Unreachable {
        /// The threshold, quorum or count.
        what: String,
        /// How many it asks for.
        needed: u64,
        /// How many could ever be counted.
        available: u64,
    },
    /// A period that ends before it begins.
    #[error("{0} ends before it begins")]
    EmptyPeriod(&'static str),
    /// A production root lives at most 30 days.
    #[error("a production root expires more than 30 days after it was issued")]
    RootLivesTooLong,
    /// A name that is empty, longer than 128 bytes, or holds a control character.
    #[error("{0} is not a name of 1 to 128 bytes without control characters")]
    Name(&'static str),
    /// Exactly one of `targets` and `selector` is not null.
    #[error("exactly one of targets and selector must be given")]
    TargetsXorSelector,
    /// A change without a step.
    #[error("there is no step")]
    NoStep,
    /// A member that this mode, outcome or kind must have, or must not have.
    #[error("{member} does not go with {with}")]
    DoesNotGoWith {
        /// The member.
        member: &'static str,
        /// The value of the other one.
        with: &'static str,
    },
}

/// One kind of statement.
pub trait Statement: Serialize + DeserializeOwned {
    /// `application/vnd.countersign.<name>+json`.
    const PAYLOAD_TYPE: &'static str;

    /// What must hold beyond the members' own types.
    fn check(&self) -> Result<(), Invalid>;

    /// Reads the exact payload bytes.
    fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let statement: Self = strict::parse_exact(payload)?;
        statement.check()?;
        Ok(statement)
    }

    /// The exact bytes to sign.
    fn to_payload(&self) -> Result<Vec<u8>, StatementError> {
        let payload =
            serde_json::to_vec(self).map_err(|error| StrictError::Shape(error.to_string()))?;
        Self::parse(&payload)?;
        Ok(payload)
    }
}

/// A version of the trust root, by number and by the digest of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRef {
    /// The version, from 1.
    pub version: u64,
    /// SHA-256 of the root's payload.
    pub sha256: Sha256Digest,
}

/// So many distinct people who hold this role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The role, as the root grants it.
    pub role: String,
    /// How many people, at least 1.
    pub count: u64,
}

impl Requirement {
    fn check(&self) -> Result<(), Invalid> {
        check_name("role", &self.role)?;
        at_least_one("count", self.count)
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), Invalid> {
    let fits = (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Invalid::Name(what)) }
}

fn at_least_one(what: &str, number: u64) -> Result<(), Invalid> {
    if number == 0 { Err(Invalid::BelowOne(what.to_owned())) } else { Ok(()) }
}
