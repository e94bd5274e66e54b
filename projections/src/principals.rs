//! Principals: their roles, and the digests of the tokens that are accepted. query-api checks its callers here.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::{ProjectError, Projection, found};
use domain::identity::{PrincipalCreated, PrincipalEvent, PrincipalKind, Role};
use domain::ids::PrincipalId;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use subtle::{Choice, ConstantTimeEq as _};
use trust::encoding::{Sha256Digest, Timestamp};

const TABLE: &str = "principals";
const TOKENS: &str = "principal_tokens";

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Principals;

impl Projection for Principals {
    const NAME: &'static str = "principals";
    const TABLES: &'static [&'static str] = &[TABLE, TOKENS];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        for event in events {
            match &event.event {
                Event::Principal(principal) => project(rows, recorded, principal).await?,
                Event::Tenant(_)
                | Event::TrustRoot(_)
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
    event: &PrincipalEvent,
) -> Result<(), ProjectError> {
    match event {
        PrincipalEvent::Created(created) => create(rows, recorded, created).await,
        PrincipalEvent::TokenIssued(token) => {
            sqlx::query(
                "INSERT INTO principal_tokens (tenant, principal, token_sha256, expires_at) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(token.token_sha256.to_string())
            .bind(token.expires_at.datetime())
            .execute(rows)
            .await?;
            Ok(())
        }
        PrincipalEvent::TokenRevoked { token_sha256 } => {
            let result = sqlx::query(
                "DELETE FROM principal_tokens \
                 WHERE tenant = $1 AND principal = $2 AND token_sha256 = $3",
            )
            .bind(&recorded.tenant)
            .bind(&recorded.aggregate_id)
            .bind(token_sha256.to_string())
            .execute(rows)
            .await?;
            found(TOKENS, &result)
        }
    }
}

async fn create(
    rows: &mut PgConnection,
    recorded: &Recorded,
    created: &PrincipalCreated,
) -> Result<(), ProjectError> {
    let roles = created.roles.iter().map(column::word).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "INSERT INTO principals (tenant, id, kind, name, roles, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&recorded.tenant)
    .bind(&recorded.aggregate_id)
    .bind(column::word(&created.kind)?)
    .bind(created.name.shown())
    .bind(roles)
    .bind(recorded.time.datetime())
    .execute(rows)
    .await?;
    Ok(())
}

/// Kind and roles of the principal whose token with this digest is accepted at `at`; none if it is not.
pub async fn accepted(
    database: &Database,
    tenant: &str,
    principal: PrincipalId,
    token_sha256: Sha256Digest,
    at: Timestamp,
) -> Result<Option<(PrincipalKind, Vec<Role>)>, DatabaseError> {
    let id = principal.to_string();
    let tokens: Vec<String> = sqlx::query_scalar(
        "SELECT token_sha256 FROM principal_tokens \
         WHERE tenant = $1 AND principal = $2 AND expires_at > $3",
    )
    .bind(tenant)
    .bind(&id)
    .bind(at.datetime())
    .fetch_all(database.pool())
    .await?;
    let known = tokens.iter().filter_map(|text| text.parse::<Sha256Digest>().ok());
    // Every one is compared, each in constant time.
    let same = known.map(|known| known.as_bytes().ct_eq(token_sha256.as_bytes()));
    if !bool::from(same.fold(Choice::from(0), |any, same| any | same)) {
        return Ok(None);
    }
    let row: Option<(String, Vec<String>)> =
        sqlx::query_as("SELECT kind, roles FROM principals WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(&id)
            .fetch_optional(database.pool())
            .await?;
    let Some((kind, roles)) = row else { return Ok(None) };
    let roles =
        roles.into_iter().map(|role| read(role, "principals.roles")).collect::<Result<_, _>>()?;
    Ok(Some((read(kind, "principals.kind")?, roles)))
}

/// The names of these principals of a tenant, by id.
pub async fn names(
    database: &Database,
    tenant: &str,
    ids: &[&str],
) -> Result<BTreeMap<String, String>, DatabaseError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT id, name FROM principals WHERE tenant = $1 AND id = ANY($2)")
            .bind(tenant)
            .bind(ids)
            .fetch_all(database.pool())
            .await?;
    Ok(rows.into_iter().collect())
}

fn read<T: DeserializeOwned>(word: String, column: &'static str) -> Result<T, DatabaseError> {
    serde_json::from_value(word.into()).map_err(|_| DatabaseError::Column { column })
}
