//! Tests of the crate from outside: the predicate line by line, strict forms, golden vectors, signed results.

extern crate countersign_trust as trust;

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(clippy::expect_used, reason = "a check of the fuzz targets fails by panicking")]
#[path = "../../../../fuzz/src/trust.rs"]
mod parsers;

mod approvals;
mod execution;
mod forms;
mod hostile;
mod lines;
mod results;
mod scene;
mod tampering;
mod vectors;
