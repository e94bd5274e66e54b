//! Principals: their roles, and the digests of the tokens that are accepted. query-api checks its callers here.

use crate::column;
use crate::database::{Database, DatabaseError};
use crate::projection::{ProjectError, Projection};
use crate::rows::{AggregateKey, Columns, Kept, Key, Rows, Told, found, made};
use chrono::{DateTime, Utc};
use domain::identity::{PrincipalEvent, PrincipalKind, Role};
use domain::ids::PrincipalId;
use serde::de::DeserializeOwned;
use sqlx::types::Json;
use std::collections::BTreeMap;
use subtle::{Choice, ConstantTimeEq as _};
use trust::encoding::{Sha256Digest, Timestamp};

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct Principals;

impl Projection for Principals {
    const NAME: &'static str = "principals";

    fn rows(self) -> Rows {
        Rows::of::<Row>().and::<TokenRow>()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    name: String,
    roles: Vec<String>,
    created_at: DateTime<Utc>,
}

impl Kept for Row {
    const TABLE: &'static str = "principals";
    const LOAD: &'static str = "SELECT tenant, id, kind, name, roles, created_at FROM principals \
        JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, id) USING (tenant, id)";
    // An array of arrays has no place for lists of different lengths: each list is a JSON text.
    const WRITE: &'static str = "INSERT INTO principals (tenant, id, kind, name, roles, created_at) \
        SELECT tenant, id, kind, name, ARRAY(SELECT jsonb_array_elements_text(roles)), created_at \
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], \
        $6::timestamptz[]) AS new (tenant, id, kind, name, roles, created_at)";

    type Key = AggregateKey;
    type Event = PrincipalEvent;

    fn key(told: &Told<'_, PrincipalEvent>) -> Result<Option<AggregateKey>, ProjectError> {
        Ok(match told.event {
            PrincipalEvent::Created(_) => Some(told.aggregate()),
            PrincipalEvent::TokenIssued(_) | PrincipalEvent::TokenRevoked { .. } => None,
        })
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, PrincipalEvent>) -> Result<(), ProjectError> {
        match told.event {
            PrincipalEvent::Created(created) => made(
                row,
                Self {
                    kind: column::word(&created.kind)?,
                    name: created.name.shown().to_owned(),
                    roles: created.roles.iter().map(column::word).collect::<Result<_, _>>()?,
                    created_at: told.recorded.time.datetime(),
                },
            ),
            PrincipalEvent::TokenIssued(_) | PrincipalEvent::TokenRevoked { .. } => Ok(()),
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.kind.as_str())
            .column(|row| row.name.as_str())
            .column(|row| Json(&row.roles))
            .column(|row| row.created_at)
    }
}

/// One of a principal's tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
struct TokenKey {
    tenant: String,
    principal: String,
    token_sha256: String,
}

impl Key for TokenKey {
    fn columns(keys: Columns<'_, Self>) -> Columns<'_, Self> {
        keys.column(|key| key.tenant.as_str())
            .column(|key| key.principal.as_str())
            .column(|key| key.token_sha256.as_str())
    }
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    expires_at: DateTime<Utc>,
}

impl Kept for TokenRow {
    const TABLE: &'static str = "principal_tokens";
    const LOAD: &'static str = "SELECT tenant, principal, token_sha256, expires_at \
        FROM principal_tokens JOIN unnest($1::text[], $2::text[], $3::text[]) \
        AS wanted (tenant, principal, token_sha256) USING (tenant, principal, token_sha256)";
    const WRITE: &'static str = "INSERT INTO principal_tokens (tenant, principal, token_sha256, \
        expires_at) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) \
        ON CONFLICT (tenant, principal, token_sha256) DO UPDATE \
        SET expires_at = excluded.expires_at";
    const REMOVE: Option<&'static str> = Some(
        "DELETE FROM principal_tokens USING unnest($1::text[], $2::text[], $3::text[]) \
         AS gone (tenant, principal, token_sha256) WHERE principal_tokens.tenant = gone.tenant \
         AND principal_tokens.principal = gone.principal \
         AND principal_tokens.token_sha256 = gone.token_sha256",
    );

    type Key = TokenKey;
    type Event = PrincipalEvent;

    fn key(told: &Told<'_, PrincipalEvent>) -> Result<Option<TokenKey>, ProjectError> {
        let token_sha256 = match told.event {
            PrincipalEvent::Created(_) => return Ok(None),
            PrincipalEvent::TokenIssued(token) => token.token_sha256,
            PrincipalEvent::TokenRevoked { token_sha256 } => *token_sha256,
        };
        Ok(Some(TokenKey {
            tenant: told.recorded.tenant.clone(),
            principal: told.recorded.aggregate_id.clone(),
            token_sha256: token_sha256.to_string(),
        }))
    }

    fn change(row: &mut Option<Self>, told: &Told<'_, PrincipalEvent>) -> Result<(), ProjectError> {
        match told.event {
            PrincipalEvent::Created(_) => Ok(()),
            PrincipalEvent::TokenIssued(token) => {
                made(row, Self { expires_at: token.expires_at.datetime() })
            }
            PrincipalEvent::TokenRevoked { .. } => {
                found(row)?;
                *row = None;
                Ok(())
            }
        }
    }

    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self> {
        rows.column(|row| row.expires_at)
    }
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
