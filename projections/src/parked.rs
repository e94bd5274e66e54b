//! Commits set aside: one that cannot be projected parks its aggregate, and only that.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::ProjectError;
use event_log::Recorded;
use ledger::Condemned;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Tenant, aggregate type, aggregate id.
pub(crate) type Aggregate = (String, String, String);

/// A commit that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ParkedCommit {
    /// Whose.
    pub tenant: String,
    /// Of which type.
    pub aggregate_type: String,
    /// Of which aggregate.
    pub aggregate_id: String,
    /// Its place in the log.
    pub sequence: i64,
    /// Why.
    pub reason: String,
}

pub(crate) fn aggregate(recorded: &Recorded) -> Aggregate {
    let Recorded { tenant, aggregate_type, aggregate_id, .. } = recorded;
    (tenant.clone(), aggregate_type.clone(), aggregate_id.clone())
}

/// Every commit that was set aside, in the log's order. For operators: it crosses tenants.
pub async fn parked_commits(database: &Database) -> Result<Vec<ParkedCommit>, DatabaseError> {
    let all = "SELECT tenant, aggregate_type, aggregate_id, sequence, reason FROM parked \
               ORDER BY sequence";
    Ok(sqlx::query_as(all).fetch_all(database.pool()).await?)
}

/// Every aggregate of which something is set aside, with the first sequence of it.
pub(crate) async fn parked_aggregates(
    connection: &mut PgConnection,
) -> Result<BTreeMap<Aggregate, u64>, sqlx::Error> {
    let all = "SELECT tenant, aggregate_type, aggregate_id, min(sequence) FROM parked \
               GROUP BY tenant, aggregate_type, aggregate_id";
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as(all).fetch_all(connection).await?;
    let first = |sequence: i64| u64::try_from(sequence).unwrap_or_default();
    Ok(rows.into_iter().map(|(a, b, c, sequence)| ((a, b, c), first(sequence))).collect())
}

/// Sets a commit aside. A slice that starts over meets it again: it stays parked once.
pub(crate) async fn park(
    connection: &mut PgConnection,
    recorded: &Recorded,
    reason: &str,
) -> Result<(), ProjectError> {
    sqlx::query(
        "INSERT INTO parked (tenant, aggregate_type, aggregate_id, sequence, reason) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_type)
    .bind(&recorded.aggregate_id)
    .bind(column::bigint(recorded.sequence)?)
    // PostgreSQL holds no NUL.
    .bind(reason.replace('\0', "\u{fffd}"))
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes a condemned message.
pub(crate) async fn condemn(
    connection: &mut PgConnection,
    origin: &str,
    condemned: &Condemned,
) -> Result<(), ProjectError> {
    sqlx::query(
        "INSERT INTO condemned (origin, sequence, subject, hash, reason) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(origin)
    .bind(column::bigint(condemned.sequence)?)
    .bind(&condemned.subject)
    .bind(condemned.hash.to_string())
    .bind(condemned.reason.code())
    .execute(connection)
    .await?;
    Ok(())
}
