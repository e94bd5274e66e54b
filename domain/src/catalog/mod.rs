//! Catalog: data sources, and the schema lock with its fencing token.
//!
//! One migrating job per data source is outstanding: whoever wants to run asks for the lock, waits in line, and gets it
//! with a `fence` that only ever grows.

mod event;
#[cfg(test)]
mod tests;

pub use event::{DataSourceEvent, Registered};

use crate::Issued;
use crate::aggregate::aggregate;
use crate::ids::ChangeId;
use crate::refusal::refusals;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

refusals! {
    /// Why a command on a data source was refused.
    DataSourceError {
        NotFound = "catalog.data_source_not_found", NotFound, "there is no such data source";
        AlreadyExists = "catalog.data_source_exists", Conflict, "a data source of this name exists already";
        AlreadyWaiting = "catalog.lock_already_requested", Conflict, "the change holds the schema lock or waits for it already";
        NotHolder = "catalog.lock_not_held", Conflict, "the change neither holds the schema lock nor waits for it";
        QueueFull = "catalog.lock_queue_full", Conflict, "too many changes wait for this data source's schema lock";
    }
}

/// So many changes may wait for one lock.
pub const MAX_WAITING: usize = 1_000;

/// A command on a data source.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSourceCommand {
    /// Make it known.
    Register(Registered),
    /// Take the schema lock, or wait for it.
    RequestLock {
        /// For which change.
        change: ChangeId,
    },
    /// Give it back, or stop waiting; the next in line gets it.
    ReleaseLock {
        /// For which change.
        change: ChangeId,
    },
}

/// Who holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The change.
    pub change: ChangeId,
    /// The fencing token.
    pub fence: u64,
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    /// What was registered.
    pub registered: Option<Registered>,
    /// Who holds the lock.
    pub lock: Option<Lock>,
    /// Who waits for it, in order.
    pub waiting: VecDeque<ChangeId>,
    /// The last fencing token issued.
    pub last_fence: u64,
}

aggregate!(DataSource, "data_source", DataSourceCommand, DataSourceEvent, DataSourceError);

impl DataSource {
    fn decide(
        &self,
        issued: Issued<DataSourceCommand>,
    ) -> Result<Vec<DataSourceEvent>, DataSourceError> {
        match (&self.registered, issued.command) {
            (None, DataSourceCommand::Register(it)) => Ok(vec![DataSourceEvent::Created(it)]),
            (Some(_), DataSourceCommand::Register(_)) => Err(DataSourceError::AlreadyExists),
            (None, _) => Err(DataSourceError::NotFound),
            (Some(_), DataSourceCommand::RequestLock { change }) => self.request_lock(change),
            (Some(_), DataSourceCommand::ReleaseLock { change }) => self.release_lock(change),
        }
    }

    fn request_lock(&self, change: ChangeId) -> Result<Vec<DataSourceEvent>, DataSourceError> {
        let holds = self.lock.is_some_and(|lock| lock.change == change);
        if holds || self.waiting.contains(&change) {
            return Err(DataSourceError::AlreadyWaiting);
        }
        if self.lock.is_none() {
            return Ok(vec![self.grant(change)]);
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(DataSourceError::QueueFull);
        }
        Ok(vec![DataSourceEvent::LockQueued { change }])
    }

    fn release_lock(&self, change: ChangeId) -> Result<Vec<DataSourceEvent>, DataSourceError> {
        match self.lock {
            Some(lock) if lock.change == change => {
                let released = DataSourceEvent::LockReleased { change, fence: Some(lock.fence) };
                let next = self.waiting.front().map(|next| self.grant(*next));
                Ok(std::iter::once(released).chain(next).collect())
            }
            _ if self.waiting.contains(&change) => {
                Ok(vec![DataSourceEvent::LockReleased { change, fence: None }])
            }
            _ => Err(DataSourceError::NotHolder),
        }
    }

    fn grant(&self, change: ChangeId) -> DataSourceEvent {
        DataSourceEvent::LockGranted { change, fence: self.last_fence + 1 }
    }

    fn evolve(&mut self, event: DataSourceEvent) {
        match event {
            DataSourceEvent::Created(registered) => self.registered = Some(registered),
            DataSourceEvent::LockQueued { change } => self.waiting.push_back(change),
            DataSourceEvent::LockGranted { change, fence } => {
                self.waiting.retain(|waiting| *waiting != change);
                self.lock = Some(Lock { change, fence });
                self.last_fence = fence;
            }
            DataSourceEvent::LockReleased { change, .. } => {
                self.waiting.retain(|waiting| *waiting != change);
                self.lock = self.lock.filter(|lock| lock.change != change);
            }
        }
    }
}
