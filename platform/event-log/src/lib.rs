//! The log: append, load and follow hash-chained commits in `JetStream`.
//!
//! * [`Reader`] reads a log or its mirror: aggregates, blobs, raw messages; [`Reader::follow`] gives it in order.
//! * [`EventLog`] appends: load, find the command, decide, publish with an expectation (PROTOCOL.md "Append").
//! * [`Checkpoints`] is the stream of checkpoints, by which two sealers cannot both go on.
//! * [`AggregateStore`] is the one seam to cqrs-es: its `EventStore` over this log.
//!
//! Nothing read is trusted: every message passes `ledger::judge` before anybody sees it.

mod ahead;
mod append;
mod blobs;
mod cache;
mod checkpoints;
mod config;
mod error;
mod execute;
mod feed;
mod follow;
mod guard;
mod loaded;
mod open;
mod patience;
mod publish;
mod reader;
mod recorded;
mod recording;
mod restorer;
mod settings;
mod store;

pub use append::EventLog;
pub use checkpoints::{Checkpoints, StoredCheckpoint};
pub use config::{LogConfig, WriterConfig};
pub use error::{AppendError, ExecuteError, LogError};
pub use execute::{Answered, Request, Target};
pub use follow::{Followed, Follower, Judged};
pub use loaded::Loaded;
pub use open::{Opening, SYSTEM_TENANT, open_log};
pub use patience::patiently;
pub use reader::{Reader, stored};
pub use recorded::{Recorded, RecordedEvent};
pub use restorer::{RestoreError, Restorer};
pub use store::{AggregateStore, LogContext, REQUEST};
