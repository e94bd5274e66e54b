//! The dependency picture (DESIGN.md section 3): every rule is a function over what cargo says, and
//! is broken once by a small example beside it.

mod allowed;
mod picture;
mod resolved;
mod tiers;
