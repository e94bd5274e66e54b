//! command-api's router over a real log.

mod authorization;
mod configuration;
mod document;
mod identity;
mod log_keys;
mod resolve;
mod world;
