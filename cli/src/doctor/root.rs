//! A trust root as doctor looks at it: whose it is, how long it holds, and whether it is development material.

use super::finding::{Finding, or_ok};
use chrono::{DateTime, Duration, Utc};
use trust::dsse::{Envelope, Parsed};
use trust::golden;
use trust::keys::{KeyId, PublicKey};
use trust::statement::{Root, TrustKey};

/// Time to make and sign the next version.
const SOON: Duration = Duration::days(7);

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFacts {
    /// Whose.
    pub tenant: String,
    /// Its version.
    pub version: u64,
    /// Until when it holds.
    pub expires: DateTime<Utc>,
    /// It says that it is development material.
    pub development: bool,
    /// The keys of the golden vectors among its keys.
    pub golden: Vec<KeyId>,
}

impl RootFacts {
    /// Of a signed envelope; no signature is verified.
    pub fn of_envelope(envelope: &[u8]) -> anyhow::Result<Self> {
        let parsed = Parsed::<Root>::from_envelope(Envelope::parse(envelope)?)?;
        Ok(Self::of(parsed.statement()))
    }

    fn of(root: &Root) -> Self {
        let roles = &root.roles;
        let people = roles.people.iter().flat_map(|person| &person.keys);
        let keys = roles.root.keys.iter().chain(&roles.dispatcher.keys).chain(people);
        let logs = root.logs.iter();
        let witnesses =
            logs.clone().flat_map(|log| &log.witnesses).map(|witness| witness.spki.id());
        let sealers = logs.flat_map(|log| &log.keys).map(PublicKey::id);
        let ids = keys.map(TrustKey::id).chain(sealers).chain(witnesses);
        Self {
            tenant: root.tenant.to_string(),
            version: root.version,
            expires: root.expires.datetime(),
            development: root.development,
            golden: ids.filter(is_golden).collect(),
        }
    }
}

/// Whether the key is one of the golden vectors'.
pub fn is_golden(id: &KeyId) -> bool {
    golden::KEY_IDS.contains(&id.to_string().as_str())
}

/// Judges it. `exposed` names the addresses beyond this machine under which the platform is reached.
pub fn judge(root: &RootFacts, exposed: &[String], now: DateTime<Utc>) -> Vec<Finding> {
    let RootFacts { tenant, version, .. } = root;
    let name = format!("root {version} of {tenant}");
    vec![development(root, &name, exposed), expiry(root, &name, now)]
        .into_iter()
        .chain(golden_keys(root, &name))
        .collect()
}

fn development(root: &RootFacts, name: &str, exposed: &[String]) -> Finding {
    let code = "doctor.development_root";
    match (root.development, exposed) {
        (false, _) => Finding::ok(code, format!("{name} is no development material")),
        (true, []) => Finding::ok(
            code,
            format!("{name} is development material, and everything is on this machine"),
        ),
        (true, exposed) => Finding::problem(
            code,
            format!("{name} is development material, but is in use at {}", exposed.join(", ")),
            "countersign key generate --out root.pem    # then publish a root of your own, and pin it at every site",
        ),
    }
}

fn expiry(root: &RootFacts, name: &str, now: DateTime<Utc>) -> Finding {
    let code = "doctor.root_expires";
    let left = root.expires - now;
    let mend = "curl -X POST \"$COUNTERSIGN_COMMAND_API/v1/trust-roots\" ...    # with the next version, signed by both thresholds";
    if left <= Duration::zero() {
        let sentence = format!("{name} expired at {}: agents refuse every job", root.expires);
        Finding::problem(code, sentence, mend)
    } else if left <= SOON {
        Finding::warning(code, format!("{name} expires in {} hours", left.num_hours()), mend)
    } else {
        Finding::ok(code, format!("{name} holds for {} days", left.num_days()))
    }
}

fn golden_keys(root: &RootFacts, name: &str) -> Vec<Finding> {
    let code = "doctor.golden_key";
    let wrong = root.golden.iter().map(|id| {
        Finding::problem(
            code,
            format!("{name} names the key {id}, whose seed is published in the golden vectors"),
            "countersign key generate --out new.pem    # and publish a root without that key",
        )
    });
    or_ok(wrong.collect(), code, format!("{name} names no key of the golden vectors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn root() -> RootFacts {
        RootFacts {
            tenant: "acme".to_owned(),
            version: 3,
            expires: now() + Duration::days(30),
            development: false,
            golden: Vec::new(),
        }
    }

    fn severity(code: &str, root: &RootFacts, exposed: &[String]) -> Severity {
        let findings = judge(root, exposed, now());
        findings.iter().find(|finding| finding.code == code).unwrap().severity
    }

    #[test]
    fn development_material_is_a_problem_only_beyond_this_machine() {
        let (mine, away) = (root(), ["10.0.0.7:4610".to_owned()]);
        let code = "doctor.development_root";
        assert_eq!(severity(code, &mine, &away), Severity::Ok);
        let development = RootFacts { development: true, ..root() };
        assert_eq!(severity(code, &development, &[]), Severity::Ok);
        assert_eq!(severity(code, &development, &away), Severity::Problem);
    }

    #[test]
    fn a_root_that_ends_is_named_in_time() {
        for (left, expected) in [
            (Duration::days(8), Severity::Ok),
            (Duration::days(6), Severity::Warning),
            (Duration::zero(), Severity::Problem),
        ] {
            let root = RootFacts { expires: now() + left, ..root() };
            assert_eq!(severity("doctor.root_expires", &root, &[]), expected, "{left}");
        }
    }

    #[test]
    fn a_key_of_the_golden_vectors_is_named() {
        assert_eq!(severity("doctor.golden_key", &root(), &[]), Severity::Ok);
        let golden: KeyId = golden::KEY_IDS[0].parse().unwrap();
        assert!(is_golden(&golden));
        let root = RootFacts { golden: vec![golden], ..root() };
        assert_eq!(severity("doctor.golden_key", &root, &[]), Severity::Problem);
    }
}
