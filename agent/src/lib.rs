//! Runs approved changes beside a `PostgreSQL` database; trusts nothing it cannot verify.
//!
//! The binary pulls jobs ([`intake`]); [`worker::Worker`] judges each by `trust::accept::judge` and runs what holds.
//! What it did lies in the target's own journal ([`journal`]), in the same transaction as the change; what the agent
//! must not forget lies in its own folder ([`state`]). Source: PROTOCOL.md sections 3 and 4.
//!
//! The way of a migration:
//!
//! 1. The advisory lock of the data source is taken on a session of its own ([`target::Guard`]); backends of ours that
//!    are left over are ended, and whatever they began is decided ([`executor::recovery`]).
//! 2. The predicate is judged with the target's clock and journal.
//! 3. The exact bytes run in one transaction with base check, journal row and stored result ([`executor`]).
//! 4. The stored result is signed with the certificate of that moment and published ([`signer`], [`intake`]).

pub mod answer;
pub mod config;
pub mod executor;
pub mod intake;
pub mod introspect;
pub mod journal;
pub mod malformed;
pub mod signer;
pub mod state;
pub mod target;
pub mod worker;
