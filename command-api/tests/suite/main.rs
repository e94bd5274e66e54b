//! command-api's router over a real log.

mod authorization;
mod configuration;
mod document;
mod identity;
mod resolve;
mod world;
