//! Approvals: for each one that the server says was granted, people's own signatures are counted again.

use super::blobs::Blobs;
use super::evidence::{ApprovalRecord, Evidence, Key};
use super::objection::Objection;
use super::roots::Roots;
use domain::approvals::{Opened, Signed};
use std::collections::BTreeSet;
use trust::dsse::{Envelope, Parsed, Signature};
use trust::encoding::Sha256Digest;
use trust::pinned::PinnedRoot;
use trust::quorum::{LocalRules, granted, signers};
use trust::statement::{Change, Statement as _};
use trust::strict;

/// A granted approval, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedApproval {
    /// Whose.
    pub tenant: String,
    /// Which.
    pub approval: String,
    /// Where the log says that it was granted.
    pub sequence: u64,
    /// The change; empty if it was never opened.
    pub change: String,
    /// What people signed.
    pub change_sha256: Option<Sha256Digest>,
    /// The root it was granted under.
    pub root: Option<u64>,
    /// The people who count, or why it does not hold.
    pub people: Result<Vec<String>, Objection>,
}

/// Checks every approval that was granted.
pub fn check(evidence: &Evidence, roots: &Roots, blobs: &dyn Blobs) -> Vec<CheckedApproval> {
    let granted = evidence.approvals.iter().filter_map(|(key, record)| {
        record.granted.map(|sequence| one(key, sequence, record, roots, blobs))
    });
    granted.collect()
}

fn one(
    (tenant, approval): &Key,
    sequence: u64,
    record: &ApprovalRecord,
    roots: &Roots,
    blobs: &dyn Blobs,
) -> CheckedApproval {
    let opened = record.opened.as_ref();
    let people = opened.ok_or(Objection::NeverOpened).and_then(|opened| {
        let root = roots.named(tenant, &opened.root)?;
        let bytes = blobs.named(&opened.manifest)?;
        people(tenant, opened, bytes, &record.signed, root)
    });
    CheckedApproval {
        tenant: tenant.clone(),
        approval: approval.clone(),
        sequence,
        change: opened.map(|opened| opened.change.to_string()).unwrap_or_default(),
        change_sha256: opened.map(|opened| opened.change_sha256),
        root: opened.map(|opened| opened.root.version),
        people,
    }
}

/// The manifest's bytes with every recorded signature.
pub fn envelope(manifest: Vec<u8>, signed: &[Signed]) -> Envelope {
    let envelope = Envelope::around_payload(Change::PAYLOAD_TYPE, manifest);
    // What is not of the form of a signature is never counted.
    let signatures = signed.iter().filter_map(|s| strict::exact::<Signature>(&s.signature).ok());
    signatures.fold(envelope, Envelope::with_signature)
}

fn people(
    tenant: &str,
    opened: &Opened,
    manifest: Vec<u8>,
    signed: &[Signed],
    root: &PinnedRoot,
) -> Result<Vec<String>, Objection> {
    let envelope = envelope(manifest, signed);
    let change = Parsed::<Change>::from_envelope(envelope.clone())?;
    fits(tenant, opened, &change, root)?;
    let counted = granted(&change, None, root.root(), &LocalRules::default())?;
    let signers = signers(&envelope, root.root(), &BTreeSet::new());
    let signers: BTreeSet<String> = signers.iter().map(ToString::to_string).collect();
    if let Some(absent) = signed.iter().find(|s| !signers.contains(&s.person.to_string())) {
        return Err(Objection::NotSigned(absent.person.to_string()));
    }
    Ok(counted.people().map(ToString::to_string).collect())
}

