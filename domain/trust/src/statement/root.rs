//! `root.v1`: who may sign what for one tenant. Signed by a threshold of its own root keys.

use super::{Invalid, Requirement, Statement};
use crate::encoding::{Sha256Digest, Timestamp, as_base64, or_null};
use crate::keys::{KeyId, PublicKey};
use crate::names::{Origin, PrincipalId, TenantSlug};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The trust root of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Whose root.
    pub tenant: TenantSlug,
    /// From 1, one more for each next root.
    pub version: u64,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is no longer current.
    pub expires: Timestamp,
    /// Development material; refused wherever the site does not allow it.
    pub development: bool,
    /// Who holds which keys.
    pub roles: Roles,
    /// What each environment demands, by name.
    pub environments: BTreeMap<String, Environment>,
    /// Authorities whose certificates name agents.
    pub agent_authorities: Vec<AgentAuthority>,
    /// The logs of this tenant and who seals and witnesses them.
    pub logs: Vec<LogTrust>,
}

/// The holders of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Who may sign the root itself.
    pub root: RootKeys,
    /// Who may sign jobs.
    pub dispatcher: DispatcherRole,
    /// Who may approve.
    pub people: Vec<Person>,
}

/// The keys that sign roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKeys {
    /// The keys.
    pub keys: Vec<TrustKey>,
    /// How many of them must sign.
    pub threshold: u64,
}

/// The keys that sign jobs and cancels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DispatcherRole {
    /// Grows when the dispatcher's fences start again.
    pub epoch: u64,
    /// The keys, each of which may sign alone.
    pub keys: Vec<TrustKey>,
}

/// One person, whatever the number of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The person's id.
    pub person: PrincipalId,
    /// The person's keys.
    pub keys: Vec<TrustKey>,
    /// What the person may count as, and where.
    pub roles: Vec<RoleGrant>,
}

impl Person {
    /// Whether the person holds the role for the environment.
    pub fn holds(&self, role: &str, environment: &str) -> bool {
        self.roles
            .iter()
            .any(|grant| grant.role == role && grant.environments.iter().any(|e| e == environment))
    }
}

/// A role in some environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleGrant {
    /// The role.
    pub role: String,
    /// The environments in which it is held, by name.
    pub environments: Vec<String>,
}

/// What an environment demands of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// How many distinct people, besides the author.
    pub quorum: u64,
    /// Roles that must be among them.
    pub requirements: Vec<Requirement>,
    /// Longest `not_after - issued_at` of a change, in seconds.
    pub max_validity_seconds: u64,
    /// How the author is known.
    pub author: AuthorRule,
    /// How many of the people must have used a key outside a browser.
    pub native_min: u64,
    /// Digests of the policies under which a change may be approved; null allows any.
    #[serde(deserialize_with = "or_null")]
    pub policies: Option<Vec<Sha256Digest>>,
    /// Whether a change may be signed without the fingerprint that it starts from.
    pub allow_unbound_base: bool,
    /// Whether delegations count.
    pub delegation: bool,
    /// The rule for emergencies; null allows none.
    #[serde(deserialize_with = "or_null")]
    pub break_glass: Option<BreakGlassRule>,
}

/// How an author is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorRule {
    /// By a `submission.v1` that the author signed.
    Signed,
    /// By the control plane's word, at the price of one more person.
    Asserted,
}

/// What an emergency demands instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassRule {
    /// The role that the people must hold.
    pub role: String,
    /// How many of them.
    pub quorum: u64,
    /// Longest validity of such a change, in seconds.
    pub max_validity_seconds: u64,
}

/// An authority whose certificates name agents of a trust domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentAuthority {
    /// The SPIFFE trust domain.
    pub trust_domain: String,
    /// SHA-256 of the authority's SPKI DER.
    pub spki_sha256: Sha256Digest,
    /// From when on its certificates are believed.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub until: Timestamp,
}

/// A log and those who vouch for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogTrust {
    /// The log's origin.
    pub origin: Origin,
    /// The keys of its sealer.
    pub keys: Vec<PublicKey>,
    /// Who cosigns its checkpoints.
    pub witnesses: Vec<Witness>,
    /// How many of them must; 0 only where there is none.
    pub witness_quorum: u64,
}

/// A witness of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// The name in its signature lines.
    pub name: String,
    /// Its key.
    pub spki: PublicKey,
}

/// A key of a root: `{kind, spki, rp_id, origin}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireKey", into = "WireKey")]
pub enum TrustKey {
    /// A key of a tool of the person's own.
    Ed25519(PublicKey),
    /// A passkey; parsed, and not counted before passkeys are built.
    Webauthn {
        /// SPKI DER of the P-256 key.
        spki: Vec<u8>,
        /// The relying party's id.
        rp_id: String,
        /// The web origin.
        origin: String,
    },
}

impl TrustKey {
    /// The key id: SHA-256 of the SPKI DER.
    pub fn id(&self) -> KeyId {
        match self {
            Self::Ed25519(key) => key.id(),
            Self::Webauthn { spki, .. } => Sha256Digest::of(spki),
        }
    }

    /// The key, if it is one that the predicate can count.
    pub fn ed25519(&self) -> Option<&PublicKey> {
        match self {
            Self::Ed25519(key) => Some(key),
            Self::Webauthn { .. } => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireKind {
    Ed25519,
    Webauthn,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    kind: WireKind,
    #[serde(with = "as_base64")]
    spki: Vec<u8>,
    #[serde(deserialize_with = "or_null")]
    rp_id: Option<String>,
    #[serde(deserialize_with = "or_null")]
    origin: Option<String>,
}

impl TryFrom<WireKey> for TrustKey {
    type Error = &'static str;

    fn try_from(key: WireKey) -> Result<Self, Self::Error> {
        match (key.kind, key.rp_id, key.origin) {
            (WireKind::Ed25519, None, None) => PublicKey::from_spki(&key.spki)
                .map(Self::Ed25519)
                .map_err(|_| "not an Ed25519 public key"),
            (WireKind::Webauthn, Some(rp_id), Some(origin)) => {
                let point = p256::PublicKey::from_public_key_der(&key.spki);
                // One spelling of a key, or one key could stand twice under two ids.
                let again = point.ok().and_then(|point| point.to_public_key_der().ok());
                if again.is_some_and(|der| der.as_bytes() == key.spki) {
                    Ok(Self::Webauthn { spki: key.spki, rp_id, origin })
                } else {
                    Err("not a P-256 public key")
                }
            }
            _ => Err("rp_id and origin belong to webauthn keys, and to all of them"),
        }
    }
}

impl From<TrustKey> for WireKey {
    fn from(key: TrustKey) -> Self {
        match key {
            TrustKey::Ed25519(key) => {
                Self { kind: WireKind::Ed25519, spki: key.spki(), rp_id: None, origin: None }
            }
            TrustKey::Webauthn { spki, rp_id, origin } => {
                Self { kind: WireKind::Webauthn, spki, rp_id: Some(rp_id), origin: Some(origin) }
            }
        }
    }
}

impl Statement for Root {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.root.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        super::root_validity::check(self)
    }
}
