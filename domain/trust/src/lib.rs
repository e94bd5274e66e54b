//! Who may say yes, pure: strict statements, DSSE envelopes, the trust root, quorum and the acceptance predicate.
//!
//! Nothing here reads a clock, a file, the network or randomness; PROTOCOL.md section 3 is the specification.
//! The crate also holds the one strict JSON parser ([`strict`]) and the one key type ([`keys`]) of the project.
//!
//! # The way of a change
//!
//! 1. The control plane fixes a [`statement::Change`] as exact bytes ([`statement::Statement::to_payload`]).
//! 2. Each approving person signs those bytes in a [`dsse::Envelope`]; [`quorum::granted`] says when it is enough.
//! 3. The dispatcher signs a [`statement::Job`] that names the change by digest and sends a [`message::JobMessage`]
//!    with the change and the SQL.
//! 4. The agent opens the root that its own site pinned ([`pinned::PinnedRoot::open`]), reads the message and asks
//!    [`accept::judge`]. It runs the bytes of the returned [`accept::Migration`] and no others, after
//!    [`accept::Accepted::check_base`] has seen the live fingerprint.
//! 5. The agent signs a [`statement::JobResult`] with its certificate's key ([`result::sign`]); whoever takes it in
//!    asks [`result::verify`].
//!
//! A [`dsse::Parsed`] statement has the right form and nothing more: only the functions above look at signatures.

pub mod accept;
pub mod dsse;
pub mod encoding;
pub mod golden;
pub mod keys;
pub mod message;
pub mod names;
pub mod pinned;
pub mod prepared;
pub mod quorum;
pub mod result;
pub mod spiffe;
pub mod statement;
pub mod strict;
