//! What is to be run: a submitted file cut into steps, shown safely, and the fingerprint of the
//! schema it is run against. Pure: bytes in, decisions out.
//!
//! * [`mod@cut`] decides from the syntax tree whether a file can run as one transaction of ours.
//! * [`mod@display`] shows SQL so that what a person signs is what they saw.
//! * [`pgfp1`] is the frozen fingerprint of a `PostgreSQL` schema.

pub mod cut;
pub mod display;
pub mod pgfp1;

mod journal;
mod nesting;
mod place;
mod refusal;
mod statements;

pub use cut::{MAX_FILE_BYTES, Step, cut};
pub use display::escaped;
pub use place::Place;
pub use refusal::CutError;
