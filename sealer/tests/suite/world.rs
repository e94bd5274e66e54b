//! A real nats-server with an open log, an archive folder, and sealers as processes of their own.

use crate::witness::Witness;
use anyhow::Context as _;
use archive::{Archive, ObjectName};
use bytes::Bytes;
use devkit::identities::{COMMAND_API, LOG_OPERATOR, NATS, SEALER, TRUST_DOMAIN, service};
use devkit::stack::SHARD;
use devkit::{Child, Options, Program, Stack};
use domain::agents::{Agent, AgentCommand, Enrolled};
use domain::changes::{Change, ChangeCommand, Draft};
use domain::ids::{AgentId, ChangeId, CommandId, DataSourceId, PrincipalId};
use domain::issued::{Actor, ActorKind, Auth};
use domain::vocabulary::{Start, Step};
use event_log::{Checkpoints, EventLog, Reader, Request, Target, open_log};
use ledger::{
    CheckpointNote, LogIdentity, LogPolicy, Origin, RequestDigest, Tree, VerifiedCheckpoint, Writer,
};
use nats::{rebuild, subjects};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use trust::encoding::Sha256Digest;
use trust::keys::PrivateKey;

pub const ORIGIN: &str = "sealed.log";
/// What a draft would run.
pub const SQL: &[u8] = b"select 1";
const TENANT: &str = "acme";
const PATIENCE: Duration = Duration::from_mins(1);

/// Signs commits.
pub fn writer() -> PrivateKey {
    PrivateKey::from_seed(&[3; 32])
}

/// Signs checkpoints.
pub fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

pub fn origin() -> anyhow::Result<Origin> {
    Ok(ORIGIN.parse()?)
}

pub fn identity() -> anyhow::Result<LogIdentity> {
    let writers = vec![Writer { key: writer().public(), from_sequence: 1, to_sequence: None }];
    Ok(LogIdentity { origin: origin()?, shard: SHARD.parse()?, writers, gaps: Vec::new() })
}

/// What a verifier trusts.
pub fn policy() -> anyhow::Result<LogPolicy> {
    Ok(LogPolicy {
        origin: origin()?,
        keys: vec![log_key().public().into()],
        writers: identity()?.writers,
        witnesses: Vec::new(),
        witness_quorum: 0,
        max_merge_delay_seconds: 60,
        gaps: Vec::new(),
    })
}

fn request(name: &str) -> anyhow::Result<Request> {
    let command = CommandId::derived("command", &[name]);
    let id = PrincipalId::derived("principal", &["ada"]);
    Ok(Request {
        command,
        kind: "test".to_owned(),
        digest: RequestDigest::of(name.as_bytes()),
        actor: Actor { kind: ActorKind::Person, id, auth: Auth::Token },
        at: "2026-11-20T07:00:00.000000Z".parse()?,
        correlation_id: command.to_string(),
        causation_id: None,
        traceparent: "00-00000000000000000000000000000001-0000000000000001-01".to_owned(),
        expected_version: None,
    })
}

/// Everything that stays when sealers come and go.
pub struct World {
    pub stack: Stack,
    pub log: EventLog,
    pub reader: Reader,
    pub folder: TempDir,
    pub archive_dir: PathBuf,
}

impl World {
    pub async fn new() -> anyhow::Result<Self> {
        chassis::process::install_crypto();
        Self::over(Stack::start(Options::default()).await?).await
    }

    /// A world whose log can lose messages: its stream denies no deletes.
    pub async fn that_forgets() -> anyhow::Result<Self> {
        chassis::process::install_crypto();
        let stack = Stack::start(Options::default()).await?;
        let operator = stack.connect_service(LOG_OPERATOR).await?;
        operator.jetstream().delete_stream(subjects::log_stream(SHARD)?).await?;
        rebuild::begin(&operator, SHARD, 1, true).await?;
        Self::over(stack).await
    }

    async fn over(stack: Stack) -> anyhow::Result<Self> {
        let connection = stack.connect_service(COMMAND_API).await?;
        let opening = request("open")?;
        open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
        let folder = tempfile::tempdir()?;
        Self::opened(stack, folder).await
    }

