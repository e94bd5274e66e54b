//! A change that two people countersigned, and everything around it, to be spoilt in one place at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use trust::accept::{JournalView, LocalDataSource, Moment, Refusal, Site, Verdict, judge};
use trust::dsse::{Envelope, Signature, Webauthn};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;
use trust::message::JobMessage;
use trust::names::PrincipalId;
use trust::pinned::PinnedRoot;
use trust::statement::{
    AuthorRule, Change, Delegation, DispatcherRole, Environment, Job, LogPosition, Mode, Person,
    PolicyRef, Requirement, RoleGrant, Roles, RollbackRule, Root, RootKeys, RootRef, Step,
    StepKind, Submission, Target, Transition, TrustKey,
};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

pub const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
pub const SQL: &[u8] = b"create table orders (id bigint primary key);\r\n";
pub const NOW: &str = "2026-11-20T07:00:00.000000Z";

/// A key that is nobody's outside these tests.
pub fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Sha256Digest::of(format!("trust test key {name}").as_bytes()).as_bytes())
}

pub fn trust_key(name: &str) -> TrustKey {
    TrustKey::Ed25519(key(name).public())
}

pub fn person_id(name: &str) -> Outcome<PrincipalId> {
    Ok(format!("prn_{}", digits(name)).parse()?)
}

/// 26 digits of base 32 that a name leads to.
pub fn digits(name: &str) -> String {
    let hex = Sha256Digest::of(name.as_bytes()).to_string();
    format!("0{}", hex.chars().take(25).collect::<String>())
}

pub fn at(seconds: i64) -> Outcome<Timestamp> {
    Ok(NOW.parse::<Timestamp>()?.plus_seconds(seconds))
}

/// A signature that says it is by this passkey.
pub fn by_passkey(keyid: &str) -> Signature {
    Signature {
        keyid: keyid.to_owned(),
        sig: vec![1; 64],
        x5c: None,
        webauthn: Some(Webauthn { authenticator_data: vec![], client_data_json: vec![] }),
    }
}

pub fn requirement(role: &str, count: u64) -> Requirement {
    Requirement { role: role.to_owned(), count }
}

fn person(name: &str, keys: &[&str], roles: &[&str]) -> Outcome<Person> {
    let grant = |role: &&str| RoleGrant {
        role: (*role).to_owned(),
        environments: vec!["production".to_owned()],
    };
    Ok(Person {
        person: person_id(name)?,
        keys: keys.iter().map(|k| trust_key(k)).collect(),
        roles: roles.iter().map(grant).collect(),
    })
}

/// Statements and configuration; [`Scene::seal`] makes digests and signatures fit.
pub struct Scene {
    pub root: Root,
    pub change: Change,
    /// The root that the change names, if not the current one.
    pub change_root: Option<RootRef>,
    pub job: Job,
    pub sql: Vec<u8>,
    pub approvals: Vec<&'static str>,
    pub passkey_approvals: Vec<String>,
    /// Who signs the submission; nobody where empty.
    pub submitters: Vec<&'static str>,
    pub delegations: Vec<Delegation>,
    pub dispatcher: &'static str,
    pub site: Site,
    /// The one data source beside the agent.
    pub source: LocalDataSource,
    /// What the root demands in production.
    pub production: Environment,
    pub moment: Moment,
    pub journal: JournalView,
}

/// A job as it reaches an agent.
pub struct Delivery {
    pub message: JobMessage,
    pub site: Site,
    pub current: PinnedRoot,
    pub moment: Moment,
    pub journal: JournalView,
}

/// The scene in which everything holds, with one thing changed.
pub fn scene(change: impl FnOnce(&mut Scene)) -> Outcome<Scene> {
    let mut scene = Scene::new()?;
    change(&mut scene);
    Ok(scene)
}

/// What the predicate says about that scene: `accepted`, `redelivered`, or `<line> <refusal>`.
pub fn verdict(change: impl FnOnce(&mut Scene)) -> Outcome<String> {
    Ok(told(scene(change)?.seal()?.judge()))
}

