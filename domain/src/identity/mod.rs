//! Identity: tenants, principals and the versions of a tenant's trust root.

mod principal;
mod tenant;
#[cfg(test)]
mod tests;
mod trust_root;

pub use principal::{
    Principal, PrincipalCommand, PrincipalCreated, PrincipalError, PrincipalEvent, PrincipalKind,
    Role, Token,
};
pub use tenant::{Tenant, TenantCommand, TenantCreated, TenantError, TenantEvent};
pub use trust_root::{RootPublished, TrustRoot, TrustRootCommand, TrustRootError, TrustRootEvent};
