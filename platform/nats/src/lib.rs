//! Countersign's way to NATS: connection by X.509-SVID, every subject and stream name, stream
//! configuration, batched reads, job and result queues, stored positions (PROTOCOL.md sections 1
//! and 4).

pub mod batch;
pub mod connection;
pub mod inspect;
pub mod leader;
pub mod positions;
pub mod queues;
pub mod rebuild;
mod stream_check;
pub mod streams;
pub mod subjects;
pub mod weakness;

pub use batch::{Batch, ReadError, StoredMessage};
pub use connection::{Connection, ConnectionError, ConnectionEvent};
pub use inspect::{Difference, InspectError};
pub use positions::{PositionError, Positions, Saved};
pub use queues::{AgentQueue, Delivery, JobQueue, PublishFailure, QueueError, ResultQueue, Traced};
pub use rebuild::RebuildError;
pub use streams::ProvisionError;
pub use subjects::{NameError, ResultKind};
pub use weakness::Weakness;
