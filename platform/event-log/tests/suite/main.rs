//! The log over a real nats-server.

mod against_model;
mod append;
mod lossy;
mod model;
mod restart;
mod script;
mod servers;
mod stale_leader;
mod world;
