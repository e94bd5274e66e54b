//! `delegation.v1`: a person lends roles for a while. Parsed; the predicate refuses to count it as yet.

use super::{Invalid, Statement, check_name};
use crate::encoding::Timestamp;
use crate::names::{PrincipalId, TenantSlug};
use serde::{Deserialize, Serialize};

/// Roles lent from one person to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Whose people.
    pub tenant: TenantSlug,
    /// Who lends, and signs.
    pub from: PrincipalId,
    /// Who acts.
    pub to: PrincipalId,
    /// Which roles.
    pub roles: Vec<String>,
    /// In which environments.
    pub environments: Vec<String>,
    /// From when on.
    pub not_before: Timestamp,
    /// Until when, exclusive.
    pub not_after: Timestamp,
}

impl Statement for Delegation {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.delegation.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        if self.not_after <= self.not_before {
            return Err(Invalid::EmptyPeriod("delegation"));
        }
        self.roles.iter().try_for_each(|role| check_name("role", role))?;
        self.environments.iter().try_for_each(|name| check_name("environment", name))
    }
}
