//! The record, pure: commits, their chain, receipts, and the verifier of an evidence bundle.
//!
//! For an auditor who wants to read all of it, in the order of the story:
//!
//! 1. [`commit`]: one command's events are one message, an [`Envelope`]. Its bytes are fixed when they are written.
//! 2. [`hash`] and [`signature`]: `h` = BLAKE3 of those bytes; each commit names the `h` of its aggregate's previous
//!    one; the writer signs `h`. [`name`] and [`subject`] say what may stand in a commit and where it is stored.
//! 3. [`condemn`]: the only place that says whether a stored message is a good commit. The appender and every follower
//!    call [`judge`], or a [`Judge`] that answers the same at a rate. The verifier calls its two halves, [`judge_alone`]
//!    and then the link to the aggregate's last good commit, because it goes on where messages are lost.
//! 4. [`receipt`]: what a caller keeps, and the positions that readers store. [`blob`]: large values by digest.
//! 5. [`tree`]: every message is a leaf of one Merkle tree, and proofs about it. [`note`], [`checkpoint`] and
//!    [`cosignature`]: the log's signed word about the tree, and who witnessed it. [`witness`]: what a witness answers
//!    to such a word. [`fork`]: two words that contradict each other, as evidence against the log.
//! 6. [`mod@line`] and [`bundle`]: how a log leaves the system, byte by byte, as evidence.
//! 7. [`policy`] and [`verify`]: what a verifier trusts (never anything out of the bundle), and the verdict:
//!    intact, tampered (exit code 7) or incomplete (exit code 8).
//!
//! Nothing here reads a clock, randomness, the environment, a file or the network: files come in through
//! [`BundleSource`]. PROTOCOL.md section 1 is the specification. A commit signs its place in its aggregate's chain and
//! not its sequence. So a log without a checkpoint cannot show by itself, once its lines are renumbered: the end of
//! every aggregate's chain, whole aggregates, and the order between aggregates. Every report on one says so; an earlier
//! bundle, a kept checkpoint or a receipt shows what it holds. Under a signed checkpoint the tree shows it all, but for
//! another history that the same key signed: that is what witnesses are for, and without them the report says so.
//! `vectors/` holds golden vectors, `tests/independent_verifier.py` a second verifier that shares no code.

pub mod blob;
pub mod bundle;
pub mod checkpoint;
pub mod commit;
pub mod condemn;
pub mod cosignature;
pub mod fork;
pub mod hash;
pub mod identity;
pub mod interval;
mod judge;
mod lasting;
pub mod line;
pub mod name;
pub mod note;
mod nullable;
pub mod pairs;
pub mod policy;
pub mod receipt;
pub mod rotation;
pub mod signature;
pub mod subject;
pub mod tree;
pub mod verify;
pub mod witness;

pub use blob::{BlobError, BlobRef, blob_refs};
pub use bundle::{
    BundleError, BundleFile, BundleSource, Entry, EntryKind, Manifest, Scope, ScopeError, blob_file,
};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointNote, Cosigned, VerifiedCheckpoint};
pub use commit::{
    Actor, ActorKind, AggregateRef, Auth, CommandRef, CommitError, Envelope, EventEntry,
    MAX_COMMIT_BYTES, SPEC, commit_time,
};
pub use condemn::{Commit, Condemned, Head, Reason, Stored, judge, judge_alone, placed};
pub use cosignature::{cosign, cosigned_at};
pub use fork::{Fork, ForkError};
pub use hash::{CommitHash, HashTextError, RequestDigest};
pub use identity::{LogIdentity, Writer};
pub use interval::{LogKey, Sizes, Witness};
pub use judge::Judge;
pub use line::{Line, LineError};
pub use name::{EventType, IdText, NameError, Origin, Slug, Word};
pub use note::{KeyName, Note, NoteError, NoteSignature};
pub use policy::{AgentAuthority, LogPolicy, Policy, PolicyError, RootPin};
pub use receipt::{
    MIN_POSITION_HEADER, POSITION_HEADER, Position, PositionMark, PositionMarkError, Receipt,
    ReceiptError,
};
pub use rotation::{KeyRole, KeyRotation, RotationError, SignedRotation};
pub use signature::{HASH_HEADER, SIGNATURE_HEADER, SignedCommit, hash_is_signed, sign_hash};
pub use subject::{Subject, SubjectError, blob_subject};
pub use tree::{
    Consistency, Inclusion, LeafRecord, NodeHash, ProofError, ProofLine, TilePath, TileReader,
    Tree, TreeHead, leaf_hash,
};
pub use verify::{
    Bounds, Caveat, Expected, Fault, Finding, Kept, Report, Sealed, SealedTime, Severity, Snapshot,
    Times, Verdict, Verifier, VerifyError, Weakened, verify_bundle, verify_bundle_against,
    verify_commits,
};
