//! Real servers of one measurement, and the names and the key under which it writes.

use anyhow::Context as _;
use devkit::folder::for_sockets;
use devkit::identities::{COMMAND_API, LOG_OPERATOR, NATS, TRUST_DOMAIN, service};
use devkit::nats_server::{NatsServer, SyncInterval};
use devkit::spiffe::{Authority, WorkloadApi};
use devkit::stack::SHARD;
use devkit::{Options, Stack, preflight};
use domain::ids::PrincipalId;
use domain::issued::{Actor, ActorKind, Auth};
use ledger::{LogIdentity, Writer};
use nats::{Connection, streams, subjects};
use scenario::scratch::Scratch;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use trust::keys::PrivateKey;

/// The tenant of measurements with one.
pub const TENANT: &str = "acme";

/// The log's writer.
pub fn writer() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// The log.
pub fn identity() -> anyhow::Result<LogIdentity> {
    let writers = vec![Writer { key: writer().public(), from_sequence: 1, to_sequence: None }];
    Ok(LogIdentity {
        origin: "bench.log".parse()?,
        shard: SHARD.parse()?,
        writers,
        gaps: Vec::new(),
    })
}

/// Who acts.
pub fn actor() -> Actor {
    let id = PrincipalId::derived("principal", &["ada"]);
    Actor { kind: ActorKind::Person, id, auth: Auth::Token }
}

/// NATS with every stream and mirror, and `PostgreSQL` with `fsync`, on disk.
#[derive(Debug)]
pub struct Servers {
    stack: Stack,
    // Last: it goes after the servers have.
    _scratch: Scratch,
}

impl Servers {
    /// Starts them.
    pub async fn start(sync: SyncInterval) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let data_dir = Some(scratch.path().join("d"));
        let options = Options { data_dir, sync, ..Options::default() };
        Ok(Self { stack: Stack::start(options).await?, _scratch: scratch })
    }

    /// The servers.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// As the appender of the log.
    pub async fn appender(&self) -> anyhow::Result<Connection> {
        Ok(self.stack.connect_service(COMMAND_API).await?)
    }

    /// The URL of a new database.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.stack.postgres().create_database(name).await?)
    }

    /// Ends them in order.
    pub async fn stop(self) {
        self.stack.stop().await;
    }
}

/// A nats-server with the streams of the log, which nothing mirrors.
pub struct Unmirrored {
    server: NatsServer,
    workload_api: WorkloadApi,
    _scratch: Scratch,
}

impl Unmirrored {
    /// Starts it.
    pub async fn start(sync: SyncInterval) -> anyhow::Result<Self> {
        let servers = preflight::setup(|_| ()).await?;
        let scratch = Scratch::new()?;
        let authority = Authority::open(&scratch.path().join("authority.json"), TRUST_DOMAIN)?;
        let sockets = for_sockets(scratch.path())?;
        let life = Duration::from_hours(4);
        let workload_api = WorkloadApi::serve(&sockets, Arc::new(authority), life);
        let (binary, folder) = (&servers.nats_server, scratch.path().join("nats"));
        let authority = workload_api.authority();
        let server = NatsServer::start_syncing(binary, &folder, authority, SHARD, sync).await?;
        let started = Self { server, workload_api, _scratch: scratch };
        let operator = started.connect(LOG_OPERATOR).await?;
        streams::provision_log(&operator, SHARD, 1).await?;
        operator.close().await;
        Ok(started)
    }

    /// As the appender of the log.
    pub async fn appender(&self) -> anyhow::Result<Connection> {
        self.connect(COMMAND_API).await
    }

    async fn connect(&self, name: &str) -> anyhow::Result<Connection> {
        let (id, nats) = (service(name)?, service(NATS)?);
        let source = self.workload_api.source(&id).await?;
        let nats = nats.parse().context("the server's SPIFFE ID")?;
        let inbox = subjects::service_inbox(name)?;
        Ok(Connection::connect(&self.server.url(), &source, &nats, &inbox, &id).await?)
    }

    /// Ends it in order.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Resident memory of a process, bytes.
pub fn resident(pid: i32) -> anyhow::Result<u64> {
    proc_field(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The memory of a process with its part of what it shares with others, bytes.
pub fn proportional(pid: i32) -> anyhow::Result<u64> {
    proc_field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn proc_field(path: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.with_context(|| format!("{path} has no {name}"))?.parse()?;
    Ok(kib * 1024)
}

/// The processes whose parent is this one.
pub fn children_of(parent: i32) -> anyhow::Result<Vec<i32>> {
    let mut children = Vec::new();
    for entry in Path::new("/proc").read_dir()?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        // It may have ended meanwhile.
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if line.and_then(|line| line.trim().parse::<i32>().ok()) == Some(parent) {
            children.push(pid);
        }
    }
    Ok(children)
}
