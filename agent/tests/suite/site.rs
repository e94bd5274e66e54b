//! A site with a database of its own, a pinned root whose keys the test holds, and an agent beside it.

use anyhow::Context as _;
use chassis::Clock;
use countersign_agent::answer::Answer;
use countersign_agent::config::Config;
use countersign_agent::target::{Target, TargetError};
use countersign_agent::worker::Worker;
use devkit::folder::Temporary;
use devkit::postgres::Postgres;
use devkit::preflight;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use trust::dsse::Envelope;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;
use trust::message::JobMessage;
use trust::names::{Fingerprint, PrincipalId};
use trust::spiffe::SpiffeId;
use trust::statement::{
    AuthorRule, Change, DispatcherRole, Environment, Job, JobResult, LogPosition, Mode, Person,
    PolicyRef, RoleGrant, Roles, RollbackRule, Root, RootKeys, RootRef, Statement as _, Step,
    StepKind, Target as ChangeTarget, Transition, TrustKey,
};

pub const SQL: &str = "create table orders (id bigint primary key);\n";

pub const DOMAIN: &str = devkit::identities::TRUST_DOMAIN;
/// What the agent is to its databases: their owner, not a superuser.
const ROLE: &str = "edge";
const PASSWORD: &str = "for tests";

/// One server for the whole test process; it dies with the process.
static POSTGRES: OnceCell<(Temporary, Postgres)> = OnceCell::const_new();

async fn postgres() -> anyhow::Result<&'static Postgres> {
    Ok(&POSTGRES.get_or_try_init(own_server).await?.1)
}

/// A server that nobody else uses.
pub async fn own_server() -> anyhow::Result<(Temporary, Postgres)> {
    let servers = preflight::setup(|_| {}).await?;
    let folder = Temporary::make()?;
    let started = Postgres::start(&servers.postgres, &folder.path().join("postgres"), true).await?;
    let role = format!("create role {ROLE} login createrole password '{PASSWORD}'");
    started.execute("postgres", &role).await?;
    Ok((folder, started))
}

pub fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Sha256Digest::of(format!("agent test key {name}").as_bytes()).as_bytes())
}

/// 26 digits of base 32 that a name leads to.
fn digits(name: &str) -> String {
    let hex = Sha256Digest::of(name.as_bytes()).to_string();
    format!("0{}", hex.chars().take(25).collect::<String>())
}

fn person_id(name: &str) -> anyhow::Result<PrincipalId> {
    Ok(format!("prn_{}", digits(name)).parse()?)
}

/// A session that the test holds itself.
pub struct Hand {
    pub client: tokio_postgres::Client,
    driver: tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

pub struct Site {
    pub folder: TempDir,
    pub database: String,
    pub url: String,
    pub config: Config,
    pub own: SpiffeId,
    pub worker: Worker,
    superuser_url: String,
    port: u16,
}

impl Site {
    /// A new database and an agent for it; `extra` goes into its `[[data_source]]`.
    pub async fn start(name: &str, extra: &str) -> anyhow::Result<Self> {
        Self::start_on(postgres().await?, name, extra).await
    }

    /// As [`Site::start`], on this server.
    pub async fn start_on(server: &Postgres, name: &str, extra: &str) -> anyhow::Result<Self> {
        server.create_database(name).await?;
        server.execute(name, &format!("alter database {name} owner to {ROLE}")).await?;
        let url = format!(
            "host=127.0.0.1 port={} user={ROLE} password='{PASSWORD}' dbname={name}",
            server.port()
        );
        let folder = tempfile::tempdir()?;
        let own = SpiffeId::of_agent(DOMAIN, "acme", "edge-1")?;
        let root = Envelope::around(&root()?)?.sign_ed25519(&key("root"));
        std::fs::write(folder.path().join("root-1.json"), root.to_json()?)?;
        let text = format!(
            "nats_url = 'tls://127.0.0.1:1'\ntenant = 'acme'\nname = 'edge-1'\n\
             state_dir = '{folder}/state'\n\
             [process]\nops_listen = '127.0.0.1:0'\ntrust_domain = '{DOMAIN}'\n\
             [root]\nfile = '{folder}/root-1.json'\nversion = 1\nsha256 = '{sha256}'\ndevelopment = true\n\
             [[data_source]]\nid = '{id}'\nname = 'orders'\nenvironment = 'production'\n\
             modes = ['introspect', 'migrate']\nurl_file = '{folder}/target.url'\n{extra}\n",
            folder = folder.path().display(),
            sha256 = root.payload_sha256(),
            id = source_id("orders"),
        );
        std::fs::write(folder.path().join("agent.toml"), text)?;
        let config: Config = chassis::config::load(&folder.path().join("agent.toml"))?;
        write_url(folder.path().join("target.url"), &url)?;
        let worker = Worker::open(&config, &own, Clock::system())?;
        let database = name.to_owned();
        let (superuser_url, port) = (server.url(name), server.port());
        Ok(Self { folder, database, url, config, own, worker, superuser_url, port })
    }

