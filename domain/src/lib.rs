//! The rules: what may happen to a change, an approval, a job, and what is recorded when it does.
//!
//! One module per bounded context; each holds its aggregates: state, `decide`, commands, events, refusals, tests.
//! Contexts never import each other; workflows coordinate. Nothing here reads a clock, randomness, files or the
//! network: time, ids and looked-up facts arrive in the command.
//!
//! Start reading at [`changes`]; [`registry`] lists every event.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod agents;
mod aggregate;
pub mod approvals;
pub mod catalog;
pub mod changes;
#[cfg(test)]
mod given;
pub mod identity;
pub mod ids;
pub mod issued;
pub mod jobs;
pub mod ledger;
pub mod personal;
pub mod policy;
pub mod refusal;
pub mod registry;
pub mod schema;
pub mod vocabulary;

pub use issued::Issued;
