//! The log over a real nats-server.

mod append;
mod restart;
mod world;
