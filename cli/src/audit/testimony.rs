//! Test evidence: a change of ada's that bob and cyd countersigned and an agent applied, to be spoilt one part at a time.

use super::blobs::Blobs;
use super::evidence::{AppliedRecord, ApprovalRecord, Evidence, FinishedRecord, JobRecord, Key};
use super::written_log::lock_grant;
use anyhow::Context as _;
use domain::approvals::{Opened, Signed};
use domain::identity::RootPublished;
use domain::ids::{AgentId, ApprovalId, ChangeId, DataSourceId, JobId, PrincipalId};
use domain::jobs::{self, Dispatched, Finished};
use domain::vocabulary::{self, Outcome, Start};
use ledger::{AgentAuthority, BlobRef, LogPolicy, Policy, RootPin, Writer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::collections::BTreeMap;
use trust::dsse::Envelope;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;
use trust::message::JobMessage;
use trust::statement::{
    AuthorRule, Change, Decision, DispatcherRole, Environment, Job, JobResult, LogPosition, Mode,
    Person, PolicyRef, RoleGrant, Roles, RollbackRule, Root, RootKeys, RootRef, Statement as _,
    Step, StepKind, StepOutcome, StepResult, Target, Transition, TrustKey,
};

pub const AGENT: &str = "spiffe://example.org/tenant/acme/agent/edge";
pub const TENANT: &str = "acme";
const ORIGIN: &str = "a.b";

/// Blobs in memory.
#[derive(Debug, Default)]
pub struct Memory(pub BTreeMap<Sha256Digest, Vec<u8>>);

impl Memory {
    fn put(&mut self, bytes: Vec<u8>, media_type: &str) -> BlobRef {
        let blob = BlobRef::of(&bytes, media_type);
        self.0.insert(blob.sha256, bytes);
        blob
    }
}

impl Blobs for Memory {
    fn stored(&self, blob: &BlobRef) -> Option<Vec<u8>> {
        self.0.get(&blob.sha256).cloned()
    }
}

/// Evidence and the policy that it is judged under.
pub struct Testimony {
    pub evidence: Evidence,
    pub blobs: Memory,
    pub pins: Vec<RootPin>,
    pub authorities: Vec<AgentAuthority>,
}

pub fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Sha256Digest::of(format!("cli test key {name}").as_bytes()).as_bytes())
}

pub fn person(name: &str) -> PrincipalId {
    PrincipalId::derived("principal", &[name])
}

fn at(seconds: i64) -> anyhow::Result<Timestamp> {
    Ok("2026-11-20T07:00:00.000000Z".parse::<Timestamp>()?.plus_seconds(seconds))
}

pub fn change_id() -> ChangeId {
    ChangeId::derived("change", &["1"])
}

fn job_id() -> JobId {
    JobId::derived("job", &["1"])
}

pub fn data_source() -> DataSourceId {
    DataSourceId::derived("data_source", &[TENANT, "shop"])
}

fn approval_key() -> Key {
    (TENANT.to_owned(), ApprovalId::derived("approval", &["1"]).to_string())
}

fn change_key() -> Key {
    (TENANT.to_owned(), change_id().to_string())
}

/// The schema afterwards.
fn fingerprint() -> String {
    format!("pgfp1:{}", Sha256Digest::of(b"after"))
}

fn job_key() -> Key {
    (TENANT.to_owned(), job_id().to_string())
}

fn root() -> anyhow::Result<Root> {
    let grant = || RoleGrant { role: "approver".to_owned(), environments: vec!["dev".to_owned()] };
    let holder = |name: &str| -> anyhow::Result<Person> {
        Ok(Person {
            person: person(name).to_string().parse()?,
            keys: vec![TrustKey::Ed25519(key(name).public())],
            roles: vec![grant()],
        })
    };
    let environment = Environment {
        quorum: 1,
        requirements: Vec::new(),
        max_validity_seconds: 7 * 86_400,
        author: AuthorRule::Asserted,
        native_min: 0,
        policies: Some(vec![Sha256Digest::of(b"policy")]),
        allow_unbound_base: true,
        delegation: false,
        break_glass: None,
    };
    Ok(Root {
        tenant: TENANT.parse()?,
        version: 1,
        issued_at: at(-60)?,
        expires: at(86_400)?,
        development: true,
        roles: Roles {
            root: RootKeys { keys: vec![TrustKey::Ed25519(key("root").public())], threshold: 1 },
            dispatcher: DispatcherRole {
                epoch: 1,
                keys: vec![TrustKey::Ed25519(key("dispatcher").public())],
            },
            people: vec![holder("ada")?, holder("bob")?, holder("cyd")?],
        },
        environments: BTreeMap::from([("dev".to_owned(), environment)]),
        agent_authorities: Vec::new(),
        logs: Vec::new(),
    })
}

