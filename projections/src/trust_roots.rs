//! The versions of each tenant's trust root.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::{ProjectError, Projection};
use domain::identity::TrustRootEvent;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use sqlx::PgConnection;
use trust::encoding::Sha256Digest;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct TrustRoots;

impl Projection for TrustRoots {
    const NAME: &'static str = "trust_roots";
    const TABLES: &'static [&'static str] = &["trust_roots"];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::TrustRoot(root) => project(rows, recorded, root).await?,
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::DataSource(_)
                | Event::Change(_)
                | Event::Approval(_)
                | Event::Job(_)
                | Event::Agent(_)
                | Event::Log(_) => {}
            }
        }
        Ok(())
    }
}

async fn project(
    rows: &mut PgConnection,
    recorded: &Recorded,
    event: &TrustRootEvent,
) -> Result<(), ProjectError> {
    match event {
        TrustRootEvent::Published(published) => {
            sqlx::query(
                "INSERT INTO trust_roots (tenant, version, sha256, envelope_sha256, published_at) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&recorded.tenant)
            .bind(column::bigint(published.version)?)
            .bind(published.sha256.to_string())
            .bind(published.envelope.sha256.to_string())
            .bind(recorded.time.datetime())
            .execute(rows)
            .await?;
            Ok(())
        }
    }
}

/// A version of a trust root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootVersion {
    /// From 1.
    pub version: u64,
    /// Of its payload.
    pub sha256: Sha256Digest,
    /// Of the signed envelope, a blob.
    pub envelope_sha256: Sha256Digest,
}

/// A tenant's newest version.
pub async fn current(
    database: &Database,
    tenant: &str,
) -> Result<Option<RootVersion>, DatabaseError> {
    let row: Option<(i64, String, String)> = sqlx::query_as(
        "SELECT version, sha256, envelope_sha256 FROM trust_roots WHERE tenant = $1 \
         ORDER BY version DESC LIMIT 1",
    )
    .bind(tenant)
    .fetch_optional(database.pool())
    .await?;
    let Some((version, sha256, envelope)) = row else { return Ok(None) };
    let digest = |text: String| {
        text.parse().map_err(|_| DatabaseError::Column { column: "trust_roots.sha256" })
    };
    Ok(Some(RootVersion {
        version: column::count("trust_roots.version", version)?,
        sha256: digest(sha256)?,
        envelope_sha256: digest(envelope)?,
    }))
}
