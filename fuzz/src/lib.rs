//! What must hold of every parser for any bytes, one function for each fuzz target.
//!
//! The tests of the three crates take these files in by path: they replay `corpus/` and damage it at random, so that
//! a finding that is added to the corpus is a regression test on the stable compiler.

pub mod corpus;
pub mod ledger;
pub mod sql;
pub mod tree;
pub mod trust;
