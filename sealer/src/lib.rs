//! sealer: the log under signed Merkle checkpoints, each durable in the archive before it is signed.
//!
//! 1. [`standing`]: at the start, the largest checkpoint of stream and archive, and the tree under it. Nothing is ever
//!    signed that is not consistent with it.
//! 2. [`batch`]: the messages that came since, as tiles, evidence lines and blobs in the archive.
//!    The next ones are gathered while these are stored and sealed.
//! 3. [`sealing`]: a checkpoint is signed and appended to the stream of checkpoints after the one that this sealer has
//!    seen. That expectation is the fence: of two sealers one stops.
//!    What the log lost for good becomes a leaf without a hash ([`gap`]).
//! 4. [`witnesses`]: the newest checkpoint goes to everybody who cosigns it.
//!
//! Source: PROTOCOL.md section 1, "Tree".

pub mod batch;
pub mod config;
pub mod gap;
mod gathering;
pub mod heads;
pub mod keys;
pub mod losing;
pub mod pauses;
pub mod sealing;
pub mod standing;
pub mod witnesses;

pub use config::SealerConfig;
pub use keys::LogKeys;
pub use sealing::{Published, Sealer};
pub use standing::{Refused, Standing};
