//! Typed client of command-api and query-api: for the CLI, workflows and tests.
//!
//! The request and answer types here are the ones that both APIs serve and document, so that there is one definition.

pub mod bodies;
mod chunks;
pub mod commands;
mod connection;
mod error;
pub mod reads;
pub mod stories;

pub use bodies::{ReceiptBody, receipt_body};
pub use chunks::Chunks;
pub use connection::{Cause, Client, Credential, Replayed, is_ready, process_version};
pub use error::{ClientError, FieldError, ProblemBody};
