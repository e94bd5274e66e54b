//! What the handlers share.

use crate::answer::Answer;
use crate::ask::Ask;
use crate::config::ApiConfig;
use crate::problem::{
    BASE64_MALFORMED, SLUG_MALFORMED, TEXT_CONTROL, TEXT_LENGTH, not_appended, not_executed, unread,
};
use async_trait::async_trait;
use bytes::Bytes;
use chassis::listen::DevelopmentTokens;
use chassis::{Clock, HasPrincipals, Holder, Principals, Problem};
use cqrs_es::Aggregate;
use domain::Issued;
use domain::identity::{Principal, Tenant, TenantError, TrustRoot, TrustRootError};
use domain::ids::{PrincipalId, TenantId, TrustRootId};
use domain::refusal::Refusal;
use event_log::{Answered, EventLog, Loaded, SYSTEM_TENANT, Target};
use ledger::{BlobRef, Slug};
use trust::dsse::Envelope;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::pinned::PinnedRoot;
use trust::statement::RootRef;

/// The state of the router. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The log.
    pub log: EventLog,
    /// Of agents' SPIFFE IDs.
    pub trust_domain: String,
    clock: Clock,
    tokens: LogPrincipals,
    development_tokens: DevelopmentTokens,
}

impl AppState {
    /// The state over an open log.
    pub fn new(log: EventLog, clock: Clock, config: &ApiConfig) -> Self {
        let trust_domain = config.process.trust_domain.clone();
        let tokens = LogPrincipals { log: log.clone() };
        let development_tokens = config.development_tokens();
        Self { log, trust_domain, clock, tokens, development_tokens }
    }

    /// Executes a command on an aggregate of the asking tenant.
    pub async fn execute<A, C, P, B>(
        &self,
        ask: &Ask<P, B>,
        operation: &str,
        id: &str,
        command: C,
    ) -> Result<Answered, Problem>
    where
        A: Aggregate<Command = Issued<C>, Services = ()> + 'static,
        A::Error: Refusal + 'static,
        C: Clone + Send,
    {
        let tenant = ask.tenant()?;
        let request = ask.request(tenant, operation);
        let target = Target { tenant: tenant.to_owned(), id: id.to_owned() };
        self.log.execute::<A, C>(&target, command, &request).await.map_err(not_executed)
    }

    /// The answer of an earlier try of this command: it is given whatever has changed since.
    pub async fn earlier<A, P, B>(
        &self,
        ask: &Ask<P, B>,
        operation: &str,
        id: &str,
    ) -> Result<Option<Answered>, Problem>
    where
        A: Aggregate,
        A::Error: Refusal + 'static,
    {
        let tenant = ask.tenant()?;
        let request = ask.request(tenant, operation);
        let target = Target { tenant: tenant.to_owned(), id: id.to_owned() };
        self.log.earlier::<A>(&target, &request).await.map_err(not_executed)
    }

    /// Executes a command that answers 202 with the place to watch.
    pub async fn accept<A, C, P, B>(
        &self,
        ask: &Ask<P, B>,
        (collection, operation): (&str, &str),
        id: &str,
        command: C,
    ) -> Result<Answer, Problem>
    where
        A: Aggregate<Command = Issued<C>, Services = ()> + 'static,
        A::Error: Refusal + 'static,
        C: Clone + Send,
    {
        let answered = self.execute::<A, C, P, B>(ask, operation, id, command).await?;
        Ok(Answer::accepted(collection, &answered))
    }

