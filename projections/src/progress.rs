//! How far the tables are, as another process sees it: announced by `NOTIFY`, read again after every reconnect.

use crate::database::{Database, DatabaseError};
use crate::tables::CHANNEL;
use ledger::{Origin, PositionMark};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// After a lost connection.
const PAUSE: Duration = Duration::from_secs(1);

/// The tables have not reached a position in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the read models are at sequence {served}, not at {wanted} yet")]
pub struct NotReached {
    /// Where they are.
    pub served: u64,
    /// Where they should be.
    pub wanted: u64,
}

/// What every slice has reached. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Progress {
    origin: Origin,
    sequence: watch::Receiver<u64>,
}

/// Keeps a [`Progress`] up to date.
#[derive(Debug)]
pub struct ProgressListener {
    database: Database,
    origin: Origin,
    sequence: watch::Sender<u64>,
}

impl Progress {
    /// Progress in one log, and the task that must run for it.
    pub fn of(database: &Database, origin: &Origin) -> (Self, ProgressListener) {
        let (sender, sequence) = watch::channel(0);
        let listener = ProgressListener {
            database: database.clone(),
            origin: origin.clone(),
            sequence: sender,
        };
        (Self { origin: origin.clone(), sequence }, listener)
    }

    /// The least that every answer given from now on holds.
    pub fn served(&self) -> PositionMark {
        PositionMark { origin: self.origin.clone(), sequence: *self.sequence.borrow() }
    }

    /// Waits until every slice has reached `sequence`.
    pub async fn reached(&self, wanted: u64, patience: Duration) -> Result<(), NotReached> {
        let mut sequence = self.sequence.clone();
        let reached = sequence.wait_for(|served| *served >= wanted);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            // The listener has ended (the process stops), or time is up.
            Ok(Err(_)) | Err(_) => Err(NotReached { served: *self.sequence.borrow(), wanted }),
        }
    }
}

impl ProgressListener {
    /// Listens until told to stop; a lost database is waited for.
    pub async fn listen(self, stopping: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                ended = self.listen_once() => match ended {
                    Ok(()) => {}
                    Err(error) => tracing::warn!(%error, "positions cannot be followed: again later"),
                },
            }
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn listen_once(&self) -> Result<(), DatabaseError> {
        let mut listener = self.database.listener().await?;
        listener.listen(CHANNEL).await?;
        // After LISTEN: what is committed later is announced.
        self.read().await?;
        // A lost connection is `None`: announcements may be lost with it, so the caller starts over.
        while let Some(notification) = listener.try_recv().await? {
            if let Ok(mark) = notification.payload().parse::<PositionMark>() {
                self.publish(&mark);
            }
        }
        Ok(())
    }

    async fn read(&self) -> Result<(), DatabaseError> {
        let least: Option<i64> =
            sqlx::query_scalar("SELECT min(sequence) FROM positions WHERE origin = $1")
                .bind(self.origin.as_str())
                .fetch_one(self.database.pool())
                .await?;
        let sequence = least.and_then(|least| u64::try_from(least).ok()).unwrap_or(0);
        self.publish(&PositionMark { origin: self.origin.clone(), sequence });
        Ok(())
    }

    fn publish(&self, mark: &PositionMark) {
        if mark.origin == self.origin {
            // It goes back when a slice starts over.
            self.sequence.send_if_modified(|sequence| {
                let changed = *sequence != mark.sequence;
                *sequence = mark.sequence;
                changed
            });
        }
    }
}
