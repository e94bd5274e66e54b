//! One worker at a time: a session lock that dies with its holder, and an epoch that fences whoever lost it.

use crate::database::Database;
use ledger::{CommitHash, Origin, Position};
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeMap;
use tracing::info;

/// Of the advisory lock; "projects" in ASCII, so that it can be told in `pg_locks`.
const LOCK: i64 = 0x7072_6f6a_6563_7473;
const LEASE: &str = "projections";

/// Why this worker may not write.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The tables were filled from another log.
    #[error("projection {name} was filled from log {found}, not from {expected}: another history")]
    OtherLog {
        /// Which.
        name: String,
        /// As stored.
        found: String,
        /// As configured.
        expected: Origin,
    },
    /// A stored position is damaged.
    #[error("the stored position of projection {name} is damaged")]
    Damaged {
        /// Which.
        name: String,
    },
    /// A statement failed.
    #[error("the lease cannot be taken")]
    Sql(#[from] sqlx::Error),
}

/// The right to write, under one epoch.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Held only for its lock: it ends with this session.
    session: PgConnection,
    pub(crate) epoch: i64,
}

impl Lease {
    /// Waits until no other worker holds the lease, then fences every earlier one. Dropping the future gives up.
    pub(crate) async fn take(database: &Database) -> Result<Self, LeaseError> {
        let mut session = database.dedicated().await?;
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut session)
            .await?;
        if !free {
            info!("another worker keeps the tables: waiting for its lease");
            sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut session).await?;
        }
        let epoch = sqlx::query_scalar(
            "INSERT INTO lease (name, epoch) VALUES ($1, 1) \
             ON CONFLICT (name) DO UPDATE SET epoch = lease.epoch + 1 RETURNING epoch",
        )
        .bind(LEASE)
        .fetch_one(&mut session)
        .await?;
        Ok(Self { session, epoch })
    }

    /// Puts every named position under this epoch, from the start of the log where there is none yet.
    pub(crate) async fn claim(
        &mut self,
        origin: &Origin,
        names: &[&'static str],
    ) -> Result<BTreeMap<&'static str, Position>, LeaseError> {
        let zero = CommitHash::ZERO.to_string();
        sqlx::query(
            "INSERT INTO positions (name, origin, sequence, hash, epoch) \
             SELECT name, $2, 0, $3, $4 FROM unnest($1::text[]) AS name \
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch",
        )
        .bind(names)
        .bind(origin.as_str())
        .bind(zero)
        .bind(self.epoch)
        .execute(&mut self.session)
        .await?;
        let found = read_positions(&mut self.session, self.epoch, names).await?;
        for (name, position) in &found {
            if position.origin != *origin {
                return Err(LeaseError::OtherLog {
                    name: (*name).to_owned(),
                    found: position.origin.to_string(),
                    expected: origin.clone(),
                });
            }
        }
        Ok(found)
    }

    /// Gives the lease back, so that a waiting worker starts at once.
    pub(crate) async fn release(self) -> Result<(), sqlx::Error> {
        self.session.close().await
    }
}

/// The positions that stand under this epoch.
pub(crate) async fn read_positions(
    connection: &mut PgConnection,
    epoch: i64,
    names: &[&'static str],
) -> Result<BTreeMap<&'static str, Position>, LeaseError> {
    let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
        "SELECT name, origin, sequence, hash FROM positions WHERE epoch = $1 AND name = ANY($2)",
    )
    .bind(epoch)
    .bind(names)
    .fetch_all(connection)
    .await?;
    let mut positions = BTreeMap::new();
    for (name, origin, sequence, hash) in rows {
        let Some(known) = names.iter().find(|known| **known == name) else { continue };
        let position = (|| {
            let (origin, hash) = (origin.parse().ok()?, hash.parse().ok()?);
            Some(Position { origin, sequence: u64::try_from(sequence).ok()?, hash })
        })();
        positions.insert(*known, position.ok_or(LeaseError::Damaged { name })?);
    }
    Ok(positions)
}
