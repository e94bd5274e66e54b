//! What the handlers share.

use crate::problem::{log_unread, unread};
use archive::Archive;
use async_trait::async_trait;
use bytes::Bytes;
use chassis::listen::DevelopmentTokens;
use chassis::{Clock, HasPrincipals, Holder, Principals, Problem};
use domain::ids::PrincipalId;
use event_log::Reader;
use projections::search::Search;
use projections::{Database, Progress, principals};
use trust::encoding::{Sha256Digest, Timestamp};

/// The state of the router. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The tables.
    pub database: Database,
    /// How far they are.
    pub progress: Progress,
    /// The search index.
    pub search: Search,
    /// The log's mirror: exact bytes and blobs.
    pub log: Reader,
    /// The sealed log, if it is shown here.
    pub archive: Option<Archive>,
    clock: Clock,
    tokens: KnownPrincipals,
    development_tokens: DevelopmentTokens,
}

impl AppState {
    /// The state over the tables and the log.
    pub fn new(
        database: Database,
        progress: Progress,
        search: Search,
        (log, archive): (Reader, Option<Archive>),
        clock: Clock,
        development_tokens: DevelopmentTokens,
    ) -> Self {
        let tokens = KnownPrincipals { database: database.clone() };
        Self { database, progress, search, log, archive, clock, tokens, development_tokens }
    }

    /// A blob that a commit names.
    pub async fn named_blob(&self, tenant: &str, sha256: &str) -> Result<Bytes, Problem> {
        let missing = || Problem::internal(&MissingBlob(sha256.to_owned()));
        let digest = sha256.parse::<Sha256Digest>().map_err(|_| missing())?;
        let found = self.log.blob(tenant, &digest).await.map_err(log_unread)?;
        found.ok_or_else(missing)
    }

    /// A blob that adds something to an answer: none while the log cannot be read, or its mirror of blobs is behind.
    pub async fn blob_if_at_hand(&self, tenant: &str, sha256: &str) -> Option<Bytes> {
        let digest = sha256.parse::<Sha256Digest>().ok()?;
        match self.log.blob(tenant, &digest).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, sha256, "a blob cannot be read now: the answer goes without");
                None
            }
        }
    }
}

/// A blob that a commit names is not in the log.
#[derive(Debug, thiserror::Error)]
#[error("blob {0} is named by a commit and not there")]
struct MissingBlob(String);

impl HasPrincipals for AppState {
    fn principals(&self) -> &dyn Principals {
        &self.tokens
    }

    fn development_tokens(&self) -> DevelopmentTokens {
        self.development_tokens
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Tokens as the tables know them.
#[derive(Debug, Clone)]
struct KnownPrincipals {
    database: Database,
}

#[async_trait]
impl Principals for KnownPrincipals {
    async fn token(
        &self,
        tenant: &str,
        principal: PrincipalId,
        token_sha256: Sha256Digest,
        at: Timestamp,
    ) -> Result<Option<Holder>, Problem> {
        let found = principals::accepted(&self.database, tenant, principal, token_sha256, at).await;
        Ok(found.map_err(unread)?.map(|(kind, roles)| Holder { kind, roles }))
    }
}
