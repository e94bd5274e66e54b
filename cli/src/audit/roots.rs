//! Trust roots: the ones that the verifier's policy pins, opened from the log's own envelopes.

use super::blobs::Blobs;
use super::evidence::Evidence;
use super::objection::Objection;
use domain::identity::RootPublished;
use ledger::Policy;
use std::collections::BTreeMap;
use trust::dsse::Envelope;
use trust::pinned::PinnedRoot;
use trust::statement::RootRef;

/// Every recorded root, opened or refused.
#[derive(Debug)]
pub struct Roots(BTreeMap<(String, u64), Result<PinnedRoot, Objection>>);

impl Roots {
    /// Opens every recorded root against the policy.
    pub fn open(evidence: &Evidence, policy: &Policy, blobs: &dyn Blobs) -> Self {
        let opened = |((tenant, version), root): (&(String, u64), &RootPublished)| {
            ((tenant.clone(), *version), open(tenant, root, policy, blobs))
        };
        Self(evidence.roots.iter().map(opened).collect())
    }

    /// The root of a tenant that a statement names.
    pub fn named(
        &self,
        tenant: &str,
        root: &domain::vocabulary::RootRef,
    ) -> Result<&PinnedRoot, Objection> {
        let version = root.version;
        let found = self.0.get(&(tenant.to_owned(), version));
        let found = found
            .ok_or_else(|| Objection::RootNotRecorded { tenant: tenant.to_owned(), version })?;
        let found = found.as_ref().map_err(Clone::clone)?;
        if found.reference().sha256 == root.sha256 {
            Ok(found)
        } else {
            Err(Objection::OtherRoot { tenant: tenant.to_owned(), version })
        }
    }

    /// Roots that contradict the policy or do not hold, whether or not something stands on them.
    pub fn objections(&self) -> impl Iterator<Item = (&(String, u64), &Objection)> {
        self.0.iter().filter_map(|(key, root)| match root {
            // Nothing is wrong with a root that nothing stands on and the policy does not know.
            Ok(_) | Err(Objection::RootNotPinned { .. }) => None,
            Err(objection) => Some((key, objection)),
        })
    }
}

fn open(
    tenant: &str,
    root: &RootPublished,
    policy: &Policy,
    blobs: &dyn Blobs,
) -> Result<PinnedRoot, Objection> {
    let (version, named) = (root.version, tenant.to_owned());
    let pin = policy.roots.iter().find(|p| p.tenant.as_str() == tenant && p.version == version);
    let Some(pin) = pin else { return Err(Objection::RootNotPinned { tenant: named, version }) };
    if pin.sha256 != root.sha256 {
        return Err(Objection::OtherRoot { tenant: named, version });
    }
    let envelope = Envelope::parse(&blobs.named(&root.envelope)?)?;
    let opened = PinnedRoot::open(&envelope, &RootRef { version, sha256: pin.sha256 })?;
    if opened.root().tenant.as_str() == tenant {
        Ok(opened)
    } else {
        Err(Objection::OtherRoot { tenant: named, version })
    }
}
