//! The handlers, state and document of command-api. One file per context; one extractor, [`Ask`], for every command.

mod agents;
mod answer;
mod approvals;
mod ask;
mod change_flow;
mod changes;
mod config;
mod configuration;
mod data_sources;
mod document;
mod jobs;
mod logs;
mod open;
mod principals;
pub mod problem;
mod router;
mod state;
mod tenants;
mod trust_roots;

pub use ask::Ask;
pub use config::ApiConfig;
pub use configuration::{ConfigurationWatch, LookError};
pub use document::{open_api_json, print_document};
pub use open::{connect, open_log};
pub use router::router;
pub use state::AppState;
