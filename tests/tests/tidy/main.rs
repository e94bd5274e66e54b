//! Repository lint: every rule is a function over the repository's files, and is broken once by a
//! small example beside it.

mod catalogue;
mod contexts;
mod links;
mod manifests;
mod metrics;
mod names;
mod repository;
mod rust_text;
mod schemas;
mod sources;