fn manifest(root: RootRef) -> anyhow::Result<Change> {
    Ok(Change {
        tenant: TENANT.parse()?,
        change: change_id().to_string().parse()?,
        revision: 1,
        author: person("ada").to_string().parse()?,
        environment: "dev".to_owned(),
        root,
        issued_at: at(0)?,
        not_after: at(86_400)?,
        transition: Transition { from: None, to: None },
        targets: Some(vec![Target {
            id: data_source().to_string().parse()?,
            name: "shop".to_owned(),
        }]),
        selector: None,
        steps: vec![Step {
            ordinal: 1,
            sha256: Sha256Digest::of(b"select 1;"),
            transactional: true,
            kind: StepKind::Forward,
        }],
        rollback: RollbackRule::Never,
        requirements: Vec::new(),
        policy: PolicyRef { version: 1, sha256: Sha256Digest::of(b"policy") },
        break_glass: None,
    })
}

impl Testimony {
    pub fn new() -> anyhow::Result<Self> {
        let mut new = Self {
            evidence: Evidence::default(),
            blobs: Memory::default(),
            pins: Vec::new(),
            authorities: Vec::new(),
        };
        let root = new.publish_root()?;
        let change_sha256 = new.open_and_sign(root)?;
        new.run(root, change_sha256)?;
        let applied = AppliedRecord {
            job: job_id().to_string(),
            fingerprint: Some(fingerprint()),
            sequence: 12,
        };
        new.evidence.applied.insert(change_key(), applied);
        Ok(new)
    }

    fn publish_root(&mut self) -> anyhow::Result<RootRef> {
        let envelope = Envelope::around(&root()?)?.sign_ed25519(&key("root"));
        let reference = RootRef { version: 1, sha256: envelope.payload_sha256() };
        let blob = self.blobs.put(envelope.to_json()?, "application/json");
        let published = RootPublished { version: 1, sha256: reference.sha256, envelope: blob };
        self.evidence.roots.insert((TENANT.to_owned(), 1), published);
        self.pins = vec![RootPin { tenant: TENANT.parse()?, version: 1, sha256: reference.sha256 }];
        Ok(reference)
    }

    fn open_and_sign(&mut self, root: RootRef) -> anyhow::Result<Sha256Digest> {
        let bytes = manifest(root)?.to_payload()?;
        let change_sha256 = Sha256Digest::of(&bytes);
        let mut signed = Vec::new();
        for name in ["bob", "cyd"] {
            let envelope = Envelope::around_payload(Change::PAYLOAD_TYPE, bytes.clone());
            let envelope = envelope.sign_ed25519(&key(name));
            let signature = serde_json::to_value(envelope.signatures().first())?;
            let roles = vec!["approver".to_owned()];
            signed.push(Signed { person: person(name), roles, signature });
        }
        let opened = Opened {
            change: change_id(),
            revision: 1,
            data_source: data_source(),
            environment: "dev".to_owned(),
            author: person("ada"),
            manifest: self.blobs.put(bytes, Change::PAYLOAD_TYPE),
            change_sha256,
            root: vocabulary::RootRef { version: root.version, sha256: root.sha256 },
            policy: domain::policy::builtin_quorum(),
            stages: Vec::new(),
            start: Start::OnApproval,
            deadline: at(86_400)?,
        };
        let record =
            ApprovalRecord { opened: Some(opened), signed, granted: Some(8), rejections: vec![] };
        self.evidence.approvals.insert(approval_key(), record);
        Ok(change_sha256)
    }

    fn run(&mut self, root: RootRef, change_sha256: Sha256Digest) -> anyhow::Result<()> {
        let job = Envelope::around(&self.job(change_sha256)?)?.sign_ed25519(&key("dispatcher"));
        let job_sha256 = job.payload_sha256();
        let message = JobMessage::of(job)?.to_json()?;
        let result = JobResult {
            tenant: TENANT.parse()?,
            agent: AGENT.parse()?,
            data_source: data_source().to_string().parse()?,
            job: job_id().to_string().parse()?,
            attempt: 1,
            fence: 1,
            job_sha256,
            change_sha256: Some(change_sha256),
            root,
            mode: Mode::Migrate,
            outcome: trust::statement::Outcome::Succeeded,
            refusal: None,
            counted: Vec::new(),
            started_at: at(1)?,
            finished_at: at(2)?,
            steps: vec![StepResult {
                ordinal: 1,
                sha256: Sha256Digest::of(b"select 1;"),
                outcome: StepOutcome::Succeeded,
                rows: None,
                duration_ms: 12,
                sqlstate: None,
            }],
            fingerprint_before: None,
            fingerprint_after: Some(fingerprint().parse()?),
        };
        let envelope = self.sign_result(&result)?;
        let said = Finished {
            change: change_id(),
            mode: jobs::Mode::Migrate,
            attempt: 1,
            outcome: Outcome::Succeeded,
            refusal: None,
            sqlstate: None,
            fingerprint_before: None,
            fingerprint_after: Some(fingerprint()),
            root: None,
            counted: Vec::new(),
            started_at: at(1)?,
            finished_at: at(2)?,
            received_at: at(2)?,
            result: self.blobs.put(envelope.to_json()?, JobResult::PAYLOAD_TYPE),
            document: None,
        };
        let dispatched = Dispatched {
            change: change_id(),
            data_source: data_source(),
            agent: AgentId::derived("agent", &[TENANT, "edge"]),
            agent_name: "edge".to_owned(),
            mode: jobs::Mode::Migrate,
            attempt: 1,
            fence: 1,
            message: self.blobs.put(message, "application/json"),
            job_sha256,
            change_sha256: Some(change_sha256),
            not_after: at(86_400)?,
        };
        let finished = Some(FinishedRecord { said, sequence: 11, time: at(10)? });
        let record = JobRecord { dispatched: Some(dispatched), finished };
        self.evidence.jobs.insert(job_key(), record);
        Ok(())
    }

