//! Who is calling: the one identity check of every API, with two sources.
//!
//! People show a bearer token; services are known by the SVID of their connection. Agents are refused: they never
//! append and never read through the APIs. Source: PROTOCOL.md section 5.

use crate::clock::Clock;
use crate::idempotency::IdempotencyKey;
use crate::listen::{DevelopmentTokens, Peer};
use crate::problem::{
    AUTH_FORBIDDEN, AUTH_INVALID_TOKEN, AUTH_MISSING, AUTH_TOKEN_REFUSED, AUTH_WRONG_TENANT, Entry,
    Problem,
};
use crate::token::Token;
use async_trait::async_trait;
use axum::extract::{ConnectInfo, FromRequestParts};
use domain::Issued;
use domain::identity::{PrincipalKind, Role};
use domain::ids::{CommandId, PrincipalId, command_id, service_principal};
use domain::issued::{Actor, ActorKind, Auth};
use http::header::AUTHORIZATION;
use http::request::Parts;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::spiffe::SpiffeId;

/// The service whose commands are those of workflows.
const WORKFLOWS: &str = "workflows";
const CHALLENGE: &str = r#"Bearer realm="countersign""#;
const INVALID_CHALLENGE: &str = r#"Bearer realm="countersign", error="invalid_token""#;

/// Whose token is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// A person, or a service account of the tenant.
    pub kind: PrincipalKind,
    /// What the holder may do in the token's tenant.
    pub roles: Vec<Role>,
}

/// Knows the tokens: command-api asks the log, query-api its tables.
#[async_trait]
pub trait Principals: Send + Sync {
    /// Whose token with this digest is valid at `at`, or `None` if tenant, principal or token is unknown,
    /// revoked or expired. Digests are compared in constant time.
    async fn token(
        &self,
        tenant: &str,
        principal: PrincipalId,
        token_sha256: Sha256Digest,
        at: Timestamp,
    ) -> Result<Option<Holder>, Problem>;
}

/// A router's state that can check callers.
pub trait HasPrincipals: Send + Sync {
    /// Who knows the tokens.
    fn principals(&self) -> &dyn Principals;
    /// Whether tokens are accepted at all.
    fn development_tokens(&self) -> DevelopmentTokens;
    /// The time at which tokens must be valid.
    fn clock(&self) -> &Clock;
}

/// An authenticated caller. A handler that takes one is reached by nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// As recorded in commits.
    pub actor: Actor,
    /// The only tenant a person may act in; `None` for services, which act in any.
    pub tenant: Option<String>,
    /// A person's roles; services have none, see [`Caller::require_service`].
    pub roles: Vec<Role>,
    service: Option<String>,
}

impl Caller {
    /// The caller may act in this tenant, else 403 `auth.wrong_tenant`.
    pub fn in_tenant(&self, tenant: &str) -> Result<(), Problem> {
        match &self.tenant {
            Some(own) if own != tenant => Err(Problem::of(&AUTH_WRONG_TENANT)),
            _ => Ok(()),
        }
    }

    /// The caller is a person with this role, else 403 `auth.forbidden`.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.roles.contains(&role) {
            return Ok(());
        }
        let name = format!("{role:?}").to_lowercase();
        Err(forbidden(format!("this needs a person with the role {name}")))
    }

    /// The caller is the service `/countersign/<name>`, else 403 `auth.forbidden`.
    pub fn require_service(&self, name: &str) -> Result<(), Problem> {
        if self.service() == Some(name) {
            return Ok(());
        }
        Err(forbidden(format!("this needs the service {name}")))
    }

    /// The name of a service, `None` for people.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The id of the command that this caller names by `key`: the same again for a retry.
    pub fn command_id(&self, tenant: &str, operation: &str, key: &IdempotencyKey) -> CommandId {
        command_id(tenant, self.actor.id, operation, key.as_str())
    }

    /// Issues a command.
    pub fn issue<C>(&self, id: CommandId, at: Timestamp, command: C) -> Issued<C> {
        Issued { id, by: self.actor, at, command }
    }

    fn of_service(spiffe_id: &SpiffeId) -> Result<Self, Problem> {
        let Some(service) = spiffe_id.service() else {
            return Err(forbidden(
                "only services of Countersign may call: agents never do".to_owned(),
            ));
        };
        let kind = if service == WORKFLOWS { ActorKind::Workflow } else { ActorKind::Service };
        let id = service_principal(spiffe_id.as_str());
        Ok(Self {
            actor: Actor { kind, id, auth: Auth::Spiffe },
            tenant: None,
            roles: Vec::new(),
            service: Some(service.to_owned()),
        })
    }
}

fn forbidden(detail: String) -> Problem {
    Problem::of(&AUTH_FORBIDDEN).detail(detail)
}

fn unauthorized(entry: &Entry, challenge: &'static str) -> Problem {
    Problem::of(entry).challenge(challenge)
}

fn invalid() -> Problem {
    unauthorized(&AUTH_INVALID_TOKEN, INVALID_CHALLENGE)
}

/// The bearer token of a request; `None` if it has no `Authorization` at all.
fn bearer(parts: &Parts) -> Result<Option<Token>, Problem> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid());
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    Token::parse(token).map(Some).map_err(|_| invalid())
}

impl<S: HasPrincipals> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(parts)?;
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| &info.0);
        let token = match (peer, token) {
            (Some(Peer::Service { spiffe_id, .. }), None) => return Self::of_service(spiffe_id),
            (Some(Peer::Service { .. }), Some(_)) => {
                return Err(invalid().detail("a service is known by its SVID and sends no token"));
            }
            (_, Some(_)) if state.development_tokens() == DevelopmentTokens::Refused => {
                return Err(unauthorized(&AUTH_TOKEN_REFUSED, INVALID_CHALLENGE));
            }
            (_, Some(token)) => token,
            (_, None) => return Err(unauthorized(&AUTH_MISSING, CHALLENGE)),
        };
        let at = state.clock().now();
        let (tenant, id) = (token.tenant(), token.principal());
        let holder = state.principals().token(tenant, id, token.sha256(), at).await?;
        let Holder { kind, roles } = holder.ok_or_else(invalid)?;
        let kind = match kind {
            PrincipalKind::Person => ActorKind::Person,
            PrincipalKind::Service => ActorKind::Service,
        };
        let actor = Actor { kind, id, auth: Auth::Token };
        Ok(Self { actor, tenant: Some(tenant.to_owned()), roles, service: None })
    }
}
