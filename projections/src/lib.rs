//! The record made readable: `PostgreSQL` tables that follow the log exactly once, and their typed readers.
//!
//! One file per read slice: what its rows mean, how a commit changes them ([`Projection`]), who reads them. A slice
//! writes only rows of the commit's own aggregate, so that one unreadable commit sets aside one aggregate and nothing
//! else. Every reader takes the tenant.
//!
//! [`search`] keeps a Tantivy index of every event beside the tables, with a position of its own.
//!
//! [`Tables`] is where exactly-once happens: one transaction holds the rows and the compare-and-set of every slice's
//! position. `query-api` uses [`Database`], the readers and [`Progress`].
// A new event makes every slice decide.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod agents;
pub mod approval_detail;
pub mod approvals;
pub mod change_detail;
pub mod change_list;
mod column;
pub mod config;
pub mod data_source_detail;
pub mod data_sources;
mod database;
mod document;
mod follow;
pub mod jobs;
mod lease;
mod page;
mod parked;
mod pauses;
pub mod principals;
mod progress;
mod projection;
mod rows;
pub mod search;
mod tables;
pub mod trust_roots;

pub use database::{Database, DatabaseError};
pub use follow::follow;
pub use lease::LeaseError;
pub use page::{Listed, PageRequest};
pub use parked::{ParkedCommit, parked_commits};
pub use progress::{NotReached, Progress, ProgressListener};
pub use projection::{ProjectError, Projection};
pub use tables::{Tables, WriteError, Writer, Written};

/// Every slice there is: one line per projection.
pub fn every_slice(database: &Database) -> Tables {
    Tables::new(database)
        .keep(principals::Principals)
        .keep(trust_roots::TrustRoots)
        .keep(data_sources::DataSources)
        .keep(data_source_detail::DataSourceDetails)
        .keep(agents::Agents)
        .keep(change_list::ChangeList)
        .keep(change_detail::ChangeDetails)
        .keep(approvals::Approvals)
        .keep(approval_detail::ApprovalDetails)
        .keep(jobs::Jobs)
}
