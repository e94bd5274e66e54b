//! Three nats-servers that replicate every stream, with the accounts, permissions and identities of the single one.
//!
//! A node can be stopped in time, killed and started again, and the leader of a stream can be asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats::{Connection, ProvisionError, streams};

use crate::folder::{self, FolderError, Temporary, failed};
use crate::nats_server::{Member, NatsServer, NatsServerError, SyncInterval};
use crate::preflight;
use crate::spiffe::{Authority, WorkloadApi};
use crate::stack::{SHARD, StackError, connect_service};
use crate::{identities, ports};

/// How many nodes there are, and replicas of every stream.
pub const NODES: usize = 3;
/// Life of an issued SVID.
const SVID_TTL: Duration = Duration::from_hours(1);
/// How long nodes may take to find each other, and a stream to find another leader.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a state that is waited for is asked for.
const STEP: Duration = Duration::from_millis(20);

/// The running nodes. Dropping it kills them.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<NatsServer>,
    workload_api: WorkloadApi,
    // Last: the folder is removed after everything in it has ended.
    _temporary: Temporary,
}

/// Why a stream has no leader as it was waited for.
#[derive(Debug, thiserror::Error)]
#[error("{stream} got no other leader within {PATIENCE:?}")]
pub struct NoLeader {
    /// Which stream.
    pub stream: String,
}

impl Cluster {
    /// Installs what is missing and brings everything up: ready means that every stream of the log and of its mirror
    /// exists on all nodes.
    pub async fn start() -> Result<Self, StackError> {
        let servers = preflight::setup(|line| tracing::warn!("{line}")).await?;
        let temporary = Temporary::make()?;
        let data_dir = temporary.path().to_owned();
        let authority =
            Authority::open(&data_dir.join("authority.json"), identities::TRUST_DOMAIN)?;
        let sockets = folder::for_sockets(&data_dir)?;
        let workload_api = WorkloadApi::serve(&sockets, Arc::new(authority), SVID_TTL);
        let mut nodes = Vec::new();
        for member in members(&data_dir)? {
            let folder = data_dir.join(&member.name);
            let (binary, authority) = (&servers.nats_server, workload_api.authority());
            let kind = (SyncInterval::Default, Some(member));
            let node = NatsServer::start_as(binary, &folder, authority, SHARD, kind);
            nodes.push(node.await?);
        }
        let cluster = Self { nodes, workload_api, _temporary: temporary };
        let log = cluster.connect_service(0, identities::LOG_OPERATOR).await?;
        placed(|| streams::provision_log(&log, SHARD, NODES)).await?;
        let control = cluster.connect_service(0, identities::CONTROL_OPERATOR).await?;
        placed(|| streams::provision_control(&control, SHARD, NODES)).await?;
        log.close().await;
        control.close().await;
        Ok(cluster)
    }

    /// Connects to a node as a service of [`identities`]. The client knows the other nodes from it.
    pub async fn connect_service(
        &self,
        node: usize,
        service: &str,
    ) -> Result<Connection, StackError> {
        let url = self.node(node).url();
        self.connect_service_at(&url, service).await
    }

    /// As [`Cluster::connect_service`], through whatever listens at `url`.
    pub async fn connect_service_at(
        &self,
        url: &str,
        service: &str,
    ) -> Result<Connection, StackError> {
        connect_service(&self.workload_api, url, service).await
    }

    /// A node, counted from 0; every number means one.
    #[expect(
        clippy::indexing_slicing,
        reason = "there are always as many, and the number is below"
    )]
    pub fn node(&self, index: usize) -> &NatsServer {
        &self.nodes[index % NODES]
    }

    /// The node that leads a stream of the connection's account; none while there is none that says so.
    pub async fn leader(&self, connection: &Connection, stream: &str) -> Option<usize> {
        let stream = connection.jetstream().get_stream(stream).await.ok()?;
        let leader = stream.cached_info().cluster.as_ref()?.leader.clone()?;
        (0..NODES).find(|index| name(*index) == leader)
    }

    /// Waits until a stream has a leader other than `not`.
    pub async fn leader_other_than(
        &self,
        not: Option<usize>,
        connection: &Connection,
        stream: &str,
    ) -> Result<usize, NoLeader> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.leader(connection, stream).await {
                Some(leader) if Some(leader) != not => return Ok(leader),
                _ => tokio::time::sleep(STEP).await,
            }
        }
        Err(NoLeader { stream: stream.to_owned() })
    }

    /// `kill -9` of a node.
    pub async fn kill(&self, node: usize) {
        self.node(node).child().kill().await;
    }

    /// Starts a killed node again, on the same ports and data.
    pub async fn start_again(&mut self, node: usize) -> Result<(), NatsServerError> {
        match self.nodes.get_mut(node % NODES) {
            Some(node) => node.start_again().await,
            None => Ok(()),
        }
    }

    /// Stops every node in order.
    pub async fn stop(self) {
        futures::future::join_all(self.nodes.iter().map(NatsServer::stop)).await;
    }
}

fn name(index: usize) -> String {
    format!("node-{index}")
}

fn members(folder: &Path) -> Result<Vec<Member>, FolderError> {
    let ports: [u16; NODES] = ports::free().map_err(failed("find free ports for", folder))?;
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)
        .map_err(std::io::Error::from)
        .map_err(failed("find a password for", folder))?;
    let member = |(index, route_port): (usize, &u16)| Member {
        name: name(index),
        route_port: *route_port,
        all_route_ports: ports.to_vec(),
        password: hex::encode(secret),
    };
    Ok(ports.iter().enumerate().map(member).collect())
}

/// Provisions as soon as the nodes know each other: until then the server finds no place for three replicas.
async fn placed<F>(provision: impl Fn() -> F) -> Result<(), ProvisionError>
where
    F: Future<Output = Result<(), ProvisionError>>,
{
    let until = Instant::now() + PATIENCE;
    loop {
        match provision().await {
            Err(ProvisionError::Make { name, source }) if Instant::now() < until => {
                tracing::debug!(name, %source, "the cluster has no place yet");
                tokio::time::sleep(STEP).await;
            }
            done => return done,
        }
    }
}
