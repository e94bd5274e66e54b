//! Who approved, and whether that is enough: from the signatures alone, for the predicate and for auditors.
//!
//! People are counted, not signatures: a person with three keys is one person, the author is nobody. The control plane
//! answers "granted?" early by stages of a policy (`domain::approvals::is_met`); a test there holds that the built-in
//! policy's stages and this count agree.
//! Source: PROTOCOL.md section 3, line 8.

use crate::dsse::{Envelope, Parsed};
use crate::keys::KeyId;
use crate::names::PrincipalId;
use crate::pinned::usable_keys;
use crate::statement::{AuthorRule, Change, Environment, Person, Requirement, Root, Submission};
use std::collections::{BTreeMap, BTreeSet};

/// What a site demands on top of root and change. The default demands nothing more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalRules {
    /// Least number of people.
    pub quorum: u64,
    /// Roles demanded.
    pub requirements: Vec<Requirement>,
    /// Keys that no longer count here.
    pub revoked_keys: BTreeSet<KeyId>,
}

/// The people whose approval counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    people: BTreeMap<PrincipalId, Approver>,
    passkeys_left_out: bool,
}

/// How one person counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Approver {
    roles: BTreeSet<String>,
    native: bool,
}

/// What is missing, in the order in which line 8 names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// The root does not know the change's environment.
    #[error("the root has no environment {0}")]
    UnknownEnvironment(String),
    /// Enough only if passkey signatures counted, which are not built yet.
    #[error("it rests on passkey signatures, which are not supported yet")]
    Passkeys,
    /// Too few people.
    #[error("{have} of {need} people approved")]
    Quorum {
        /// Distinct people counted.
        have: u64,
        /// How many it takes.
        need: u64,
    },
    /// Too few people of a role.
    #[error("{have} of {need} people with the role {role} approved")]
    Requirement {
        /// The role.
        role: String,
        /// Distinct people counted.
        have: u64,
        /// How many it takes.
        need: u64,
    },
    /// The author must have signed, and has not.
    #[error("the author's own signature is missing or does not hold")]
    AuthorUnsigned,
    /// Too few people with keys outside a browser.
    #[error("{have} of {need} people used a key outside a browser")]
    NativeMin {
        /// Distinct people counted.
        have: u64,
        /// How many it takes.
        need: u64,
    },
}

impl Counted {
    /// The people, in the order of their ids.
    pub fn people(&self) -> impl Iterator<Item = &PrincipalId> {
        self.people.keys()
    }

    /// How many people.
    pub fn total(&self) -> u64 {
        as_count(self.people.len())
    }

    /// How many of them hold the role for the change's environment.
    pub fn holding(&self, role: &str) -> u64 {
        as_count(self.people.values().filter(|person| person.roles.contains(role)).count())
    }

    /// How many of them used a key outside a browser.
    pub fn native(&self) -> u64 {
        as_count(self.people.values().filter(|person| person.native).count())
    }
}

/// Which of the root's people signed this envelope, whatever it says.
pub fn signers(
    envelope: &Envelope,
    root: &Root,
    revoked_keys: &BTreeSet<KeyId>,
) -> BTreeSet<PrincipalId> {
    let holders: BTreeMap<_, _> = root
        .roles
        .people
        .iter()
        .flat_map(|person| usable_keys(&person.keys).map(move |key| (*key, &person.person)))
        .filter(|(key, _)| !revoked_keys.contains(&key.id()))
        .collect();
    let verified = envelope.verified_by(holders.keys());
    verified.iter().filter_map(|key| holders.get(key)).map(|person| (*person).clone()).collect()
}

