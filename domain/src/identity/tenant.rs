//! Tenants: whose databases they are; a tenant lives in exactly one shard of the log.

use crate::Issued;
use crate::aggregate::aggregate;
use crate::refusal::refusals;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

refusals! {
    /// Why a command on a tenant was refused.
    TenantError {
        NotFound = "identity.tenant_not_found", NotFound, "there is no such tenant";
        AlreadyExists = "identity.tenant_exists", Conflict, "a tenant of this slug exists already";
        Reserved = "identity.tenant_reserved", Invalid, "the slug `system` is reserved";
    }
}

/// A command on a tenant.
#[derive(Debug, Clone, PartialEq)]
pub enum TenantCommand {
    /// Make it known.
    Create(TenantCreated),
}

/// An event of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum TenantEvent {
    /// A tenant exists.
    #[serde(rename = "tenant.created")]
    Created(TenantCreated),
}

/// A tenant as created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantCreated {
    /// Immutable, never reused.
    pub slug: String,
    /// For people.
    pub name: String,
    /// Of the log; never moved.
    pub shard: String,
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// What was created.
    pub created: Option<TenantCreated>,
}

aggregate!(Tenant, "tenant", TenantCommand, TenantEvent, TenantError);

impl Tenant {
    fn decide(&self, issued: Issued<TenantCommand>) -> Result<Vec<TenantEvent>, TenantError> {
        match (&self.created, issued.command) {
            (_, TenantCommand::Create(it)) if it.slug == "system" => Err(TenantError::Reserved),
            (None, TenantCommand::Create(created)) => Ok(vec![TenantEvent::Created(created)]),
            (Some(_), TenantCommand::Create(_)) => Err(TenantError::AlreadyExists),
        }
    }

    fn evolve(&mut self, event: TenantEvent) {
        match event {
            TenantEvent::Created(created) => self.created = Some(created),
        }
    }
}
