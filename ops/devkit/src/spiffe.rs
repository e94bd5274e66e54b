//! A SPIFFE issuer for development: a random certificate authority per data folder and a real
//! Workload API server over Unix sockets. Production uses SPIRE; only the socket path differs.

mod authority;
mod messages;
mod workload_api;

pub use authority::{Authority, AuthorityError, Svid};
pub use workload_api::{WorkloadApi, WorkloadApiError, socket_of};
