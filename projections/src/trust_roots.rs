//! The versions of each tenant's trust root.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::{ProjectError, Projection};
use crate::rows::{Columns, Kept, Key, Rows, Told, made};
use chrono::{DateTime, Utc};
use domain::identity::TrustRootEvent;
use trust::encoding::Sha256Digest;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct TrustRoots;

impl Projection for TrustRoots {
    const NAME: &'static str = "trust_roots";

    fn rows(self) -> Rows {
        Rows::of::<Row>()
    }
}

/// One version of a tenant's root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
struct VersionKey {
    tenant: String,
    version: i64,
}

impl Key for VersionKey {
    fn columns(keys: Columns<'_, Self>) -> Columns<'_, Self> {
        keys.column(|key| key.tenant.as_str()).column(|key| key.version)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    sha256: String,
    envelope_sha256: String,
    published_at: DateTime<Utc>,
}

impl Kept for Row {
    const TABLE: &'static str = "trust_roots";
    const LOAD: &'static str = "SELECT tenant, version, sha256, envelope_sha256, published_at \
        FROM trust_roots JOIN unnest($1::text[], $2::bigint[]) AS wanted (tenant, version) \
        USING (tenant, version)";
    const WRITE: &'static str = "INSERT INTO trust_roots (tenant, version, sha256, \
        envelope_sha256, published_at) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], \
        $4::text[], $5::timestamptz[])";

    type Key = VersionKey;
    type Event = TrustRootEvent;

    fn key(told: &Told<'_, TrustRootEvent>) -> Result<Option<VersionKey>, ProjectError> {
        match told.event {
            TrustRootEvent::Published(published) => Ok(Some(VersionKey {
                tenant: told.recorded.tenant.clone(),
                version: column::bigint(published.version)?,
            })),
        }
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, TrustRootEvent>) -> Result<(), ProjectError> {
        match told.event {
            TrustRootEvent::Published(published) => made(
                row,
                Self {
                    sha256: published.sha256.to_string(),
                    envelope_sha256: published.envelope.sha256.to_string(),
                    published_at: told.recorded.time.datetime(),
                },
            ),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.sha256.as_str())
            .column(|row| row.envelope_sha256.as_str())
            .column(|row| row.published_at)
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
