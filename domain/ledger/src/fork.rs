//! A fork: two views that the log signed and that no one history has. It convinces whoever trusts the log's key.
//!
//! Of equal sizes, two roots are enough. Of two sizes, a consistency proof that fails proves nothing, since anybody can
//! spoil one; what convinces is one that *holds* from another root than the earlier checkpoint's: the later root
//! fixes every root before it, so that the log signed one of the two wrongly.

use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointNote};
use crate::policy::LogPolicy;
use crate::tree::{Consistency, NodeHash, ProofError, TreeHead};
use serde::{Deserialize, Serialize};
use trust::strict::{self, StrictError};

/// The value of `format`.
pub const FORK_FORMAT: &str = "countersign-fork/1";

/// Why something is not a fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// Not strict JSON with exactly the members of a fork.
    #[error("not a fork's JSON")]
    Malformed(#[source] StrictError),
    /// Another format.
    #[error("format {0:?}; this reader knows \"countersign-fork/1\"")]
    Format(String),
    /// One of the checkpoints is not one that the log signed.
    #[error("the log did not sign the {which} checkpoint")]
    Checkpoint {
        /// `earlier` or `later`.
        which: &'static str,
        /// Why not.
        #[source]
        source: CheckpointError,
    },
    /// The earlier one is the larger.
    #[error("the earlier checkpoint is the larger one")]
    Order,
    /// Of two sizes, and no proof beside them; or of one size, and a proof that nobody asked for.
    #[error("checkpoints of two sizes need a proof between them, and only these")]
    Proof,
    /// The proof is about other sizes, or does not lead from its root to the later checkpoint's.
    #[error("the proof does not lead to the later checkpoint")]
    ProofWrong(#[source] ProofError),
    /// Both checkpoints are of one history.
    #[error("the checkpoints do not contradict each other")]
    Consistent,
}

/// What the log's own later tree says about the size of the earlier checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherPast {
    /// The root at the earlier size under the later root.
    pub root: NodeHash,
    /// The proof that the later tree grew out of it.
    pub proof: Consistency,
}

/// Two checkpoints of one log that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    format: String,
    earlier: CheckpointNote,
    later: CheckpointNote,
    other_past: Option<OtherPast>,
}

impl Fork {
    /// Two checkpoints of one size with two roots; anything else is not a fork.
    pub fn at_one_size(
        one: CheckpointNote,
        other: CheckpointNote,
        policy: &LogPolicy,
    ) -> Result<Self, ForkError> {
        Self::checked(one, other, None, policy)
    }

    /// A kept checkpoint, a later one, and what [`crate::tree::consistency_proof`] gave from the later tree at the
    /// kept size.
    pub fn against_the_past(
        earlier: CheckpointNote,
        later: CheckpointNote,
        (past, proof): (TreeHead, Consistency),
        policy: &LogPolicy,
    ) -> Result<Self, ForkError> {
        Self::checked(earlier, later, Some(OtherPast { root: past.root, proof }), policy)
    }

    fn checked(
        earlier: CheckpointNote,
        later: CheckpointNote,
        other_past: Option<OtherPast>,
        policy: &LogPolicy,
    ) -> Result<Self, ForkError> {
        let fork = Self { format: FORK_FORMAT.to_owned(), earlier, later, other_past };
        fork.verify(policy)?;
        Ok(fork)
    }

    /// The checkpoint of the smaller size, or one of the two.
    pub fn earlier(&self) -> &CheckpointNote {
        &self.earlier
    }

    /// The other checkpoint.
    pub fn later(&self) -> &CheckpointNote {
        &self.later
    }

    /// Parses the exact bytes of a file; believes nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkError> {
        let fork: Self = strict::parse_exact(bytes).map_err(ForkError::Malformed)?;
        if fork.format == FORK_FORMAT { Ok(fork) } else { Err(ForkError::Format(fork.format)) }
    }

    /// The file, indented for people, newline at the end.
    pub fn encode(&self) -> Result<Vec<u8>, ForkError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| ForkError::Malformed(StrictError::Json(error.to_string())))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Whether the policy's log signed both, and they contradict each other. Witnesses are not asked: a signature on
    /// one of two histories is the log's own deed.
    pub fn verify(&self, policy: &LogPolicy) -> Result<(), ForkError> {
        let head = |which, note: &CheckpointNote| {
            note.is_signed_by(&policy.origin, &policy.keys)
                .map(Checkpoint::head)
                .map_err(|source| ForkError::Checkpoint { which, source })
        };
        let (earlier, later) = (head("earlier", &self.earlier)?, head("later", &self.later)?);
        if earlier.size > later.size {
            return Err(ForkError::Order);
        }
        let past = match (&self.other_past, earlier.size == later.size) {
            (None, true) => later.root,
            (Some(OtherPast { root, proof }), false) => {
                if (proof.from, proof.to) != (earlier.size, later.size) {
                    return Err(ForkError::ProofWrong(ProofError::Bounds));
                }
                proof.verify(root, &later.root).map_err(ForkError::ProofWrong)?;
                *root
            }
            (Some(_), true) | (None, false) => return Err(ForkError::Proof),
        };
        if past == earlier.root { Err(ForkError::Consistent) } else { Ok(()) }
    }
}
