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
//! 3. The exact bytes run in one transaction with base check, journal row and stored result ([`executor`]). The change
//!    is consumed in the agent's own state before they begin.
//! 4. After COMMIT schema and journal are read once more on the lock's session: only what is there is reported
//!    ([`executor::recovery`]).
//! 5. The stored result is signed with the certificate of that moment and published ([`signer`], [`intake`]).
//!
//! Between changes two idle sessions stay with a database that had one: that of the lock, without it, and the one that was
//! made ready for the next change. Planning the reading of a schema costs several times the reading itself.
//!
//! **Limits.** Signed SQL does whatever its text does, with the agent's own role, and text that it builds at run time is
//! judged by nobody. It can reach the target's journal: inside its transaction that is noticed and rolled back; a
//! trigger that defers itself until COMMIT can go further. Then the answer is `failed_partial`, the change stays
//! consumed, and the agent's own entry is written again; entries of other jobs that it deleted are lost, and whatever it
//! hung on the journal's tables has to be removed by the site before the next migration is accepted. That nothing runs
//! twice rests on the agent's own state folder as well as on the journal, and falls only with both. Schema and journal
//! are read some milliseconds after COMMIT, so that a result can name another session's change of that moment. Such a
//! trigger can also switch off `synchronous_commit` for its own COMMIT: a server that crashes right then may lose the
//! change, which stays consumed. A superuser as the agent's role, objects in `pg_catalog`, and extensions that run SQL
//! elsewhere (`dblink`, schedulers) are beyond what any of this sees.

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
