//! What every command brings: who asks, for which tenant, under which key, because of what, with which body.

use crate::problem::{CAUSE_MALFORMED, IF_MATCH_MALFORMED};
use axum::extract::{FromRequest, FromRequestParts as _, Request as HttpRequest};
use chassis::body::StrictJson;
use chassis::http::CommandName;
use chassis::problem::TENANT_MISSING;
use chassis::{Caller, HasPrincipals, IdempotencyKey, Problem, TraceContext};
use domain::identity::Role;
use domain::ids::EventId;
use event_log::Request;
use http::HeaderMap;
use ledger::{IdText, RequestDigest};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use trust::encoding::Timestamp;

/// Who may ask. A handler that compiles has been authorized.
pub trait Permission {
    /// The caller may, or the problem that says why not.
    fn check(caller: &Caller) -> Result<(), Problem>;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = |$caller:ident| $check:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Permission for $name {
            fn check($caller: &Caller) -> Result<(), Problem> {
                $check
            }
        }
    )+};
}

permissions! {
    /// People who submit changes.
    ByAuthor = |caller| caller.require(Role::Author);
    /// People who decide approvals.
    ByApprover = |caller| caller.require(Role::Approver);
    /// People who operate a tenant, and the operator service.
    ByOperator = |caller| caller.require_service("operator").or_else(|_| caller.require(Role::Operator));
    /// The author, who takes back their own, or somebody who operates the tenant.
    ByAuthorOrOperator = |caller| ByOperator::check(caller).or_else(|_| caller.require(Role::Author));
    /// The operator service, which sets up tenants.
    ByInstallation = |caller| caller.require_service("operator");
    /// Who operates the log: the operator service, and operators of the tenant `system`.
    ByLogOperator = |caller| caller.require_service("operator").or_else(|refused| {
        let is_system = caller.tenant.as_deref() == Some(event_log::SYSTEM_TENANT);
        if is_system { caller.require(Role::Operator) } else { Err(refused) }
    });
    /// Workflows.
    ByWorkflow = |caller| caller.require_service("workflows");
}

/// An authorized command request with its body.
#[derive(Debug)]
pub struct Ask<P, B> {
    /// Who asks.
    pub caller: Caller,
    /// The body.
    pub body: B,
    /// When.
    pub at: Timestamp,
    tenant: Result<String, Problem>,
    key: IdempotencyKey,
    digest: RequestDigest,
    causation_id: Option<IdText>,
    correlation_id: Option<String>,
    traceparent: String,
    expected_version: Option<u64>,
    name: CommandName,
    permission: PhantomData<P>,
}

impl<P, B> Ask<P, B> {
    /// For which tenant: a person's own, a service's as its `Cs-Tenant` header says.
    pub fn tenant(&self) -> Result<&str, Problem> {
        self.tenant.as_deref().map_err(Clone::clone)
    }

    /// The request as the commit records it.
    pub fn request(&self, tenant: &str, operation: &str) -> Request {
        let command = self.caller.command_id(tenant, operation, &self.key);
        self.name.note(command);
        Request {
            command,
            kind: operation.to_owned(),
            digest: self.digest,
            actor: self.caller.actor,
            at: self.at,
            correlation_id: self.correlation_id.clone().unwrap_or_else(|| command.to_string()),
            causation_id: self.causation_id.clone(),
            traceparent: self.traceparent.clone(),
            expected_version: self.expected_version,
        }
    }
}

impl<S, P, B> FromRequest<S> for Ask<P, B>
where
    S: HasPrincipals,
    P: Permission,
    B: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        P::check(&caller)?;
        let tenant = match caller.acting_in(&parts.headers) {
            // Only commands of no tenant (creating one) do without.
            Err(problem) if problem.code() != TENANT_MISSING.code => return Err(problem),
            tenant => tenant,
        };
        let key = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        let causation_id = header(&parts.headers, "cs-causation-id", &CAUSE_MALFORMED)?
            .map(|text| cause(&text))
            .transpose()?;
        let correlation_id = header(&parts.headers, "cs-correlation-id", &CAUSE_MALFORMED)?;
        let expected_version = expected_version(&parts.headers)?;
        let trace = parts.extensions.get::<TraceContext>().copied();
        let traceparent = trace.unwrap_or_else(TraceContext::random).to_string();
        let name = parts.extensions.get::<CommandName>().cloned().unwrap_or_default();
        let request = HttpRequest::from_parts(parts, body);
        let StrictJson { value, bytes } = StrictJson::<B>::from_request(request, state).await?;
        Ok(Self {
            caller,
            body: value,
            at: state.clock().now(),
            tenant,
            key,
            digest: RequestDigest::of(&bytes),
            causation_id,
            correlation_id,
            traceparent,
            expected_version,
            name,
            permission: PhantomData,
        })
    }
}

/// `Cs-Causation-Id: evt_...`
fn cause(text: &str) -> Result<IdText, Problem> {
    let event = text.parse::<EventId>().map_err(|_| Problem::of(&CAUSE_MALFORMED))?;
    event.to_string().parse().map_err(|_| Problem::of(&CAUSE_MALFORMED))
}

/// `If-Match: "<version>"` (RFC 9110): the strong `ETag` that the caller has seen, or `"<version>-<digest>"`, as a story
/// has it that is not over.
fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(text) = header(headers, "if-match", &IF_MATCH_MALFORMED)? else { return Ok(None) };
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version = quoted.map(|tag| tag.split_once('-').map_or(tag, |(version, _)| version));
    let version = version.and_then(|version| version.parse().ok());
    version.map(Some).ok_or_else(|| Problem::of(&IF_MATCH_MALFORMED))
}

fn header(
    headers: &HeaderMap,
    name: &str,
    problem: &chassis::problem::Entry,
) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=200).contains(&text.len()));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| Problem::of(problem))
}
