//! Principals: people and services of a tenant, their roles and tokens.

use crate::Issued;
use crate::aggregate::aggregate;
use crate::personal::Personal;
use crate::refusal::refusals;
use crate::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use trust::encoding::{Sha256Digest, Timestamp};

refusals! {
    /// Why a command on a principal was refused.
    PrincipalError {
        NotFound = "identity.principal_not_found", NotFound, "there is no such principal";
        AlreadyExists = "identity.principal_exists", Conflict, "the principal exists already";
        TokenKnown = "identity.token_known", Conflict, "the token was issued already";
        TokenUnknown = "identity.token_unknown", NotFound, "there is no such token";
        TooManyTokens = "identity.too_many_tokens", Conflict, "the principal has too many tokens: revoke one first";
    }
}

/// So many tokens may be valid at a time.
pub const MAX_TOKENS: usize = 32;

/// What kind of principal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    Person,
    /// A service.
    Service,
}

/// What a principal may do in its tenant.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Submit changes.
    Author,
    /// Decide approvals.
    Approver,
    /// Register data sources and agents, start and cancel changes.
    Operator,
    /// Read the log.
    Auditor,
}

/// A command on a principal.
#[derive(Debug, Clone, PartialEq)]
pub enum PrincipalCommand {
    /// Make it known.
    Create(PrincipalCreated),
    /// Accept a bearer token whose SHA-256 is this.
    IssueToken(Token),
    /// Accept it no longer.
    RevokeToken {
        /// Which.
        token_sha256: Sha256Digest,
    },
}

/// An event of a principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum PrincipalEvent {
    /// A person or service of the tenant exists.
    #[serde(rename = "principal.created")]
    Created(PrincipalCreated),
    /// A bearer token of the principal is accepted.
    #[serde(rename = "principal.token_issued")]
    TokenIssued(Token),
    /// A bearer token of the principal is accepted no longer.
    #[serde(rename = "principal.token_revoked")]
    TokenRevoked {
        /// Which.
        #[schemars(with = "schema::Digest")]
        token_sha256: Sha256Digest,
    },
}

/// A principal as created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrincipalCreated {
    /// Person or service.
    pub kind: PrincipalKind,
    /// For people.
    pub name: Personal,
    /// What it may do.
    pub roles: Vec<Role>,
}

/// A bearer token; only its digest is known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Of the whole token text.
    #[schemars(with = "schema::Digest")]
    pub token_sha256: Sha256Digest,
    /// Until when it is accepted.
    #[schemars(with = "schema::Time")]
    pub expires_at: Timestamp,
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    /// What was created.
    pub created: Option<PrincipalCreated>,
    /// The tokens that are accepted.
    pub tokens: Vec<Token>,
    /// The tokens that were, and never are again.
    pub revoked: BTreeSet<Sha256Digest>,
}

aggregate!(Principal, "principal", PrincipalCommand, PrincipalEvent, PrincipalError);

impl Principal {
    /// The token is one of this principal's and has not expired.
    pub fn accepts(&self, token_sha256: Sha256Digest, at: Timestamp) -> bool {
        // Every token is compared to its end: the time it takes says nothing about a digest.
        let differs = |token: &Token| {
            let pairs = token.token_sha256.as_bytes().iter().zip(token_sha256.as_bytes());
            std::hint::black_box(pairs.fold(0, |differs, (a, b)| differs | (a ^ b)))
        };
        let valid = self.tokens.iter().filter(|token| at < token.expires_at);
        valid.map(differs).filter(|differs| *differs == 0).count() > 0
    }

    fn decide(
        &self,
        issued: Issued<PrincipalCommand>,
    ) -> Result<Vec<PrincipalEvent>, PrincipalError> {
        let at = issued.at;
        match (&self.created, issued.command) {
            (None, PrincipalCommand::Create(it)) => Ok(vec![PrincipalEvent::Created(it)]),
            (Some(_), PrincipalCommand::Create(_)) => Err(PrincipalError::AlreadyExists),
            (None, _) => Err(PrincipalError::NotFound),
            (Some(_), PrincipalCommand::IssueToken(token)) => self.issue(token, at),
            (Some(_), PrincipalCommand::RevokeToken { token_sha256 }) => {
                if !self.tokens.iter().any(|token| token.token_sha256 == token_sha256) {
                    return Err(PrincipalError::TokenUnknown);
                }
                Ok(vec![PrincipalEvent::TokenRevoked { token_sha256 }])
            }
        }
    }

    fn issue(&self, token: Token, at: Timestamp) -> Result<Vec<PrincipalEvent>, PrincipalError> {
        let issued = self.tokens.iter().any(|known| known.token_sha256 == token.token_sha256);
        if issued || self.revoked.contains(&token.token_sha256) {
            return Err(PrincipalError::TokenKnown);
        }
        if self.tokens.iter().filter(|known| at < known.expires_at).count() >= MAX_TOKENS {
            return Err(PrincipalError::TooManyTokens);
        }
        Ok(vec![PrincipalEvent::TokenIssued(token)])
    }

    fn evolve(&mut self, event: PrincipalEvent) {
        match event {
            PrincipalEvent::Created(created) => self.created = Some(created),
            PrincipalEvent::TokenIssued(token) => self.tokens.push(token),
            PrincipalEvent::TokenRevoked { token_sha256 } => {
                self.tokens.retain(|token| token.token_sha256 != token_sha256);
                self.revoked.insert(token_sha256);
            }
        }
    }
}
