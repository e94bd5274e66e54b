//! For which tenant a request is: a person's own, a service's as its `Cs-Tenant` header says.

use crate::caller::Caller;
use crate::problem::{Problem, TENANT_MALFORMED, TENANT_MISSING};
use http::HeaderMap;
use trust::names::is_slug;

const HEADER: &str = "cs-tenant";

impl Caller {
    /// The tenant of this request. A person who names another tenant than their own is refused.
    pub fn acting_in(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let named = headers.get(HEADER).map(|value| {
            let slug = value.to_str().ok().filter(|text| is_slug(text));
            slug.ok_or_else(|| Problem::of(&TENANT_MALFORMED))
        });
        let named = named.transpose()?;
        if let Some(named) = named {
            self.in_tenant(named)?;
        }
        let own = self.tenant.as_deref().or(named);
        own.map(str::to_owned).ok_or_else(|| Problem::of(&TENANT_MISSING))
    }
}
