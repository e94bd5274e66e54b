//! The log over a real nats-server.

mod against_model;
mod append;
mod cached;
mod cut_off;
mod gaps;
mod lossy;
mod model;
mod restart;
mod script;
mod servers;
mod stale_leader;
mod unrest;
mod world;
