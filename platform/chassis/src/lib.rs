//! What every process does: start and stop, configuration, telemetry, SPIFFE identity, clock, listeners, the one
//! error answer, the one caller check, health.
//!
//! Nothing here knows schemas or changes. A process starts at [`Process::start`]; an API is a router wrapped by
//! [`http::api`], served by [`serve::serve`], whose handlers extract [`Caller`] and answer [`Problem`].

pub mod body;
pub mod caller;
pub mod clock;
mod collector;
pub mod config;
pub mod document;
pub mod http;
pub mod idempotency;
pub mod identity;
mod linger;
pub mod listen;
pub mod ops;
pub mod problem;
pub mod process;
pub mod secret_file;
pub mod serve;
pub mod tasks;
pub mod telemetry;
mod tenant;
pub mod token;
mod trace;

/// Of every process. A log's messages are thousands of small allocations that one thread makes and another one frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use caller::{Caller, HasPrincipals, Holder, Principals};
pub use clock::Clock;
pub use idempotency::IdempotencyKey;
pub use identity::Identity;
pub use problem::Problem;
pub use process::Process;
pub use trace::{TRACEPARENT, TraceContext};
