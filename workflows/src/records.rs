//! What workflows read: aggregates, blobs and the trust root, from the mirror that they follow.

use crate::workflow::Setback;
use anyhow::anyhow;
use bytes::Bytes;
use cqrs_es::Aggregate;
use domain::identity::TrustRoot;
use domain::ids::TrustRootId;
use event_log::Reader;
use ledger::{BlobRef, LogIdentity};
use nats::Connection;
use trust::dsse::Envelope;
use trust::pinned::PinnedRoot;
use trust::statement::RootRef;

/// Reads the mirror. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Records {
    reader: Reader,
}

impl Records {
    /// Of one log.
    pub fn new(connection: &Connection, identity: LogIdentity) -> Self {
        Self { reader: Reader::new(connection, identity) }
    }

    /// The reader underneath.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// An aggregate as of now. One that is not there (yet) is tried again.
    pub async fn get<A: Aggregate>(&self, tenant: &str, id: &str) -> Result<A, Setback> {
        let loaded = self.reader.load::<A>(tenant, id).await?;
        let missing = || Setback::Later(anyhow!("{} {id} is not in the mirror yet", A::TYPE));
        loaded.map(|loaded| loaded.aggregate).ok_or_else(missing)
    }

    /// Where the last commit of an aggregate is in a trace; empty if there is none.
    pub async fn traceparent<A: Aggregate>(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<String, Setback> {
        let commits = self.reader.load::<A>(tenant, id).await?.map(|loaded| loaded.commands);
        let last = commits.into_iter().flatten().map(|(_, commit)| commit);
        let last = last.max_by_key(|commit| commit.envelope.version);
        Ok(last.map(|commit| commit.envelope.traceparent.clone()).unwrap_or_default())
    }

    /// A blob's bytes. The mirror of blobs may be a moment behind that of the log.
    pub async fn blob(&self, tenant: &str, blob: &BlobRef) -> Result<Bytes, Setback> {
        let found = self.reader.blob(tenant, &blob.sha256).await?;
        found
            .ok_or_else(|| Setback::Later(anyhow!("blob {} is not in the mirror yet", blob.sha256)))
    }

    /// The tenant's current root and its envelope.
    pub async fn trust_root(&self, tenant: &str) -> Result<(PinnedRoot, Envelope), Setback> {
        let id = TrustRootId::derived("trust_root", &[tenant]).to_string();
        let root: TrustRoot = self.get(tenant, &id).await?;
        let current = root.current().ok_or_else(|| Setback::Later(anyhow!("no trust root")))?;
        let bytes = self.blob(tenant, &current.envelope).await?;
        let unusable = |error: anyhow::Error| Setback::SetAside(error);
        let envelope = Envelope::parse(&bytes).map_err(|error| unusable(error.into()))?;
        let pin = RootRef { version: current.version, sha256: current.sha256 };
        let root = PinnedRoot::open(&envelope, &pin).map_err(|error| unusable(error.into()))?;
        Ok((root, envelope))
    }
}