    /// On a log that is open already.
    pub async fn opened(stack: Stack, folder: TempDir) -> anyhow::Result<Self> {
        let connection = stack.connect_service(COMMAND_API).await?;
        let log = EventLog::open(&connection, identity()?, writer()).await?;
        let reader = Reader::new(&stack.connect_service(SEALER).await?, identity()?);
        let archive_dir = folder.path().join("archive");
        std::fs::create_dir(&archive_dir)?;
        let world = Self { stack, log, reader, folder, archive_dir };
        world.use_log_key(&log_key())?;
        Ok(world)
    }

    /// Sealers that start from now on sign with this key.
    pub fn use_log_key(&self, key: &PrivateKey) -> anyhow::Result<()> {
        let path = self.folder.path().join("log.pem");
        devkit::folder::write_private(&path, key.to_pem()?.as_bytes())?;
        Ok(())
    }

    pub fn archive(&self) -> anyhow::Result<Archive> {
        Ok(Archive::in_folder(&self.archive_dir, &origin()?)?)
    }

    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::of(&self.reader)
    }

    /// Appends one commit.
    pub async fn append(&self, name: &str) -> anyhow::Result<u64> {
        let id = AgentId::derived("agent", &[TENANT, name]).to_string();
        let target = Target { tenant: TENANT.to_owned(), id };
        let (name, spiffe_id) = (name.to_owned(), "spiffe://a/b".to_owned());
        let command = AgentCommand::Enroll(Enrolled { name: name.clone(), spiffe_id });
        let answered = self.log.execute::<Agent, _>(&target, command, &request(&name)?).await?;
        Ok(answered.commit.sequence)
    }

    /// Appends a commit that names a blob.
    pub async fn draft(&self, name: &str) -> anyhow::Result<u64> {
        let sql = Bytes::from_static(SQL);
        let sha256 = Sha256Digest::of(SQL);
        let draft = ChangeCommand::Draft(Draft {
            data_source: DataSourceId::derived("data_source", &[TENANT, "orders"]),
            environment: "production".to_owned(),
            title: name.into(),
            reason: None,
            sql: self.log.put_blob(TENANT, sql, "application/sql").await?,
            steps: vec![Step { ordinal: 1, sha256, transactional: true }],
            start: Start::OnRelease,
            submit: false,
        });
        let id = ChangeId::derived("change", &[TENANT, name]).to_string();
        let target = Target { tenant: TENANT.to_owned(), id };
        let answered = self.log.execute::<Change, _>(&target, draft, &request(name)?).await?;
        Ok(answered.commit.sequence)
    }

    /// Appends `count` commits, and answers the last sequence.
    pub async fn grow(&self, prefix: &str, count: usize) -> anyhow::Result<u64> {
        let mut last = 0;
        for n in 0..count {
            last = self.append(&format!("{prefix}-{n}")).await?;
        }
        Ok(last)
    }

    /// Starts a sealer as a process of its own. `name` names its log file.
    pub fn sealer(&self, name: &str) -> anyhow::Result<Child> {
        self.sealer_over(name, &self.archive_dir)
    }

    /// As [`Self::sealer`], with another archive.
    pub fn sealer_over(&self, name: &str, archive: &std::path::Path) -> anyhow::Result<Child> {
        self.sealer_before(name, archive, 0, &[])
    }

    /// As [`Self::sealer`], after another key of the log signed up to size `last`.
    pub fn sealer_after(&self, name: &str, old: &PrivateKey, last: u64) -> anyhow::Result<Child> {
        let spki = old.public();
        let more = format!("[[previous_keys]]\nspki = \"{spki}\"\nto_size = {last}\n");
        self.started(name, &self.archive_dir, 0, &more)
    }

    /// As [`Self::sealer_over`], with witnesses of whom so many must cosign.
    pub fn sealer_before(
        &self,
        name: &str,
        archive: &std::path::Path,
        quorum: usize,
        witnesses: &[&Witness],
    ) -> anyhow::Result<Child> {
        let mut more = String::new();
        for witness in witnesses {
            writeln!(
                more,
                "[[witness]]\nname = \"{}\"\nspki = \"{}\"\nurl = \"{}\"",
                witness.name,
                witness.key.public(),
                witness.reached(),
            )?;
        }
        self.started(name, archive, quorum, &more)
    }

    fn started(
        &self,
        name: &str,
        archive: &std::path::Path,
        quorum: usize,
        more: &str,
    ) -> anyhow::Result<Child> {
        let folder = self.folder.path();
        let text = format!(
            "witness_quorum = {quorum}\ngap_patience_seconds = 1\ndevelopment = true\nnats_url = \"{}\"\nnats_id = \"{}\"\nlog_key_file = \"{}\"\n\
             [archive]\nurl = \"file://{}\"\n\
             [process]\nops_listen = \"127.0.0.1:0\"\nspiffe_socket = \"{}\"\ntrust_domain = \"{TRUST_DOMAIN}\"\nlog_format = \"json\"\n\
             [log]\norigin = \"{ORIGIN}\"\nshard = \"{SHARD}\"\n\
             [[log.writers]]\nspki = \"{}\"\nfrom_sequence = 1\n{more}",
            self.stack.nats_url(),
            service(NATS)?,
            folder.join("log.pem").display(),
            archive.display(),
            self.stack.service_endpoint(SEALER)?,
            writer().public(),
        );
        let config = folder.join(format!("{name}.toml"));
        devkit::folder::write_private(&config, text.as_bytes())?;
        self.sealer_of(name)
    }

    /// Starts a sealer on the configuration that is there.
    pub fn sealer_of(&self, name: &str) -> anyhow::Result<Child> {
        let folder = self.folder.path();
        let config = folder.join(format!("{name}.toml"));
        let path = PathBuf::from(env!("CARGO_BIN_EXE_sealer"));
        let program = Program::new(name, path, folder.join(format!("{name}.log")));
        let program = program.without_environment().argument("--config").argument(config);
        Ok(program.spawn()?)
    }

    /// Loses a message, as a disk would.
    pub async fn lose(&self, sequence: u64) -> anyhow::Result<()> {
        let operator = self.stack.connect_service(LOG_OPERATOR).await?;
        rebuild::leave_out(&operator, SHARD, sequence).await?;
        Ok(())
    }

    /// The newest checkpoint in the stream, verified.
    pub async fn sealed(&self) -> anyhow::Result<Option<VerifiedCheckpoint>> {
        let Some(newest) = self.checkpoints().newest().await? else { return Ok(None) };
        Ok(Some(CheckpointNote::parse(&newest.note)?.verify(&policy()?)?))
    }

    /// Waits until a checkpoint covers a sequence, and the archive shows it.
    pub async fn until_sealed(&self, child: &Child, sequence: u64) -> anyhow::Result<u64> {
        let archive = self.archive()?;
        let sealed = child.until(PATIENCE, || async {
            let size = self.sealed().await.ok()??.checkpoint().size;
            let name = ObjectName::Note { size };
            (size >= sequence && archive.exists(&name).await.ok()?).then_some(size)
        });
        Ok(sealed.await?)
    }

    /// The tree over what the log really holds, with its root at every size.
    pub async fn roots(&self) -> anyhow::Result<Vec<ledger::NodeHash>> {
        let (mut tree, mut roots) = (Tree::empty(), vec![ledger::NodeHash::EMPTY]);
        loop {
            let messages = self.reader.stored_after(tree.size(), 256).await?;
            if messages.is_empty() {
                return Ok(roots);
            }
            for message in messages {
                let hash = ledger::CommitHash::of(&message.payload);
                tree.push(message.sequence, &hash)?;
                roots.push(tree.root());
            }
        }
    }

    /// Every checkpoint of the archive is one of the log as it is: of its size, and of its root at that size.
    pub async fn check_archive(&self) -> anyhow::Result<Vec<u64>> {
        let (archive, roots) = (self.archive()?, self.roots().await?);
        let sizes = archive.checkpoint_sizes(None).await?;
        for size in &sizes {
            let bytes = archive.get(&ObjectName::Note { size: *size }).await?.context("a note")?;
            let head = CheckpointNote::parse(&bytes)?.verify(&policy()?)?.head();
            anyhow::ensure!(head.size == *size, "a note of another size at {size}");
            let root = usize::try_from(*size).ok().and_then(|size| roots.get(size));
            anyhow::ensure!(root == Some(&head.root), "a note of another log at {size}");
        }
        Ok(sizes)
    }
}
