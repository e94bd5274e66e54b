//! Real servers for development and tests: nats-server, `PostgreSQL` and a SPIFFE issuer as child
//! processes and tasks of `countersign dev`, the demo and every test. Nothing here is a mock.

pub mod children;
pub mod cluster;
mod environment;
pub mod folder;
pub mod identities;
pub mod nats_server;
pub mod object_store_server;
mod ports;
pub mod postgres;
pub mod preflight;
pub mod spiffe;
pub mod stack;
pub mod workspace;

pub use children::{Child, ChildError, Program};
pub use cluster::Cluster;
pub use environment::default_data_dir;
pub use stack::{Options, Stack, StackError, claim};