/// Counts the people who approved a change, without its author.
pub fn count(change: &Parsed<Change>, root: &Root, revoked_keys: &BTreeSet<KeyId>) -> Counted {
    let manifest = change.statement();
    let mut signed = signers(change.envelope(), root, revoked_keys);
    signed.remove(&manifest.author);
    let people = root
        .roles
        .people
        .iter()
        .filter(|person| signed.contains(&person.person))
        .map(|person| (person.person.clone(), approver(person, &manifest.environment)))
        .collect();
    let passkeys_left_out = root
        .roles
        .people
        .iter()
        .filter(|person| person.person != manifest.author && !signed.contains(&person.person))
        .any(|person| claims_passkey(person, change.envelope()));
    Counted { people, passkeys_left_out }
}

/// Whether these approvals are enough: root, change and site together, and the author's own signature.
pub fn granted(
    change: &Parsed<Change>,
    submission: Option<&Parsed<Submission>>,
    root: &Root,
    local: &LocalRules,
) -> Result<Counted, Shortfall> {
    let manifest = change.statement();
    let environment = root
        .environments
        .get(&manifest.environment)
        .ok_or_else(|| Shortfall::UnknownEnvironment(manifest.environment.clone()))?;
    let counted = count(change, root, &local.revoked_keys);
    match enough(&counted, manifest, environment, local) {
        // A passkey that is not looked at may be what is missing: say so, rather than "too few".
        Err(_) if counted.passkeys_left_out => return Err(Shortfall::Passkeys),
        verdict => verdict?,
    }
    if environment.author == AuthorRule::Signed {
        author_signed(submission, change, root, local)?;
    }
    let (have, need) = (counted.native(), environment.native_min);
    if have < need {
        return Err(Shortfall::NativeMin { have, need });
    }
    Ok(counted)
}

fn enough(
    counted: &Counted,
    manifest: &Change,
    environment: &Environment,
    local: &LocalRules,
) -> Result<(), Shortfall> {
    // An author whom only the control plane names could be anybody: one more person makes up for it.
    let more = u64::from(environment.author == AuthorRule::Asserted);
    let need = environment.quorum.max(local.quorum).saturating_add(more);
    let have = counted.total();
    if have < need {
        return Err(Shortfall::Quorum { have, need });
    }
    let demands = environment.requirements.iter().chain(&manifest.requirements);
    for Requirement { role, count: need } in demands.chain(&local.requirements) {
        let have = counted.holding(role);
        if have < *need {
            return Err(Shortfall::Requirement { role: role.clone(), have, need: *need });
        }
    }
    Ok(())
}

fn approver(person: &Person, environment: &str) -> Approver {
    let roles = person
        .roles
        .iter()
        .map(|grant| &grant.role)
        .filter(|role| person.holds(role, environment))
        .cloned()
        .collect();
    // Only Ed25519 keys are counted today, and those live outside browsers.
    Approver { roles, native: true }
}

/// Whether a signature says that it is by one of this person's passkeys.
fn claims_passkey(person: &Person, envelope: &Envelope) -> bool {
    let passkeys = person.keys.iter().filter(|key| key.ed25519().is_none());
    let ids: Vec<String> = passkeys.map(|key| key.id().to_string()).collect();
    envelope.signatures().iter().any(|s| s.webauthn.is_some() && ids.contains(&s.keyid))
}

fn author_signed(
    submission: Option<&Parsed<Submission>>,
    change: &Parsed<Change>,
    root: &Root,
    local: &LocalRules,
) -> Result<(), Shortfall> {
    let manifest = change.statement();
    let fits = |said: &Submission| {
        said.tenant == manifest.tenant
            && said.change_sha256 == change.sha256()
            && said.author == manifest.author
    };
    let submission = submission.filter(|submission| fits(submission.statement()));
    let envelope = submission.ok_or(Shortfall::AuthorUnsigned)?.envelope();
    if signers(envelope, root, &local.revoked_keys).contains(&manifest.author) {
        return Ok(());
    }
    let mut author = root.roles.people.iter().filter(|person| person.person == manifest.author);
    Err(if author.any(|author| claims_passkey(author, envelope)) {
        Shortfall::Passkeys
    } else {
        Shortfall::AuthorUnsigned
    })
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