/// The same, with one thing changed after everything was signed.
pub fn verdict_on(change: impl FnOnce(&mut Delivery)) -> Outcome<String> {
    let mut delivery = Scene::new()?.seal()?;
    change(&mut delivery);
    Ok(told(delivery.judge()))
}

pub fn told(verdict: Result<Verdict, Refusal>) -> String {
    match verdict {
        Ok(Verdict::Accepted(_)) => "accepted".to_owned(),
        Ok(Verdict::Redelivered(_)) => "redelivered".to_owned(),
        Err(refusal) => format!("{} {}", refusal.line(), refusal.name()),
    }
}

impl Scene {
    pub fn new() -> Outcome<Self> {
        let reference = RootRef { version: 3, sha256: ZEROS.parse()? };
        let data_source: trust::names::DataSourceId =
            format!("dsc_{}", digits("orders")).parse()?;
        let source = LocalDataSource {
            name: "orders".to_owned(),
            environment: "production".to_owned(),
            labels: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
            modes: BTreeSet::from([Mode::Introspect, Mode::Migrate]),
            quorum: 2,
            requirements: vec![requirement("reviewer", 1)],
            allow_unbound_base: false,
        };
        let agent: trust::spiffe::SpiffeId =
            "spiffe://example.org/tenant/acme/agent/lisbon".parse()?;
        Ok(Self {
            root: root()?,
            change: change()?,
            change_root: None,
            job: Job {
                tenant: "acme".parse()?,
                job: format!("job_{}", digits("job")).parse()?,
                attempt: 1,
                fence: 7,
                dispatcher_epoch: 1,
                audience: agent.clone(),
                data_source: data_source.clone(),
                mode: Mode::Migrate,
                steps: vec![1],
                issued_at: at(0)?,
                not_after: at(600)?,
                change_sha256: Some(ZEROS.parse()?),
                log: Some(LogPosition {
                    origin: "log.example.org".parse()?,
                    sequence: 12,
                    hash: format!("blake3:{ZEROS}").parse()?,
                }),
            },
            sql: SQL.to_vec(),
            approvals: vec!["bea", "cyd"],
            passkey_approvals: Vec::new(),
            submitters: vec!["ada"],
            delegations: Vec::new(),
            dispatcher: "dispatcher",
            site: Site {
                tenant: "acme".parse()?,
                agent,
                root: reference,
                development: false,
                revoked_keys: BTreeSet::new(),
                data_sources: BTreeMap::from([(data_source, source.clone())]),
            },
            source,
            production: environment(),
            moment: Moment { now: at(0)?, time_floor: at(-1)?, target_clock: Some(at(2)?) },
            journal: JournalView::default(),
        })
    }

    /// Makes the job an introspection.
    pub fn introspect(&mut self) {
        self.job.mode = Mode::Introspect;
        self.job.fence = 0;
        self.job.steps = Vec::new();
        self.job.change_sha256 = None;
        self.job.log = None;
    }

    pub fn root_envelope(&self) -> Outcome<Envelope> {
        let mut root = self.root.clone();
        root.environments.insert("production".to_owned(), self.production.clone());
        Ok(Envelope::around(&root)?.sign_ed25519(&key("root")))
    }

