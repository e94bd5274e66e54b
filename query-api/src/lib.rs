//! The only door out: reads of the tables that `projections` keeps, and of the log itself.
//!
//! One file per context; one extractor, [`Reading`], for every read of a tenant's data: who asks, for which tenant, and
//! how new the answer must be. Log routes take [`Auditing`] instead.

mod agents;
mod answer;
mod approvals;
mod audit;
mod auditing;
mod changes;
mod config;
mod countersigning;
mod data_sources;
mod document;
mod executions;
mod jobs;
mod logs;
pub mod merge_delay;
mod paging;
pub mod problem;
mod reading;
mod router;
mod sealed;
mod state;
mod trust_root;
mod waiting;
mod whoami;

pub use auditing::Auditing;
pub use config::ApiConfig;
pub use document::{open_api_json, print_document};
pub use reading::Reading;
pub use router::router;
pub use state::AppState;
