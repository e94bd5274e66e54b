//! All real servers together: SPIFFE issuer, NATS with its streams, `PostgreSQL`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nats::{Connection, ConnectionError, NameError, ProvisionError, streams, subjects};

use crate::folder::{self, FolderError, Temporary};
use crate::identities;
use crate::nats_server::{Agent, NatsServer, NatsServerError, SyncInterval};
use crate::postgres::{Postgres, PostgresError};
use crate::preflight::{self, PreflightError, Servers};
use crate::spiffe::{Authority, AuthorityError, WorkloadApi, WorkloadApiError};

/// The only shard of a development log.
pub const SHARD: &str = "main";

/// Why the stack does not stand.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Servers are missing.
    #[error("the servers are not there")]
    Preflight(#[from] PreflightError),
    /// The data folder cannot be used.
    #[error("cannot keep the data folder")]
    Folder(#[from] FolderError),
    /// Another stack runs on this data folder.
    #[error("another process uses the data folder {}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The development authority cannot be opened.
    #[error("there is no SPIFFE issuer")]
    Authority(#[from] AuthorityError),
    /// An identity cannot be served.
    #[error("there is no Workload API")]
    WorkloadApi(#[from] WorkloadApiError),
    /// nats-server does not run.
    #[error("NATS does not stand")]
    Nats(#[from] NatsServerError),
    /// An operator cannot connect.
    #[error("cannot connect as {identity}")]
    Connect {
        /// The SPIFFE ID.
        identity: String,
        /// What happened.
        #[source]
        source: ConnectionError,
    },
    /// Streams cannot be made, or are others than wanted.
    #[error("the streams do not stand")]
    Provision(#[from] ProvisionError),
    /// A name that must not reach a subject.
    #[error("cannot name an identity")]
    Name(#[from] NameError),
    /// `PostgreSQL` does not run.
    #[error("PostgreSQL does not stand")]
    Postgres(#[from] PostgresError),
}

/// How to bring a stack up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data lives across restarts; `None` is a temporary folder that goes with the stack.
    pub data_dir: Option<PathBuf>,
    /// Faster, without durability against a crash of the machine. Implied by a temporary folder.
    pub ephemeral: bool,
    /// Life of an issued SVID; it is renewed after half of it.
    pub svid_ttl: Duration,
    /// Agents that may connect from the start, each with its durable.
    pub agents: Vec<Agent>,
    /// When nats-server has messages on the disk.
    pub sync: SyncInterval,
}

impl Default for Options {
    fn default() -> Self {
        let (svid_ttl, sync) = (Duration::from_hours(1), SyncInterval::default());
        Self { data_dir: None, ephemeral: false, svid_ttl, agents: Vec::new(), sync }
    }
}

/// The running servers. Dropping it kills them; [`Stack::stop`] ends them in order.
#[derive(Debug)]
pub struct Stack {
    nats: NatsServer,
    postgres: Postgres,
    workload_api: WorkloadApi,
    data_dir: PathBuf,
    agents_operator: Connection,
    _in_use: std::fs::File,
    // Last: the folder is removed after everything in it has ended.
    temporary: Option<Temporary>,
}

impl Stack {
    /// Installs what is missing and brings everything up: ready means that every stream exists and
    /// `PostgreSQL` answers.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let servers = preflight::setup(|line| tracing::warn!("{line}")).await?;
        Self::start_with(&servers, options).await
    }

    /// As [`Stack::start`], with servers that were found before.
    pub async fn start_with(servers: &Servers, options: Options) -> Result<Self, StackError> {
        Box::pin(Self::bring_up(servers, options)).await
    }

    async fn bring_up(servers: &Servers, options: Options) -> Result<Self, StackError> {
        let temporary = match options.data_dir {
            None => Some(Temporary::make()?),
            Some(_) => None,
        };
        let data_dir = match (&options.data_dir, &temporary) {
            (Some(given), _) => {
                std::path::absolute(given).map_err(folder::failed("find", given))?
            }
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => crate::default_data_dir(),
        };
        let ephemeral = options.ephemeral || temporary.is_some();
        // Root's PostgreSQL runs as another user, who has to get through.
        let mode = if crate::environment::is_root() { 0o711 } else { 0o700 };
        folder::make_if_missing(&data_dir, mode)?;
        let in_use = claim(&data_dir)?;
        let authority =
            Authority::open(&data_dir.join("authority.json"), identities::TRUST_DOMAIN)?;
        let authority = Arc::new(authority);
        let sockets = folder::for_sockets(&data_dir)?;
        let workload_api = WorkloadApi::serve(&sockets, Arc::clone(&authority), options.svid_ttl);
        let postgres_folder = data_dir.join("postgres");
        let postgres = async {
            let started = Postgres::start(&servers.postgres, &postgres_folder, ephemeral).await;
            started.map_err(StackError::from)
        };
        let facts = (options.agents, options.sync);
        let nats = start_nats(servers, &data_dir, &workload_api, facts);
        let ((nats, agents_operator), postgres) = tokio::try_join!(nats, postgres)?;
        Ok(Self {
            nats,
            postgres,
            workload_api,
            data_dir,
            agents_operator,
            _in_use: in_use,
            temporary,
        })
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Whether the data folder goes with the stack.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The running nats-server.
    pub fn nats(&self) -> &NatsServer {
        &self.nats
    }

    /// The running `PostgreSQL`.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// `kill -9` of nats-server, then a start on the same port and data.
    pub async fn crash_nats(&mut self) -> Result<(), StackError> {
        Ok(self.nats.crash().await?)
    }

    /// `kill -9` of `PostgreSQL`, then a start on the same port and data.
    pub async fn crash_postgres(&mut self) -> Result<(), StackError> {
        Ok(self.postgres.crash().await?)
    }

    /// The SPIFFE issuer.
    pub fn workload_api(&self) -> &WorkloadApi {
        &self.workload_api
    }

    /// Where NATS clients connect.
    pub fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// The SPIFFE ID that NATS clients must demand of the server.
    pub fn nats_id(&self) -> Result<String, StackError> {
        Ok(identities::service(identities::NATS)?)
    }

    /// `SPIFFE_ENDPOINT_SOCKET` for a service of [`identities`].
    pub fn service_endpoint(&self, service: &str) -> Result<String, StackError> {
        Ok(self.workload_api.endpoint(&identities::service(service)?)?)
    }

    /// `SPIFFE_ENDPOINT_SOCKET` for an agent.
    pub fn agent_endpoint(&self, tenant: &str, name: &str) -> Result<String, StackError> {
        Ok(self.workload_api.endpoint(&identities::agent(tenant, name)?)?)
    }

    /// Connects to NATS as a service of [`identities`].
    pub async fn connect_service(&self, service: &str) -> Result<Connection, StackError> {
        connect_service(&self.workload_api, &self.nats.url(), service).await
    }

    /// As [`Stack::connect_service`], through whatever listens at `url`.
    pub async fn connect_service_at(
        &self,
        url: &str,
        service: &str,
    ) -> Result<Connection, StackError> {
        connect_service(&self.workload_api, url, service).await
    }

    /// Connects to NATS as an agent that was admitted before.
    pub async fn connect_agent(&self, tenant: &str, name: &str) -> Result<Connection, StackError> {
        let id = identities::agent(tenant, name)?;
        let inbox = subjects::agent_inbox(tenant, name)?;
        connect(&self.workload_api, &self.nats.url(), &id, &inbox).await
    }

    /// Lets an agent connect and makes its durable. Idempotent.
    pub async fn admit_agent(&mut self, tenant: &str, name: &str) -> Result<(), StackError> {
        let agent = Agent { tenant: tenant.to_owned(), name: name.to_owned() };
        self.nats.admit(agent).await?;
        Ok(streams::agent_durable(&self.agents_operator, tenant, name).await?)
    }

    /// Disconnects an agent and refuses it from now on; its durable stays.
    pub async fn dismiss_agent(&mut self, tenant: &str, name: &str) -> Result<(), StackError> {
        let agent = Agent { tenant: tenant.to_owned(), name: name.to_owned() };
        Ok(self.nats.dismiss(&agent).await?)
    }

    /// Stops every server in order; the data stays unless it is temporary.
    pub async fn stop(self) {
        self.agents_operator.close().await;
        tokio::join!(self.nats.stop(), self.postgres.stop());
    }
}

/// One stack per data folder: two servers on the same files would destroy them. It is ours while the file is open.
pub fn claim(data_dir: &Path) -> Result<std::fs::File, StackError> {
    let path = data_dir.join("in-use");
    let mut options = std::fs::File::options();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(folder::failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(StackError::InUse { folder: data_dir.to_owned() })
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(folder::failed("lock", &path)(error).into())
        }
    }
}

async fn start_nats(
    servers: &Servers,
    data_dir: &Path,
    workload_api: &WorkloadApi,
    (agents, sync): (Vec<Agent>, SyncInterval),
) -> Result<(NatsServer, Connection), StackError> {
    let (binary, folder) = (&servers.nats_server, data_dir.join("nats"));
    let authority = workload_api.authority();
    let mut server = NatsServer::start_syncing(binary, &folder, authority, SHARD, sync).await?;
    let url = server.url();
    let (log, control, operator) = tokio::try_join!(
        connect_service(workload_api, &url, identities::LOG_OPERATOR),
        connect_service(workload_api, &url, identities::CONTROL_OPERATOR),
        connect_service(workload_api, &url, identities::AGENTS_OPERATOR),
    )?;
    // Each mirror needs its origin.
    streams::provision_log(&log, SHARD, 1).await?;
    streams::provision_control(&control, SHARD, 1).await?;
    streams::provision_agents(&operator, 1).await?;
    for agent in agents {
        let Agent { tenant, name } = agent.clone();
        server.admit(agent).await?;
        streams::agent_durable(&operator, &tenant, &name).await?;
    }
    log.close().await;
    control.close().await;
    Ok((server, operator))
}

pub(crate) async fn connect_service(
    workload_api: &WorkloadApi,
    url: &str,
    service: &str,
) -> Result<Connection, StackError> {
    let id = identities::service(service)?;
    let inbox = subjects::service_inbox(service)?;
    connect(workload_api, url, &id, &inbox).await
}

async fn connect(
    workload_api: &WorkloadApi,
    url: &str,
    id: &str,
    inbox: &str,
) -> Result<Connection, StackError> {
    let source = workload_api.source(id).await?;
    let server = identities::service(identities::NATS)?;
    let server = spiffe::SpiffeId::new(&server).map_err(|_| {
        let trust_domain = identities::TRUST_DOMAIN.to_owned();
        WorkloadApiError::NotOurIdentity { id: server.clone(), trust_domain }
    })?;
    Connection::connect(url, &source, &server, inbox, id)
        .await
        .map_err(|source| StackError::Connect { identity: id.to_owned(), source })
}
