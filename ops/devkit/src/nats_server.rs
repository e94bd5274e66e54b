//! nats-server as a child process: mTLS by SVID, accounts LOG, CTL and AGENTS, `JetStream` on disk.

mod configuration;
mod permissions;

pub(crate) use configuration::Member;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nats::NameError;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::children::{Child, ChildError, Program};
use crate::folder::{self, FolderError};
use crate::identities;
use crate::ports;
use crate::spiffe::{Authority, AuthorityError};

const PATIENCE: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(10);
const RELOADED: &str = "Reloaded server configuration";
/// A start that lost its port to another process is tried again on another one.
const PORT_ATTEMPTS: u32 = 5;

/// Why nats-server does not run as it should.
#[derive(Debug, thiserror::Error)]
pub enum NatsServerError {
    /// Its folder cannot be used.
    #[error("cannot keep the folder of nats-server")]
    Folder(#[from] FolderError),
    /// It has no SVID.
    #[error("cannot issue the SVID of nats-server")]
    Authority(#[from] AuthorityError),
    /// A tenant, agent or shard name that must not reach its configuration.
    #[error("cannot configure nats-server")]
    Name(#[from] NameError),
    /// The list of agents is damaged.
    #[error("{} is not readable", path.display())]
    Agents {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The process failed.
    #[error("nats-server does not run")]
    Child(#[from] ChildError),
}

/// An agent whose SPIFFE ID may connect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Agent {
    /// Tenant slug.
    pub tenant: String,
    /// Agent name.
    pub name: String,
}

/// When a stored message is on the disk rather than in the machine's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncInterval {
    /// The server's own default: every two minutes.
    #[default]
    Default,
    /// Before it is acknowledged (`sync_interval: always`).
    Always,
}

/// A running nats-server.
#[derive(Debug)]
pub struct NatsServer {
    binary: PathBuf,
    folder: PathBuf,
    shard: String,
    port: u16,
    agents: Vec<Agent>,
    sync: SyncInterval,
    member: Option<Member>,
    child: Child,
}

impl NatsServer {
    /// Starts `binary` on a loopback port that `folder` remembers, with its streams in `folder`.
    /// Ready means that it accepts connections.
    pub async fn start(
        binary: &Path,
        folder: &Path,
        authority: &Authority,
        shard: &str,
    ) -> Result<Self, NatsServerError> {
        Self::start_syncing(binary, folder, authority, shard, SyncInterval::Default).await
    }

    /// As [`NatsServer::start`], with another `sync_interval`.
    pub async fn start_syncing(
        binary: &Path,
        folder: &Path,
        authority: &Authority,
        shard: &str,
        sync: SyncInterval,
    ) -> Result<Self, NatsServerError> {
        Self::start_as(binary, folder, authority, shard, (sync, None)).await
    }

    /// As [`NatsServer::start_syncing`], as one node of a cluster if there is one.
    pub(crate) async fn start_as(
        binary: &Path,
        folder: &Path,
        authority: &Authority,
        shard: &str,
        (sync, member): (SyncInterval, Option<Member>),
    ) -> Result<Self, NatsServerError> {
        folder::make(folder, 0o700)?;
        let id = identities::service(identities::NATS)?;
        // It lives as long as the authority, so that no reload is needed for it.
        let svid = authority.issue(&id, Duration::from_hours(365 * 24))?;
        folder::write_private(&folder.join("svid.pem"), svid.certificate_pem.as_bytes())?;
        folder::write_private(&folder.join("svid.key"), svid.key_pem.as_bytes())?;
        folder::write_private(&folder.join("bundle.pem"), authority.certificate_pem().as_bytes())?;
        let agents = load_agents(folder)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let port = ports::remembered(&folder.join("port"))?;
            configure(folder, port, shard, &agents, (sync, member.as_ref()))?;
            match launch(binary, folder, port).await {
                Ok(child) => {
                    let (binary, folder) = (binary.to_owned(), folder.to_owned());
                    let shard = shard.to_owned();
                    return Ok(Self { binary, folder, shard, port, agents, sync, member, child });
                }
                Err(error) if attempts == PORT_ATTEMPTS || ports::is_free(port) => {
                    return Err(error.into());
                }
                Err(_) => tracing::info!(port, "the port was taken meanwhile: another one"),
            }
        }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Where its streams lie on disk.
    pub fn store(&self) -> PathBuf {
        self.folder.join("jetstream")
    }

    /// Lets an agent connect from now on. Connected clients stay connected.
    pub async fn admit(&mut self, agent: Agent) -> Result<(), NatsServerError> {
        if self.agents.contains(&agent) {
            return Ok(());
        }
        permissions::agent(&agent.tenant, &agent.name)?;
        self.agents.push(agent);
        self.agents.sort();
        self.reload().await
    }

    /// Disconnects an agent and refuses it from now on.
    pub async fn dismiss(&mut self, agent: &Agent) -> Result<(), NatsServerError> {
        let before = self.agents.len();
        self.agents.retain(|admitted| admitted != agent);
        if self.agents.len() == before {
            return Ok(());
        }
        self.reload().await
    }

    /// Stops it in order.
    pub async fn stop(&self) -> ExitStatus {
        self.child.stop(GRACE).await
    }

    /// `kill -9`, then a start on the same port and data.
    pub async fn crash(&mut self) -> Result<(), NatsServerError> {
        self.child.kill().await;
        self.start_again().await
    }

    /// Starts the process that has ended again, on the same port and data.
    pub(crate) async fn start_again(&mut self) -> Result<(), NatsServerError> {
        self.child = launch(&self.binary, &self.folder, self.port).await?;
        Ok(())
    }

    async fn reload(&self) -> Result<(), NatsServerError> {
        let path = self.folder.join("agents.json");
        let text = serde_json::to_vec_pretty(&self.agents)
            .map_err(|source| NatsServerError::Agents { path: path.clone(), source })?;
        folder::write_private(&path, &text)?;
        let kind = (self.sync, self.member.as_ref());
        configure(&self.folder, self.port, &self.shard, &self.agents, kind)?;
        let count = || self.child.log_text().matches(RELOADED).count();
        let before = count();
        self.child.signal(Signal::SIGHUP);
        self.child.until(PATIENCE, || async { (count() > before).then_some(()) }).await?;
        Ok(())
    }
}

fn load_agents(folder: &Path) -> Result<Vec<Agent>, NatsServerError> {
    let path = folder.join("agents.json");
    let Some(text) = folder::read(&path)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|source| NatsServerError::Agents { path, source })
}

fn configure(
    folder: &Path,
    port: u16,
    shard: &str,
    agents: &[Agent],
    (sync, member): (SyncInterval, Option<&Member>),
) -> Result<(), NatsServerError> {
    let facts = configuration::Facts { folder, port, shard, agents, sync, member };
    let text = configuration::render(&facts)?;
    Ok(folder::write_private(&folder.join("nats.conf"), text.as_bytes())?)
}

async fn launch(binary: &Path, folder: &Path, port: u16) -> Result<Child, ChildError> {
    let child = Program::new("nats-server", binary, folder.join("nats.log"))
        .argument("-c")
        .argument(folder.join("nats.conf"))
        .spawn()?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let ready = || async {
        // The log, too: someone else may listen on the port.
        let connected = tokio::net::TcpStream::connect(address).await.is_ok();
        (connected && child.log_text().contains("Server is ready")).then_some(())
    };
    child.until(PATIENCE, ready).await?;
    Ok(child)
}
