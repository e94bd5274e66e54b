//! The whole platform as its users meet it: real servers, real processes, the real command line.
//!
//! [`Platform`] runs `countersign dev`; the scenario programs and the end-to-end tests drive it from outside. To NATS
//! they speak only through `platform/nats`, under a development identity of their own.

pub mod attack;
pub mod change;
pub mod command_line;
pub mod corpus;
pub mod demo;
pub mod forged;
pub mod http;
pub mod latency;
pub mod ledger_storm;
pub mod platform;
pub mod proxy;
pub mod running;
pub mod scratch;
pub mod sealer_storm;
pub mod service;
pub mod stored_block;
pub mod storm;
pub mod target;
pub mod tunnel;

pub use command_line::{Answered, CommandLine};
pub use platform::Platform;
