//! Tests of the crate from outside: the predicate line by line, strict forms, golden vectors, signed results.

extern crate countersign_trust as trust;

mod approvals;
mod execution;
mod forms;
mod lines;
mod results;
mod scene;
mod tampering;
mod vectors;
