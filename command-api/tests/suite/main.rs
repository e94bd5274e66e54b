//! command-api's router over a real log.

mod document;
mod identity;
mod world;
