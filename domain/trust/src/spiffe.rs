//! SPIFFE ids: who a process is, and which tenant's agent.
//!
//! Source: the SPIFFE ID specification (section 2) and PROTOCOL.md section 4.

use crate::names::{NameError, TenantSlug, is_slug};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest id in bytes (SPIFFE ID, section 2.3).
const LONGEST: usize = 2048;
const REFUSED: NameError = NameError { what: "a SPIFFE id (spiffe://<trust domain>/<path>)" };

/// `spiffe://<trust domain>/<path>`, in its only spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    text: String,
    trust_domain: String,
    path: Vec<String>,
}

impl SpiffeId {
    /// The id of a tenant's agent.
    pub fn of_agent(trust_domain: &str, tenant: &str, agent: &str) -> Result<Self, NameError> {
        if !is_slug(tenant) || !is_slug(agent) {
            return Err(REFUSED);
        }
        format!("spiffe://{trust_domain}/tenant/{tenant}/agent/{agent}").parse()
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The tenant of `spiffe://<trust domain>/tenant/<tenant>/agent/<name>`, `None` for any other form.
    pub fn tenant(&self) -> Option<TenantSlug> {
        let (tenant, _) = self.agent_path()?;
        tenant.parse().ok()
    }

    /// The agent's name in `spiffe://<trust domain>/tenant/<tenant>/agent/<name>`, `None` for any other form.
    pub fn agent(&self) -> Option<&str> {
        self.agent_path().map(|(_, agent)| agent)
    }

    /// The name in `spiffe://<trust domain>/countersign/<service>`, `None` for any other form.
    pub fn service(&self) -> Option<&str> {
        match self.path.as_slice() {
            [root, service] if root == "countersign" && is_slug(service) => Some(service),
            _ => None,
        }
    }

    fn agent_path(&self) -> Option<(&str, &str)> {
        match self.path.as_slice() {
            [tenants, tenant, agents, agent]
                if tenants == "tenant"
                    && agents == "agent"
                    && is_slug(tenant)
                    && is_slug(agent) =>
            {
                Some((tenant, agent))
            }
            _ => None,
        }
    }
}

fn domain_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
}

fn segment_fits(segment: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(fits)
}

impl TryFrom<String> for SpiffeId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let rest = text.strip_prefix("spiffe://").ok_or(REFUSED)?;
        let (trust_domain, path) = rest.split_once('/').ok_or(REFUSED)?;
        let domain_fits =
            (1..=255).contains(&trust_domain.len()) && trust_domain.bytes().all(domain_byte);
        let trust_domain = trust_domain.to_owned();
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        if text.len() > LONGEST || !domain_fits || !path.iter().all(|s| segment_fits(s)) {
            return Err(REFUSED);
        }
        Ok(Self { text, trust_domain, path })
    }
}

impl FromStr for SpiffeId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.text
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_id_names_its_tenant_and_nothing_else_does() {
        let id = SpiffeId::of_agent("dev.countersign", "acme", "lisbon").unwrap();
        assert_eq!(id.as_str(), "spiffe://dev.countersign/tenant/acme/agent/lisbon");
        assert_eq!(id.tenant().unwrap().as_str(), "acme");
        assert_eq!((id.agent(), id.trust_domain()), (Some("lisbon"), "dev.countersign"));
        let service: SpiffeId = "spiffe://dev.countersign/countersign/workflows".parse().unwrap();
        assert_eq!((service.tenant(), service.service()), (None, Some("workflows")));
        let odd: SpiffeId = "spiffe://dev.countersign/tenant/Acme/agent/lisbon".parse().unwrap();
        assert_eq!(odd.tenant(), None);
    }

    #[test]
    fn an_id_has_one_spelling() {
        for wrong in [
            "spiffe://",
            "spiffe://a",
            "spiffe://a/",
            "spiffe://a//b",
            "spiffe://a/b/",
            "spiffe://A/b",
            "spiffe://a/../b",
            "spiffe://a/%62",
            "spiffe://a:1/b",
            "spiffe://a/b?c",
            "SPIFFE://a/b",
            "https://a/b",
        ] {
            assert!(wrong.parse::<SpiffeId>().is_err(), "{wrong}");
        }
    }
}
