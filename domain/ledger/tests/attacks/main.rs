//! The attacks on the record that need no server, by their numbers in `docs/attacks.md`: each is a named test on one
//! sealed log of 1,000 commits, and every test says what detects it and where.

mod clocks;
mod edits;
mod ends;
mod erasure;
mod histories;
mod keys;
mod moves;
mod proofs;
mod rotations;
mod strangers;
mod untouched;
#[path = "../workbench/mod.rs"]
mod workbench;
mod world;