    /// The job, signed because of the lock grant that the log holds.
    fn job(&self, change_sha256: Sha256Digest) -> anyhow::Result<Job> {
        let (sequence, hash) = lock_grant(self)?;
        let hash = hash.to_string().parse()?;
        Ok(Job {
            tenant: TENANT.parse()?,
            job: job_id().to_string().parse()?,
            attempt: 1,
            fence: 1,
            dispatcher_epoch: 1,
            audience: AGENT.parse()?,
            data_source: data_source().to_string().parse()?,
            mode: Mode::Migrate,
            steps: vec![1],
            issued_at: at(0)?,
            not_after: at(86_400)?,
            change_sha256: Some(change_sha256),
            log: Some(LogPosition { origin: ORIGIN.parse()?, sequence, hash }),
        })
    }

    fn sign_result(&mut self, result: &JobResult) -> anyhow::Result<Envelope> {
        let valid = |params: &mut CertificateParams| {
            params.not_before = rcgen::date_time_ymd(2026, 11, 1);
            params.not_after = rcgen::date_time_ymd(2026, 11, 30);
        };
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        valid(&mut params);
        let issuer_key = KeyPair::generate()?;
        let spki = Sha256Digest::of(&rcgen::PublicKeyData::subject_public_key_info(&issuer_key));
        let issuer = CertifiedIssuer::self_signed(params, issuer_key)?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.subject_alt_names.push(SanType::URI(AGENT.try_into()?));
        valid(&mut params);
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &issuer)?;
        self.authorities = vec![AgentAuthority {
            trust_domain: "example.org".to_owned(),
            spki_sha256: spki,
            from: at(-86_400)?,
            until: at(86_400)?,
        }];
        let chain = [leaf.der().to_vec(), issuer.der().to_vec()];
        Ok(trust::result::sign(result, &key.serialize_der(), &chain)?)
    }

    pub fn policy(&self) -> anyhow::Result<Policy> {
        let writer = Writer { key: key("writer").public(), from_sequence: 1, to_sequence: None };
        Ok(Policy {
            format: ledger::policy::POLICY_FORMAT.to_owned(),
            logs: vec![LogPolicy {
                origin: ORIGIN.parse()?,
                keys: Vec::new(),
                writers: vec![writer],
                witnesses: Vec::new(),
                witness_quorum: 0,
                max_merge_delay_seconds: 60,
                gaps: Vec::new(),
            }],
            roots: self.pins.clone(),
            agent_authorities: self.authorities.clone(),
        })
    }

    pub fn approval(&mut self) -> &mut ApprovalRecord {
        self.evidence.approvals.entry(approval_key()).or_default()
    }

    /// Somebody rejected it by this envelope.
    pub fn reject(&mut self, envelope: &[u8]) {
        let blob = self.blobs.put(envelope.to_vec(), Decision::PAYLOAD_TYPE);
        self.approval().rejections.push(blob);
    }

    pub fn dispatched(&mut self) -> anyhow::Result<&mut Dispatched> {
        let record = self.evidence.jobs.get_mut(&job_key());
        record.and_then(|record| record.dispatched.as_mut()).context("a job")
    }

    pub fn finished(&mut self) -> anyhow::Result<&mut FinishedRecord> {
        let record = self.evidence.jobs.get_mut(&job_key());
        record.and_then(|record| record.finished.as_mut()).context("a result")
    }

    pub fn applied(&mut self) -> anyhow::Result<&mut AppliedRecord> {
        self.evidence.applied.get_mut(&change_key()).context("an applied change")
    }

    /// The server puts another manifest under the same signatures.
    pub fn replace_manifest(&mut self, change: impl FnOnce(&mut Change)) -> anyhow::Result<()> {
        let opened = self.approval().opened.clone().context("an approval")?;
        let bytes = self.blobs.stored(&opened.manifest).context("a manifest")?;
        let mut manifest = Change::parse(&bytes)?;
        change(&mut manifest);
        let bytes = manifest.to_payload()?;
        let change_sha256 = Sha256Digest::of(&bytes);
        let manifest = self.blobs.put(bytes, Change::PAYLOAD_TYPE);
        self.approval().opened = Some(Opened { manifest, change_sha256, ..opened });
        Ok(())
    }
}
