//! A log with an archive, a witness and a sealer as processes of their own, and what an operator does to its streams.

use super::memory::Seen;
use anyhow::{Context as _, ensure};
use archive::{Archive, ObjectName};
use bytes::Bytes;
use devkit::identities::{COMMAND_API, LOG_RESTORER, NATS, SEALER, TRUST_DOMAIN, service};
use devkit::stack::SHARD;
use devkit::workspace::Binaries;
use devkit::{Child, Options, Program, Stack};
use domain::agents::{Agent, AgentCommand, Enrolled};
use domain::ids::{AgentId, CommandId, PrincipalId};
use domain::issued::{Actor, ActorKind, Auth};
use event_log::{Checkpoints, EventLog, Reader, Request, Restorer, Target, open_log, stored};
use fastrand::Rng;
use ledger::{
    CheckpointNote, CommitHash, LogIdentity, LogPolicy, NodeHash, Policy, RequestDigest, Sizes,
    Tree, Witness, Writer,
};
use nats::{Connection, StoredMessage, batch, rebuild, subjects};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use trust::keys::PrivateKey;

const ORIGIN: &str = "storm.log";
const WITNESS: &str = "storm.witness";
const TENANT: &str = "acme";
const PATIENCE: Duration = Duration::from_mins(1);

/// What `archive restore -o json` says.
#[derive(Debug, Deserialize)]
pub struct Restored {
    #[serde(rename = "restored")]
    pub messages: u64,
    pub unsealed: u64,
    pub checkpoint_size: u64,
}

