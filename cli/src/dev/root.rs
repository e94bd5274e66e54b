//! The development trust root, version 1, and the verifier's policy file that pins it.

use super::keys;
use super::layout::Layout;
use super::material::{ENVIRONMENT, ORIGIN, PEOPLE, TENANT, principal, year_after};
use anyhow::Context as _;
use devkit::{Stack, folder, identities};
use domain::ids::PrincipalId;
use domain::policy::builtin_quorum;
use serde_json::json;
use std::collections::BTreeMap;
use trust::dsse::{Envelope, Parsed};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PublicKey;
use trust::statement::{
    AgentAuthority, AuthorRule, DispatcherRole, Environment, LogTrust, Person, RoleGrant, Roles,
    Root, RootKeys, RootRef, TrustKey,
};

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// The role of everybody who may sign.
const APPROVER: &str = "approver";

/// The root of the data folder, made and signed if it is not there: its reference and its envelope.
pub fn load_or_make(
    layout: &Layout,
    stack: &Stack,
    operator: PrincipalId,
    made_at: Timestamp,
) -> anyhow::Result<(RootRef, Vec<u8>)> {
    let path = layout.trust_root();
    let bytes = if let Some(text) = folder::read(&path)? {
        text.into_bytes()
    } else {
        let root = development_root(layout, stack, operator, made_at)?;
        let envelope = Envelope::around(&root)?.sign_ed25519(&keys::load_or_make(layout, "root")?);
        let bytes = envelope.to_json()?;
        folder::write_private(&path, &bytes)?;
        bytes
    };
    let parsed = Parsed::<Root>::from_envelope(Envelope::parse(&bytes)?)
        .with_context(|| format!("{} is damaged: --reset starts anew", path.display()))?;
    let reference = RootRef { version: parsed.statement().version, sha256: parsed.sha256() };
    write_policy(layout, stack, reference, parsed.statement())?;
    Ok((reference, bytes))
}

fn development_root(
    layout: &Layout,
    stack: &Stack,
    operator: PrincipalId,
    made_at: Timestamp,
) -> anyhow::Result<Root> {
    let public = |name: &str| -> anyhow::Result<TrustKey> {
        Ok(TrustKey::Ed25519(keys::load_or_make(layout, name)?.public()))
    };
    let mut people = Vec::new();
    for somebody in PEOPLE.iter().filter(|somebody| somebody.signs) {
        people.push(Person {
            person: principal(operator, somebody).to_string().parse()?,
            keys: vec![public(somebody.name)?],
            roles: vec![RoleGrant {
                role: APPROVER.to_owned(),
                environments: vec![ENVIRONMENT.to_owned()],
            }],
        });
    }
    let environment = Environment {
        quorum: 1,
        requirements: Vec::new(),
        max_validity_seconds: DAY_SECONDS,
        author: AuthorRule::Asserted,
        native_min: 0,
        policies: Some(vec![builtin_quorum().sha256]),
        allow_unbound_base: false,
        delegation: false,
        break_glass: None,
    };
    Ok(Root {
        tenant: TENANT.parse()?,
        version: 1,
        issued_at: made_at,
        expires: year_after(made_at),
        development: true,
        roles: Roles {
            root: RootKeys { keys: vec![public("root")?], threshold: 1 },
            dispatcher: DispatcherRole { epoch: 1, keys: vec![public("dispatcher")?] },
            people,
        },
        environments: BTreeMap::from([(ENVIRONMENT.to_owned(), environment)]),
        agent_authorities: vec![AgentAuthority {
            trust_domain: identities::TRUST_DOMAIN.to_owned(),
            spki_sha256: authority(stack)?,
            from: made_at.plus_seconds(-3_600),
            until: year_after(made_at),
        }],
        logs: vec![LogTrust {
            origin: ORIGIN.parse()?,
            keys: vec![keys::load_or_make(layout, "log")?.public()],
            witnesses: Vec::new(),
            witness_quorum: 0,
        }],
    })
}

fn authority(stack: &Stack) -> anyhow::Result<Sha256Digest> {
    Ok(stack.workload_api().authority().spki_sha256().parse()?)
}

fn write_policy(
    layout: &Layout,
    stack: &Stack,
    reference: RootRef,
    root: &Root,
) -> anyhow::Result<()> {
    let writer: PublicKey = keys::load_or_make(layout, "writer")?.public();
    let log: PublicKey = keys::load_or_make(layout, "log")?.public();
    let authorities: Vec<_> = root.agent_authorities.iter().map(|known| json!({
        "trust_domain": known.trust_domain, "spki_sha256": authority(stack).unwrap_or(known.spki_sha256),
        "from": known.from, "until": known.until,
    })).collect();
    let policy = json!({
        "format": "countersign-policy/1",
        "logs": [{
            "origin": ORIGIN, "keys": [log],
            "writers": [{"spki": writer, "from_sequence": 1, "to_sequence": null}],
            "witnesses": [], "witness_quorum": 0, "max_merge_delay_seconds": 60, "gaps": [],
        }],
        "roots": [{"tenant": TENANT, "version": reference.version, "sha256": reference.sha256}],
        "agent_authorities": authorities,
    });
    folder::write_private(&layout.verify_policy(), &serde_json::to_vec_pretty(&policy)?)?;
    Ok(())
}
