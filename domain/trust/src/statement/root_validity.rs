//! When a root is invalid: a key or person twice, a demand that nobody can or need meet.
//!
//! Source: PROTOCOL.md section 3, "A root is invalid" and "Trust root".

use super::root::{AuthorRule, Environment, LogTrust, Root, TrustKey};
use super::{Invalid, Requirement, at_least_one, check_name};
use crate::keys::KeyId;
use std::collections::BTreeSet;

/// Longest life of a production root.
const LONGEST_LIFE_DAYS: i64 = 30;

pub(super) fn check(root: &Root) -> Result<(), Invalid> {
    at_least_one("version", root.version)?;
    lifetime(root)?;
    keys_once(root)?;
    people_once(root)?;
    let signers = &root.roles.root;
    reachable("threshold", signers.threshold, signers.keys.len())?;
    for (name, environment) in &root.environments {
        check_name("environment", name)?;
        environment_is_reachable(root, name, environment)?;
    }
    for authority in &root.agent_authorities {
        check_name("trust_domain", &authority.trust_domain)?;
        if authority.until <= authority.from {
            return Err(Invalid::EmptyPeriod("agent_authorities"));
        }
    }
    root.logs.iter().try_for_each(log)
}

fn lifetime(root: &Root) -> Result<(), Invalid> {
    if root.expires <= root.issued_at {
        return Err(Invalid::EmptyPeriod("root"));
    }
    let life = root.expires.datetime() - root.issued_at.datetime();
    if !root.development && life > chrono::Duration::days(LONGEST_LIFE_DAYS) {
        return Err(Invalid::RootLivesTooLong);
    }
    Ok(())
}

/// Every key of the document, whatever it is for.
fn key_ids(root: &Root) -> impl Iterator<Item = KeyId> {
    let roles = &root.roles;
    let people = roles.people.iter().flat_map(|person| &person.keys);
    let held = roles.root.keys.iter().chain(&roles.dispatcher.keys).chain(people).map(TrustKey::id);
    let sealers = root.logs.iter().flat_map(|log| log.keys.iter().map(crate::keys::PublicKey::id));
    let witnesses = root.logs.iter().flat_map(|log| log.witnesses.iter().map(|w| w.spki.id()));
    let authorities = root.agent_authorities.iter().map(|authority| authority.spki_sha256);
    held.chain(sealers).chain(witnesses).chain(authorities)
}

fn keys_once(root: &Root) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for id in key_ids(root) {
        if !seen.insert(id) {
            return Err(Invalid::KeyTwice(id));
        }
    }
    Ok(())
}

fn people_once(root: &Root) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for person in &root.roles.people {
        if !seen.insert(&person.person) {
            return Err(Invalid::PersonTwice(person.person.clone()));
        }
        for grant in &person.roles {
            check_name("role", &grant.role)?;
        }
    }
    Ok(())
}

fn environment_is_reachable(root: &Root, name: &str, rule: &Environment) -> Result<(), Invalid> {
    // Whoever has no key can sign nothing.
    let people: Vec<_> = root.roles.people.iter().filter(|p| !p.keys.is_empty()).collect();
    let holding = |role: &str| people.iter().filter(|p| p.holds(role, name)).count();
    at_least_one(&format!("max_validity_seconds of {name}"), rule.max_validity_seconds)?;
    at_least_one(&format!("quorum of {name}"), rule.quorum)?;
    let more = u64::from(rule.author == AuthorRule::Asserted);
    reachable(&format!("quorum of {name}"), rule.quorum.saturating_add(more), people.len())?;
    for Requirement { role, count } in &rule.requirements {
        check_name("role", role)?;
        reachable(&format!("count of {role} in {name}"), *count, holding(role))?;
    }
    if let Some(emergency) = &rule.break_glass {
        let what = format!("break_glass quorum of {name}");
        reachable(&what, emergency.quorum, holding(&emergency.role))?;
        at_least_one(
            &format!("break_glass max_validity_seconds of {name}"),
            emergency.max_validity_seconds,
        )?;
    }
    Ok(())
}

/// A log without witnesses asks for none; that is the one place where 0 is a quorum.
fn log(log: &LogTrust) -> Result<(), Invalid> {
    for witness in &log.witnesses {
        check_name("witness", &witness.name)?;
    }
    if log.witnesses.is_empty() && log.witness_quorum == 0 {
        return Ok(());
    }
    reachable("witness_quorum", log.witness_quorum, log.witnesses.len())
}

fn reachable(what: &str, needed: u64, available: usize) -> Result<(), Invalid> {
    at_least_one(what, needed)?;
    let available = u64::try_from(available).unwrap_or(u64::MAX);
    if needed > available {
        return Err(Invalid::Unreachable { what: what.to_owned(), needed, available });
    }
    Ok(())
}
