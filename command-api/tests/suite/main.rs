//! command-api's router over a real log.

mod identity;
mod world;
