//! Runs an accepted change, so that afterwards either all of it is there, journaled, or nothing of it.

pub mod fingerprint;
mod limits;
pub mod recovery;
mod run;
mod transaction;

pub use limits::check_own_limits;
pub use run::{Means, Order, run};
