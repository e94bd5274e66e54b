//! The tasks of a process: started by name, stopped together, the first failure stops the others.

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks did not end within the grace period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not stopped after {grace_seconds} s: {}", tasks.join(", "))]
pub struct NotStopped {
    /// Those still running.
    pub tasks: Vec<String>,
    /// How long they had.
    pub grace_seconds: u64,
}

/// A set of named tasks.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    record: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    running: Vec<String>,
    failure: Option<anyhow::Error>,
}

impl Tasks {
    /// Cancelled when the process stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Starts a task. It must return soon after the token is cancelled; if it fails or panics, everything stops.
    pub fn run<F, W>(&self, name: &str, work: W)
    where
        W: FnOnce(CancellationToken) -> F,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let tasks = self.clone();
        let name = name.to_owned();
        let work = AssertUnwindSafe(work(self.stopping.clone())).catch_unwind();
        self.record().running.push(name.clone());
        self.tracker.spawn(async move {
            let outcome = work.await.unwrap_or_else(|_| Err(anyhow!("it panicked")));
            tasks.ended(&name, outcome.with_context(|| format!("task {name} failed")));
        });
    }

    fn ended(&self, name: &str, outcome: anyhow::Result<()>) {
        let mut record = self.record();
        if let Some(index) = record.running.iter().position(|running| running == name) {
            record.running.swap_remove(index);
        }
        if let Err(error) = outcome {
            tracing::error!(task = name, error = format!("{error:#}"), "task failed: stopping");
            record.failure.get_or_insert(error);
            self.stopping.cancel();
        }
    }

    /// Waits for the stop, then at most `grace` for the tasks. The first failure is the result.
    pub async fn until_stopped(&self, grace: Duration) -> anyhow::Result<()> {
        self.stopping.cancelled().await;
        self.tracker.close();
        let late = tokio::time::timeout(grace, self.tracker.wait()).await.is_err();
        let mut record = self.record();
        if let Some(failure) = record.failure.take() {
            return Err(failure);
        }
        if late {
            let tasks = record.running.clone();
            return Err(NotStopped { tasks, grace_seconds: grace.as_secs() }.into());
        }
        Ok(())
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// A stop that never comes fails the test instead of hanging it.
    async fn stopped(tasks: &Tasks) -> anyhow::Result<()> {
        tokio::time::timeout(LONG, tasks.until_stopped(LONG)).await.context("nothing stopped")?
    }

    #[tokio::test]
    async fn a_failing_task_stops_the_others_and_is_the_result() {
        let tasks = Tasks::default();
        tasks.run("patient", |stopping| async move {
            stopping.cancelled().await;
            Ok(())
        });
        tasks.run("follower", |_| async { Err(anyhow!("another history")) });
        let error = stopped(&tasks).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "task follower failed: another history");
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let tasks = Tasks::default();
        tasks.run("careless", |stopping| async move {
            assert!(stopping.is_cancelled(), "on purpose");
            Ok(())
        });
        let error = stopped(&tasks).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "task careless failed: it panicked");
    }

    #[tokio::test]
    async fn tasks_that_end_in_time_stop_cleanly() {
        let tasks = Tasks::default();
        tasks.run("patient", |stopping| async move {
            stopping.cancelled().await;
            Ok(())
        });
        tasks.run("short", |_| async { Ok(()) });
        tasks.stopping().cancel();
        stopped(&tasks).await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_named() {
        let tasks = Tasks::default();
        tasks.run("deaf", |_| std::future::pending());
        tasks.stopping().cancel();
        let error = tasks.until_stopped(Duration::from_millis(1)).await.unwrap_err();
        let expected = NotStopped { tasks: vec!["deaf".to_owned()], grace_seconds: 0 };
        assert_eq!(error.downcast::<NotStopped>().unwrap(), expected);
    }
}