/// Everything that stays when sealers come and go.
pub struct SealedLog {
    stack: Stack,
    binaries: Arc<Binaries>,
    log: EventLog,
    reader: Reader,
    restorer: Connection,
    archive: Archive,
    _witness: Child,
    witness_url: String,
    number: u64,
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn identity() -> anyhow::Result<LogIdentity> {
    let writers = vec![Writer { key: key(3).public(), from_sequence: 1, to_sequence: None }];
    Ok(LogIdentity { origin: ORIGIN.parse()?, shard: SHARD.parse()?, writers, gaps: Vec::new() })
}

fn policy() -> anyhow::Result<LogPolicy> {
    let witness = Witness { name: WITNESS.to_owned(), key: key(9).public(), sizes: Sizes::ALL };
    Ok(LogPolicy {
        origin: ORIGIN.parse()?,
        keys: vec![key(7).public().into()],
        writers: identity()?.writers,
        witnesses: vec![witness],
        witness_quorum: 1,
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

impl SealedLog {
    pub async fn new() -> anyhow::Result<Self> {
        let binaries = Binaries::build(&["countersign-cli", "countersign-sealer"], &[]).await?;
        let stack = Stack::start(Options::default()).await?;
        let connection = stack.connect_service(COMMAND_API).await?;
        open_log(&connection, identity()?, &key(3), "0".repeat(64), &request("open")?).await?;
        let log = EventLog::open(&connection, identity()?, key(3)).await?;
        let reader = Reader::new(&stack.connect_service(SEALER).await?, identity()?);
        let restorer = stack.connect_service(LOG_RESTORER).await?;
        let folder = stack.data_dir().to_owned();
        let archive_dir = folder.join("archive");
        std::fs::create_dir(&archive_dir)?;
        let archive = Archive::in_folder(&archive_dir, &ORIGIN.parse()?)?;
        for (name, seed) in [("log.pem", 7), ("witness.pem", 9)] {
            devkit::folder::write_private(&folder.join(name), key(seed).to_pem()?.as_bytes())?;
        }
        let (witness, witness_url) = witness(&binaries, &folder).await?;
        let new = Self {
            stack,
            binaries,
            log,
            reader,
            restorer,
            archive,
            _witness: witness,
            witness_url,
            number: 0,
        };
        new.write_files()?;
        Ok(new)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.stack.data_dir().join(name)
    }

    fn write_files(&self) -> anyhow::Result<()> {
        let (url, nats_id) = (self.stack.nats_url(), service(NATS)?);
        let archive = self.path("archive");
        let archive = format!("[archive]\nurl = \"file://{}\"\n", archive.display());
        let nats = format!("nats_url = \"{url}\"\nnats_id = \"{nats_id}\"\n");
        let (writer, witness) = (key(3).public(), key(9).public());
        let sealer = format!(
            "witness_quorum = 1\nlog_key_file = \"{}\"\n{nats}{archive}\
             [process]\nops_listen = \"127.0.0.1:0\"\nspiffe_socket = \"{}\"\ntrust_domain = \"{TRUST_DOMAIN}\"\nlog_format = \"json\"\n\
             [log]\norigin = \"{ORIGIN}\"\nshard = \"{SHARD}\"\n\
             [[log.writers]]\nspki = \"{writer}\"\nfrom_sequence = 1\n\
             [[witness]]\nname = \"{WITNESS}\"\nspki = \"{witness}\"\nurl = \"{}\"\n",
            self.path("log.pem").display(),
            self.stack.service_endpoint(SEALER)?,
            self.witness_url,
        );
        let restore = format!(
            "origin = \"{ORIGIN}\"\nshard = \"{SHARD}\"\nreplicas = 1\n{nats}spiffe_socket = \"{}\"\n\
             trust_domain = \"{TRUST_DOMAIN}\"\n{archive}",
            self.stack.service_endpoint(LOG_RESTORER)?,
        );
        let policy = Policy {
            format: ledger::policy::POLICY_FORMAT.to_owned(),
            logs: vec![policy()?],
            roots: Vec::new(),
            agent_authorities: Vec::new(),
        };
        for (name, text) in [("sealer.toml", sealer.into_bytes()), ("restore.toml", restore.into())]
            .into_iter()
            .chain([("policy.json", policy.encode()?)])
        {
            devkit::folder::write_private(&self.path(name), &text)?;
        }
        Ok(())
    }

    /// Starts a sealer.
    pub fn sealer(&self) -> anyhow::Result<Child> {
        let log = self.path("sealer.log");
        // Each has a log of its own.
        if log.exists() {
            std::fs::remove_file(&log)?;
        }
        let program = Program::new("sealer", self.binaries.path("sealer")?, log);
        let program = program.without_environment().argument("--config");
        Ok(program.argument(self.path("sealer.toml")).spawn()?)
    }

    /// Starts a restore.
    pub fn restore(&self) -> anyhow::Result<Child> {
        let program = self.binaries.path("countersign")?;
        let program = Program::new("restore", program, self.path("restore.log"));
        let program = program.without_environment().arguments(["archive", "restore"]);
        let program = program.argument(self.path("restore.toml")).argument("--policy");
        Ok(program.argument(self.path("policy.json")).spawn()?)
    }

    /// Restores to the end.
    pub async fn restored(&self) -> anyhow::Result<Restored> {
        let mut command = tokio::process::Command::new(self.binaries.path("countersign")?);
        command.args(["-o", "json", "archive", "restore"]).arg(self.path("restore.toml"));
        command.arg("--policy").arg(self.path("policy.json")).kill_on_drop(true);
        let output = command.output().await?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "a restore ended with {}: {told}", output.status);
        serde_json::from_slice(&output.stdout).context(told)
    }

    /// Appends for this long, a moment between two commits; how many were acknowledged.
    pub async fn grow(&mut self, random: &mut Rng, moment: Duration) -> anyhow::Result<u64> {
        let (until, mut appended) = (Instant::now() + moment, 0);
        while Instant::now() < until {
            self.number += 1;
            let name = format!("agent-{}", self.number);
            let id = AgentId::derived("agent", &[TENANT, &name]).to_string();
            let target = Target { tenant: TENANT.to_owned(), id };
            let request = request(&name)?;
            let spiffe_id = "spiffe://a/b".to_owned();
            let command = AgentCommand::Enroll(Enrolled { name, spiffe_id });
            self.log.execute::<Agent, _>(&target, command, &request).await?;
            appended += 1;
            tokio::time::sleep(Duration::from_millis(random.u64(0..25))).await;
        }
        Ok(appended)
    }

    /// Waits until a witnessed checkpoint is shown.
    pub async fn until_shown(&self) -> anyhow::Result<()> {
        let sealer = self.sealer()?;
        let shown =
            sealer.until(PATIENCE, || async { self.archive.newest_checkpoint().await.ok()? });
        shown.await?;
        sealer.kill().await;
        Ok(())
    }

    /// Waits until everything is sealed.
    pub async fn until_sealed(&self, sealer: &Child) -> anyhow::Result<()> {
        let last = self.reader.last_sequence().await?;
        let reached = sealer.until(PATIENCE, || async {
            let size = self.largest_checkpoint().await.ok()?;
            (size >= last).then_some(())
        });
        Ok(reached.await?)
    }

    /// The size of the largest signed note, wherever it is.
    pub async fn largest_checkpoint(&self) -> anyhow::Result<u64> {
        let archived = self.archive.checkpoint_sizes(None).await?.last().copied();
        let newest = Checkpoints::of(&self.reader).newest().await?;
        let streamed = match newest {
            Some(newest) => CheckpointNote::parse(&newest.note)?.claim().size,
            None => 0,
        };
        Ok(archived.unwrap_or_default().max(streamed))
    }

    /// Everything that the log holds.
    pub async fn messages(&self) -> anyhow::Result<Vec<StoredMessage>> {
        let mut all: Vec<StoredMessage> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message.sequence);
            let more = self.reader.stored_after(after, 256).await?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more);
        }
    }

