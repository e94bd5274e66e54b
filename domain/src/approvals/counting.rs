//! The early answer to "granted?" agrees with the agent's count of the signatures.

use super::{Signed, is_met};
use crate::given::{digest, person};
use crate::ids::{ChangeId, DataSourceId};
use crate::policy::builtin_stages;
use crate::vocabulary;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trust::dsse::{Envelope, Parsed};
use trust::keys::PrivateKey;
use trust::quorum::{LocalRules, granted};
use trust::statement::{
    AuthorRule, Change, DispatcherRole, Environment, Person, PolicyRef, Requirement, RoleGrant,
    Roles, RollbackRule, Root, RootKeys, RootRef, Step, StepKind, Target, Transition, TrustKey,
};

/// The first of them is the author.
const PEOPLE: [&str; 5] = ["ada", "bob", "cy", "dan", "eve"];
const ROLES: [&str; 2] = ["dba", "lead"];

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(digest(format!("domain test key {name}").as_bytes()).as_bytes())
}

/// Who holds what in `dev`; everybody holds everything elsewhere.
fn root(held: &[Vec<bool>], quorum: u64, requirements: &[u64]) -> Root {
    let grant = |role: &str, environment: &str| RoleGrant {
        role: role.to_owned(),
        environments: vec![environment.to_owned()],
    };
    let holder = |(name, held): (&&str, &Vec<bool>)| Person {
        person: person(name).to_string().parse().unwrap(),
        keys: vec![TrustKey::Ed25519(key(name).public())],
        roles: ROLES
            .iter()
            .zip(held)
            .flat_map(|(role, here)| {
                [here.then(|| grant(role, "dev")), Some(grant(role, "elsewhere"))]
            })
            .flatten()
            .collect(),
    };
    let environment = Environment {
        quorum,
        requirements: demands(requirements)
            .map(|(role, count)| Requirement { role: role.to_owned(), count })
            .collect(),
        max_validity_seconds: 86_400,
        author: AuthorRule::Asserted,
        native_min: 0,
        policies: None,
        allow_unbound_base: true,
        delegation: false,
        break_glass: None,
    };
    Root {
        tenant: "acme".parse().unwrap(),
        version: 1,
        issued_at: "2026-11-20T07:00:00.000000Z".parse().unwrap(),
        expires: "2026-11-21T07:00:00.000000Z".parse().unwrap(),
        development: false,
        roles: Roles {
            root: RootKeys { keys: vec![TrustKey::Ed25519(key("root").public())], threshold: 1 },
            dispatcher: DispatcherRole { epoch: 1, keys: vec![] },
            people: PEOPLE.iter().zip(held).map(holder).collect(),
        },
        environments: BTreeMap::from([("dev".to_owned(), environment)]),
        agent_authorities: vec![],
        logs: vec![],
    }
}

fn demands(counts: &[u64]) -> impl Iterator<Item = (&'static str, u64)> {
    ROLES.into_iter().zip(counts.iter().copied()).filter(|(_, count)| *count > 0)
}

fn change() -> Change {
    Change {
        tenant: "acme".parse().unwrap(),
        change: ChangeId::derived("change", &["1"]).to_string().parse().unwrap(),
        revision: 1,
        author: person(PEOPLE[0]).to_string().parse().unwrap(),
        environment: "dev".to_owned(),
        root: RootRef { version: 1, sha256: digest(b"root") },
        issued_at: "2026-11-20T07:00:00.000000Z".parse().unwrap(),
        not_after: "2026-11-20T08:00:00.000000Z".parse().unwrap(),
        transition: Transition { from: None, to: None },
        targets: Some(vec![Target {
            id: DataSourceId::derived("data_source", &["1"]).to_string().parse().unwrap(),
            name: "orders".to_owned(),
        }]),
        selector: None,
        steps: vec![Step {
            ordinal: 1,
            sha256: digest(b"select 1;"),
            transactional: true,
            kind: StepKind::Forward,
        }],
        rollback: RollbackRule::Never,
        requirements: vec![],
        policy: PolicyRef { version: 1, sha256: digest(b"policy") },
        break_glass: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_builtin_stage_is_met_exactly_when_the_agent_would_count_enough(
        held in prop::collection::vec(prop::collection::vec(any::<bool>(), ROLES.len()), PEOPLE.len()),
        signers in prop::collection::btree_set(1..PEOPLE.len(), 0..PEOPLE.len()),
        quorum in 1_u32..4,
        counts in prop::collection::vec(0_u64..3, ROLES.len()),
    ) {
        let root = root(&held, u64::from(quorum), &counts);
        let signers: BTreeSet<&str> = signers.iter().map(|index| PEOPLE[*index]).collect();
        let mut envelope = Envelope::around(&change()).unwrap();
        // The author's signature counts nowhere; the control plane does not even take it.
        for name in signers.iter().chain(&PEOPLE[..1]) {
            envelope = envelope.sign_ed25519(&key(name));
        }
        let change: Parsed<Change> = Parsed::from_envelope(envelope).unwrap();
        let counted = granted(&change, None, &root, &LocalRules::default());

        let signed = root.roles.people.iter().zip(PEOPLE).filter(|(_, name)| signers.contains(name));
        let signed = signed.map(|(holder, name)| {
            let roles = ROLES.iter().filter(|role| holder.holds(role, "dev"));
            let roles = roles.map(|role| (*role).to_owned()).collect();
            (person(name), Signed { person: person(name), roles, signature: Value::Null })
        });
        let signed: BTreeMap<_, _> = signed.collect();
        let requirements = demands(&counts).map(|(role, count)| vocabulary::Requirement {
            role: role.to_owned(),
            count: u32::try_from(count).unwrap(),
        });
        // One more, because the author is only asserted.
        let stages = builtin_stages(quorum + 1, requirements.collect());
        let met = stages.iter().all(|stage| is_met(stage, &signed));
        prop_assert_eq!(met, counted.is_ok(), "{:?}", counted);
    }
}