    /// An aggregate's state, or the refusal that says it is not there.
    pub async fn find<A: Aggregate + Clone + 'static>(
        &self,
        tenant: &str,
        id: &str,
        missing: &(impl Refusal + Sync),
    ) -> Result<A, Problem> {
        let loaded = self.log.load::<A>(tenant, id).await.map_err(|error| unread(&error))?;
        loaded.map(|loaded| loaded.aggregate).ok_or_else(|| Problem::refusal(missing))
    }

    /// As [`AppState::find`], as of the leader: for what is refused because of a state that may have changed since.
    pub async fn find_current<A: Aggregate + Clone + 'static>(
        &self,
        tenant: &str,
        id: &str,
        missing: &(impl Refusal + Sync),
    ) -> Result<A, Problem> {
        let loaded =
            self.log.load_current::<A>(tenant, id).await.map_err(|error| unread(&error))?;
        loaded.map(|loaded| loaded.aggregate).ok_or_else(|| Problem::refusal(missing))
    }

    /// The tenant exists; `system` always does.
    pub async fn expect_tenant(&self, tenant: &str) -> Result<(), Problem> {
        if tenant == SYSTEM_TENANT {
            return Ok(());
        }
        let id = TenantId::derived("tenant", &[tenant]).to_string();
        self.find::<Tenant>(tenant, &id, &TenantError::NotFound).await.map(|_| ())
    }

    /// Stores a blob.
    pub async fn blob(
        &self,
        tenant: &str,
        bytes: Vec<u8>,
        media_type: &str,
    ) -> Result<BlobRef, Problem> {
        let stored = self.log.put_blob(tenant, Bytes::from(bytes), media_type).await;
        stored.map_err(|error| not_appended(&error))
    }

    /// A blob that a commit names.
    pub async fn stored(&self, tenant: &str, blob: &BlobRef) -> Result<Bytes, Problem> {
        let found = self.log.reader().blob(tenant, &blob.sha256).await;
        let found = found.map_err(|error| unread(&error))?;
        found.ok_or_else(|| Problem::internal(&MissingBlob(blob.sha256)))
    }

    /// The tenant's current trust root, opened and checked.
    pub async fn trust_root(&self, tenant: &str) -> Result<PinnedRoot, Problem> {
        let id = TrustRootId::derived("trust_root", &[tenant]).to_string();
        let root: TrustRoot = self.find(tenant, &id, &TrustRootError::NotFound).await?;
        let current =
            root.current().ok_or_else(|| Problem::refusal(&TrustRootError::NotFound))?.clone();
        let bytes = self.stored(tenant, &current.envelope).await?;
        let envelope = Envelope::parse(&bytes).map_err(|error| Problem::internal(&error))?;
        let pin = RootRef { version: current.version, sha256: current.sha256 };
        PinnedRoot::open(&envelope, &pin).map_err(|error| Problem::internal(&error))
    }
}

/// A blob that a commit names is not in the log.
#[derive(Debug, thiserror::Error)]
#[error("blob {0} is named by a commit and not there")]
struct MissingBlob(Sha256Digest);

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

/// Tokens as the log knows them.
#[derive(Debug, Clone)]
struct LogPrincipals {
    log: EventLog,
}

#[async_trait]
impl Principals for LogPrincipals {
    async fn token(
        &self,
        tenant: &str,
        principal: PrincipalId,
        token_sha256: Sha256Digest,
        at: Timestamp,
    ) -> Result<Option<Holder>, Problem> {
        let id = principal.to_string();
        let loaded = self.log.load::<Principal>(tenant, &id).await;
        let mut found = loaded.map_err(|error| unread(&error))?;
        let accepts = |found: &Option<Loaded<Principal>>| {
            found.as_ref().is_some_and(|found| found.aggregate.accepts(token_sha256, at))
        };
        if found.is_some() && !accepts(&found) {
            let current = self.log.load_current::<Principal>(tenant, &id).await;
            found = current.map_err(|error| unread(&error))?;
        }
        let accepted = accepts(&found);
        let created = found.and_then(|found| found.aggregate.created).filter(|_| accepted);
        Ok(created.map(|created| Holder { kind: created.kind, roles: created.roles }))
    }
}

/// A name that may become part of a subject.
pub fn slug(pointer: &str, text: &str) -> Result<String, Problem> {
    let slug = text.parse::<Slug>();
    slug.map(|slug| slug.to_string()).map_err(|_| {
        let detail = format!("{text:?} is not of the form ^[a-z0-9][a-z0-9-]{{0,62}}$");
        Problem::of(&SLUG_MALFORMED).member(pointer, "malformed", detail)
    })
}

/// A line for people, of 1 to `longest` characters. Control characters are refused: no store or terminal takes them all.
pub fn text(pointer: &str, text: &str, longest: usize) -> Result<String, Problem> {
    checked(pointer, text, longest, char::is_control)
}

/// As [`text`], with several lines and tabs.
pub fn prose(pointer: &str, text: &str, longest: usize) -> Result<String, Problem> {
    checked(pointer, text, longest, |c| c.is_control() && !['\n', '\t'].contains(&c))
}

fn checked(
    pointer: &str,
    text: &str,
    longest: usize,
    refused: impl Fn(char) -> bool,
) -> Result<String, Problem> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > longest {
        let detail = format!("it has {length} characters; 1 to {longest} are accepted");
        return Err(Problem::of(&TEXT_LENGTH).member(pointer, "length", detail));
    }
    if let Some((at, found)) = text.chars().enumerate().find(|(_, c)| refused(*c)) {
        let detail = format!("character {} is U+{:04X}", at + 1, u32::from(found));
        return Err(Problem::of(&TEXT_CONTROL).member(pointer, "control_character", detail));
    }
    Ok(text.to_owned())
}

/// The bytes of a base64 member.
pub fn base64(pointer: &str, text: &str) -> Result<Vec<u8>, Problem> {
    trust::encoding::from_base64(text).map_err(|error| {
        Problem::of(&BASE64_MALFORMED).member(pointer, "malformed", error.to_string())
    })
}