    /// The root at every size of the log as it is.
    pub async fn roots(&self) -> anyhow::Result<Vec<NodeHash>> {
        let (mut tree, mut roots) = (Tree::empty(), vec![NodeHash::EMPTY]);
        for message in self.messages().await? {
            tree.push(message.sequence, &CommitHash::of(&message.payload))?;
            roots.push(tree.root());
        }
        Ok(roots)
    }

    /// The log's stream as an older copy of it.
    pub async fn set_back(&self, messages: &[StoredMessage]) -> anyhow::Result<()> {
        self.restorer.jetstream().delete_stream(subjects::log_stream(SHARD)?).await?;
        rebuild::begin(&self.restorer, SHARD, 1, false).await?;
        let restorer = Restorer::of(&Reader::new(&self.restorer, identity()?));
        for message in messages {
            restorer.put(&stored(message)).await?;
        }
        Ok(())
    }

    /// The stream of checkpoints as an older copy of it, perhaps an empty one.
    pub async fn set_checkpoints_back(&self, random: &mut Rng) -> anyhow::Result<()> {
        let notes = self.notes().await?;
        let keep = random.usize(..=notes.len());
        self.restorer.jetstream().delete_stream(subjects::checkpoints_stream(SHARD)?).await?;
        rebuild::begin(&self.restorer, SHARD, 1, false).await?;
        let checkpoints = Checkpoints::of(&Reader::new(&self.restorer, identity()?));
        let mut last = 0;
        for note in notes.into_iter().take(keep) {
            last = checkpoints.append(note, last).await?;
        }
        Ok(())
    }

    async fn notes(&self) -> anyhow::Result<Vec<Bytes>> {
        let (stream, subject) =
            (subjects::checkpoints_stream(SHARD)?, subjects::checkpoints(SHARD)?);
        let (mut notes, mut from) = (Vec::new(), 1);
        loop {
            let read = batch::messages_from(&self.restorer, &stream, &subject, from, 256).await?;
            let Some(last) = read.messages.last() else { return Ok(notes) };
            from = last.sequence + 1;
            notes.extend(read.messages.into_iter().map(|message| message.payload));
        }
    }

    /// Looks at every checkpoint there is.
    pub async fn look(&self, seen: &mut Seen) -> anyhow::Result<()> {
        let policy = policy()?;
        for note in self.notes().await? {
            seen.note("stream", &note, &policy);
        }
        for size in self.archive.checkpoint_sizes(None).await? {
            let note = self.archive.get(&ObjectName::Note { size }).await?.context("a note")?;
            seen.note("archive", &note, &policy);
        }
        if let Some(shown) = self.archive.newest_checkpoint().await? {
            seen.note("shown", &shown, &policy);
            CheckpointNote::parse(&shown)?.verify(&policy).context("what is shown")?;
        }
        Ok(())
    }

    /// As a command-api that was started anew.
    pub async fn reopen(&mut self) -> anyhow::Result<()> {
        let connection = self.stack.connect_service(COMMAND_API).await?;
        self.log = EventLog::open(&connection, identity()?, key(3)).await?;
        Ok(())
    }
}

/// What a witness says once it listens.
#[derive(Deserialize)]
struct Ready {
    url: String,
}

async fn witness(binaries: &Binaries, folder: &Path) -> anyhow::Result<(Child, String)> {
    let log = folder.join("witness.log");
    let program = Program::new("witness", binaries.path("countersign")?, log);
    let program = program.without_environment().arguments(["-o", "json", "witness"]);
    let program = program.argument("--key").argument(folder.join("witness.pem"));
    let known = format!("{ORIGIN}={}", key(7).public());
    let program = program.arguments(["--name", WITNESS, "--log", &known, "--state"]);
    let program = program.argument(folder.join("witness"));
    let child = program.arguments(["--listen", "127.0.0.1:0"]).spawn()?;
    let url = child.until(PATIENCE, || async {
        let text = child.log_text();
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Ready>(line).ok());
        lines.next().map(|ready| ready.url)
    });
    let url = url.await?;
    Ok((child, url))
}