    /// Fills in the digests, signs everything and puts it into a message.
    pub fn seal(&self) -> Outcome<Delivery> {
        let root = self.root_envelope()?;
        let pin = RootRef { version: self.root.version, sha256: root.payload_sha256() };
        let mut change = self.change.clone();
        change.root = self.change_root.unwrap_or(pin);
        for step in change.steps.iter_mut().take(1) {
            step.sha256 = Sha256Digest::of(&self.sql);
        }
        let mut approved = Envelope::around(&change)?;
        for name in &self.approvals {
            approved = approved.sign_ed25519(&key(name));
        }
        for keyid in &self.passkey_approvals {
            approved = approved.with_signature(by_passkey(keyid));
        }
        let mut job = self.job.clone();
        job.change_sha256 = job.change_sha256.map(|_| approved.payload_sha256());
        let mut message =
            JobMessage::of(Envelope::around(&job)?.sign_ed25519(&key(self.dispatcher)))?;
        if job.mode.needs_change() {
            message.submission = self.submission(&change, approved.payload_sha256())?;
            message.delegations =
                self.delegations.iter().map(Envelope::around).collect::<Result<_, _>>()?;
            message.change = Some(approved);
            message.sql = Some(self.sql.clone());
        }
        let mut site = self.site.clone();
        site.root = pin;
        site.data_sources.values_mut().for_each(|source| *source = self.source.clone());
        Ok(Delivery {
            message,
            site,
            current: PinnedRoot::open(&root, &pin)?,
            moment: self.moment,
            journal: self.journal.clone(),
        })
    }

    fn submission(&self, change: &Change, sha256: Sha256Digest) -> Outcome<Option<Envelope>> {
        if self.submitters.is_empty() {
            return Ok(None);
        }
        let mut envelope = Envelope::around(&Submission {
            tenant: change.tenant.clone(),
            change_sha256: sha256,
            author: change.author.clone(),
            issued_at: change.issued_at,
        })?;
        for name in &self.submitters {
            envelope = envelope.sign_ed25519(&key(name));
        }
        Ok(Some(envelope))
    }
}

impl Delivery {
    pub fn judge(&self) -> Result<Verdict, Refusal> {
        judge(&self.message, &self.site, &self.current, &self.moment, &self.journal)
    }
}

pub fn environment() -> Environment {
    Environment {
        quorum: 2,
        requirements: vec![requirement("dba", 1)],
        max_validity_seconds: 86_400,
        author: AuthorRule::Signed,
        native_min: 1,
        policies: Some(vec![Sha256Digest::of(b"policy")]),
        allow_unbound_base: false,
        delegation: false,
        break_glass: None,
    }
}

fn root() -> Outcome<Root> {
    Ok(Root {
        tenant: "acme".parse()?,
        version: 3,
        issued_at: at(-86_400)?,
        expires: at(86_400)?,
        development: false,
        roles: Roles {
            root: RootKeys { keys: vec![trust_key("root")], threshold: 1 },
            dispatcher: DispatcherRole { epoch: 1, keys: vec![trust_key("dispatcher")] },
            people: vec![
                person("ada", &["ada"], &["dba", "reviewer"])?,
                person("bea", &["bea", "bea2"], &["dba"])?,
                person("cyd", &["cyd"], &["reviewer"])?,
                person("dan", &["dan"], &[])?,
            ],
        },
        environments: BTreeMap::new(),
        agent_authorities: Vec::new(),
        logs: Vec::new(),
    })
}

fn change() -> Outcome<Change> {
    Ok(Change {
        tenant: "acme".parse()?,
        change: format!("chg_{}", digits("change")).parse()?,
        revision: 1,
        author: person_id("ada")?,
        environment: "production".to_owned(),
        root: RootRef { version: 3, sha256: ZEROS.parse()? },
        issued_at: at(-60)?,
        not_after: at(3600)?,
        transition: Transition { from: Some(format!("pgfp1:{ZEROS}").parse()?), to: None },
        targets: Some(vec![Target {
            id: format!("dsc_{}", digits("orders")).parse()?,
            name: "orders".to_owned(),
        }]),
        selector: None,
        steps: vec![Step {
            ordinal: 1,
            sha256: ZEROS.parse()?,
            transactional: true,
            kind: StepKind::Forward,
        }],
        rollback: RollbackRule::Never,
        requirements: vec![requirement("dba", 1)],
        policy: PolicyRef { version: 1, sha256: Sha256Digest::of(b"policy") },
        break_glass: None,
    })
}