    /// The agent's process dies and another one starts.
    pub fn restart(self) -> anyhow::Result<Self> {
        drop(self.worker);
        let worker = Worker::open(&self.config, &self.own, Clock::system())?;
        Ok(Self { worker, ..self })
    }

    /// Where the agent connects to from now on.
    pub fn set_url(&self, url: &str) -> anyhow::Result<()> {
        write_url(self.folder.path().join("target.url"), url)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the database for the superuser, whose name is that of the journal's schema.
    pub fn superuser_url(&self) -> String {
        self.superuser_url.clone()
    }

    pub fn target(&self) -> anyhow::Result<Target> {
        Ok(Target::new(self.config.data_sources.first().context("a data source")?))
    }

    pub async fn hand(&self) -> anyhow::Result<Hand> {
        let (client, connection) =
            tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "the task ends with the test's session")]
        let driver = tokio::spawn(connection);
        Ok(Hand { client, driver })
    }

    pub async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.hand().await?.client.batch_execute(sql).await?)
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        Ok(self.hand().await?.client.query_one(sql, &[]).await?.try_get(0)?)
    }

    pub async fn has_table(&self, name: &str) -> anyhow::Result<bool> {
        let found = format!("select count(*) from pg_class where relname = '{name}'");
        Ok(self.number(&found).await? == 1)
    }

    pub async fn work(&self, message: &JobMessage) -> Result<Told, TargetError> {
        self.work_until(message, &CancellationToken::new()).await
    }

    pub async fn work_until(
        &self,
        message: &JobMessage,
        cancelled: &CancellationToken,
    ) -> Result<Told, TargetError> {
        let answer = self.worker.work(message, cancelled).await?;
        let result = JobResult::parse(&answer.payload)?;
        Ok(Told { answer, result })
    }

    pub async fn introspect(&self) -> anyhow::Result<Told> {
        let mut job = self.job("introspection", 1)?;
        job.mode = Mode::Introspect;
        (job.fence, job.steps, job.log, job.change_sha256) = (0, Vec::new(), None, None);
        Ok(self.work(&JobMessage::of(dispatched(&job)?)?).await?)
    }

    pub async fn fingerprint(&self) -> anyhow::Result<Fingerprint> {
        self.introspect().await?.result.fingerprint_after.context("a fingerprint")
    }

    /// A change of this SQL from the schema as it is.
    pub async fn change(&self, name: &str, sql: &str) -> anyhow::Result<Change> {
        let now = now();
        Ok(Change {
            tenant: "acme".parse()?,
            change: format!("chg_{}", digits(name)).parse()?,
            revision: 1,
            author: person_id("ada")?,
            environment: "production".to_owned(),
            root: self.config.root_pin(),
            issued_at: now.plus_seconds(-60),
            not_after: now.plus_seconds(3_600),
            transition: Transition { from: Some(self.fingerprint().await?), to: None },
            targets: Some(vec![ChangeTarget {
                id: source_id("orders").parse()?,
                name: "orders".to_owned(),
            }]),
            selector: None,
            steps: vec![Step {
                ordinal: 1,
                sha256: Sha256Digest::of(sql.as_bytes()),
                transactional: true,
                kind: StepKind::Forward,
            }],
            rollback: RollbackRule::Never,
            requirements: Vec::new(),
            policy: PolicyRef { version: 1, sha256: Sha256Digest::of(b"policy") },
            break_glass: None,
        })
    }

    /// A migrating job, as yet without its change.
    pub fn job(&self, name: &str, fence: u64) -> anyhow::Result<Job> {
        let now = now();
        Ok(Job {
            tenant: "acme".parse()?,
            job: format!("job_{}", digits(name)).parse()?,
            attempt: 1,
            fence,
            dispatcher_epoch: 1,
            audience: self.own.clone(),
            data_source: source_id("orders").parse()?,
            mode: Mode::Migrate,
            steps: vec![1],
            issued_at: now.plus_seconds(-1),
            not_after: now.plus_seconds(600),
            change_sha256: None,
            log: Some(LogPosition {
                origin: "log.example.org".parse()?,
                sequence: 12,
                hash: format!("blake3:{}", "0".repeat(64)).parse()?,
            }),
        })
    }

    /// A countersigned change as a job, the usual way.
    pub async fn message(&self, name: &str, sql: &str, fence: u64) -> anyhow::Result<JobMessage> {
        let change = self.change(name, sql).await?;
        sealed(&change, &["bea", "cyd"], self.job(name, fence)?, sql)
    }

    /// Runs a countersigned change.
    pub async fn migrate(&self, name: &str, sql: &str, fence: u64) -> anyhow::Result<Told> {
        Ok(self.work(&self.message(name, sql, fence).await?).await?)
    }
}