/// Whether the manifest that people signed is the one that the record is about, as the root allows it.
fn fits(
    tenant: &str,
    opened: &Opened,
    change: &Parsed<Change>,
    root: &PinnedRoot,
) -> Result<(), Objection> {
    let manifest = change.statement();
    let rules = root.root().environments.get(&manifest.environment);
    let policies = rules.and_then(|rules| rules.policies.as_ref());
    let validity = manifest.not_after.datetime() - manifest.issued_at.datetime();
    let longest = rules.map_or(0, |rules| rules.max_validity_seconds);
    let target = opened.data_source.to_string();
    let targets = manifest.targets.as_ref();
    for (member, holds) in [
        ("digest", change.sha256() == opened.change_sha256),
        ("tenant", manifest.tenant.as_str() == tenant),
        ("change", manifest.change.as_str() == opened.change.to_string()),
        ("revision", manifest.revision == u64::from(opened.revision)),
        ("author", manifest.author.as_str() == opened.author.to_string()),
        ("environment", manifest.environment == opened.environment),
        ("root", manifest.root == root.reference()),
        ("policy", policies.is_none_or(|allowed| allowed.contains(&manifest.policy.sha256))),
        ("validity", u64::try_from(validity.num_seconds()).is_ok_and(|s| s <= longest)),
        ("targets", targets.is_none_or(|all| all.iter().any(|t| t.id.as_str() == target))),
    ] {
        if !holds {
            return Err(Objection::Manifest(member));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testimony::{Testimony, person};
    use super::*;
    use ledger::Severity;
    use trust::quorum::Shortfall;

    fn checked(spoil: impl FnOnce(&mut Testimony)) -> anyhow::Result<CheckedApproval> {
        let mut testimony = Testimony::new()?;
        spoil(&mut testimony);
        let roots = Roots::open(&testimony.evidence, &testimony.policy()?, &testimony.blobs);
        let mut found = check(&testimony.evidence, &roots, &testimony.blobs);
        found.pop().ok_or_else(|| anyhow::anyhow!("no approval was granted"))
    }

    #[test]
    fn two_people_under_the_pinned_root_are_counted() {
        let approval = checked(|_| {}).unwrap();
        let expected = vec![person("bob").to_string(), person("cyd").to_string()];
        let mut people = approval.people.unwrap();
        people.sort();
        let mut expected = expected;
        expected.sort();
        assert_eq!(people, expected);
        assert_eq!(approval.root, Some(1));
    }

    #[test]
    fn a_grant_with_one_signature_is_tampering() {
        let found = checked(|t| drop(t.approval().signed.pop())).unwrap().people.unwrap_err();
        assert_eq!(found, Objection::NotGranted(Shortfall::Quorum { have: 1, need: 2 }));
        assert_eq!(found.severity(true), Severity::Tampering);
        assert_eq!(found.severity(false), Severity::Incompleteness);
    }

    #[test]
    fn one_signature_recorded_for_two_people_is_tampering() {
        let found = checked(|t| {
            let twice = t.approval().signed[0].signature.clone();
            t.approval().signed[1].signature = twice;
        });
        let found = found.unwrap().people.unwrap_err();
        assert_eq!(found, Objection::NotGranted(Shortfall::Quorum { have: 1, need: 2 }));
    }

    #[test]
    fn a_signer_who_did_not_sign_is_tampering() {
        let found = checked(|t| {
            let mut forged = t.approval().signed[0].clone();
            forged.person = person("ada");
            t.approval().signed.push(forged);
        });
        let found = found.unwrap().people.unwrap_err();
        assert_eq!(found, Objection::NotSigned(person("ada").to_string()));
    }

    #[test]
    fn a_manifest_that_nobody_signed_is_tampering() {
        let found = checked(|t| t.replace_manifest(|m| m.environment = "prod".to_owned()).unwrap());
        let found = found.unwrap().people.unwrap_err();
        assert_eq!(found, Objection::Manifest("environment"));
        let found = checked(|t| t.replace_manifest(|m| m.revision = 2).unwrap());
        assert_eq!(found.unwrap().people.unwrap_err(), Objection::Manifest("revision"));
        let found = checked(|t| {
            t.replace_manifest(|m| m.not_after = m.not_after.plus_seconds(1)).unwrap();
        });
        let found = found.unwrap().people.unwrap_err();
        assert_eq!(found, Objection::NotGranted(Shortfall::Quorum { have: 0, need: 2 }));
    }

    #[test]
    fn a_root_that_the_policy_does_not_name_leaves_it_open() {
        let found = checked(|t| t.pins.clear()).unwrap().people.unwrap_err();
        assert_eq!(found, Objection::RootNotPinned { tenant: "acme".to_owned(), version: 1 });
        assert_eq!(found.severity(true), Severity::Incompleteness);
        let found = checked(|t| t.pins[0].sha256 = Sha256Digest::of(b"other"));
        let found = found.unwrap().people.unwrap_err();
        assert_eq!(found, Objection::OtherRoot { tenant: "acme".to_owned(), version: 1 });
        assert_eq!(found.severity(true), Severity::Tampering);
    }

    #[test]
    fn missing_bytes_leave_it_open() {
        let found = checked(|t| t.blobs.0.clear()).unwrap().people.unwrap_err();
        assert!(matches!(found, Objection::Blob(_)), "{found:?}");
        assert_eq!(found.severity(true), Severity::Incompleteness);
    }
}