/// An answer and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub answer: Answer,
    pub result: JobResult,
}

impl Told {
    /// `succeeded`, `failed_clean 42P07`, `refused consumed`: what happened, in words.
    pub fn words(&self) -> String {
        let outcome = serde_json::to_value(self.result.outcome).unwrap_or_default();
        let outcome = outcome.as_str().unwrap_or_default().to_owned();
        let sqlstate = self.result.steps.iter().find_map(|step| step.sqlstate.clone());
        let refusal = self.result.refusal.map(|reason| reason.name().to_owned());
        [Some(outcome), refusal, sqlstate].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The change with these people's approvals, in a job of the dispatcher.
pub fn sealed(
    change: &Change,
    approvers: &[&str],
    mut job: Job,
    sql: &str,
) -> anyhow::Result<JobMessage> {
    let mut approved = Envelope::around(change)?;
    for name in approvers {
        approved = approved.sign_ed25519(&key(name));
    }
    job.change_sha256 = Some(approved.payload_sha256());
    let mut message = JobMessage::of(dispatched(&job)?)?;
    message.change = Some(approved);
    message.sql = Some(sql.as_bytes().to_vec());
    Ok(message)
}

pub fn dispatched(job: &Job) -> anyhow::Result<Envelope> {
    Ok(Envelope::around(job)?.sign_ed25519(&key("dispatcher")))
}

pub fn source_id(name: &str) -> String {
    format!("dsc_{}", digits(name))
}

pub fn now() -> Timestamp {
    Clock::system().now()
}

fn write_url(path: PathBuf, url: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(url.as_bytes())?)
}

fn person(name: &str) -> anyhow::Result<Person> {
    let environments = vec!["production".to_owned()];
    Ok(Person {
        person: person_id(name)?,
        keys: vec![TrustKey::Ed25519(key(name).public())],
        roles: vec![RoleGrant { role: "approver".to_owned(), environments }],
    })
}

fn root() -> anyhow::Result<Root> {
    let production = Environment {
        quorum: 1,
        requirements: Vec::new(),
        max_validity_seconds: 86_400,
        author: AuthorRule::Asserted,
        native_min: 0,
        policies: Some(vec![Sha256Digest::of(b"policy")]),
        allow_unbound_base: false,
        delegation: false,
        break_glass: None,
    };
    let native = |name: &str| vec![TrustKey::Ed25519(key(name).public())];
    Ok(Root {
        tenant: "acme".parse()?,
        version: 1,
        issued_at: now().plus_seconds(-60),
        expires: now().plus_seconds(86_400),
        development: true,
        roles: Roles {
            root: RootKeys { keys: native("root"), threshold: 1 },
            dispatcher: DispatcherRole { epoch: 1, keys: native("dispatcher") },
            people: vec![person("ada")?, person("bea")?, person("cyd")?],
        },
        environments: BTreeMap::from([("production".to_owned(), production)]),
        agent_authorities: Vec::new(),
        logs: Vec::new(),
    })
}

/// The pin of another root than the one in use.
pub fn other_pin(pin: RootRef) -> RootRef {
    RootRef { version: pin.version + 1, sha256: pin.sha256 }
}

/// Waits for a condition in the database.
pub async fn until(hand: &Hand, condition: &str) -> anyhow::Result<()> {
    let holds = async {
        loop {
            let row = hand.client.query_one(condition, &[]).await?;
            if row.try_get(0)? {
                return anyhow::Ok(());
            }
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, holds).await.context("the condition never held")?
}
