//! A real nats-server, an open log, and commands on agents.

use countersign_event_log as event_log;
use devkit::identities::COMMAND_API;
use devkit::nats_server::NatsServer;
use devkit::stack::SHARD;
use devkit::{Options, Stack, preflight};
use domain::agents::{Agent, AgentCommand, AgentError, Enrolled};
use domain::ids::{AgentId, CommandId, PrincipalId};
use domain::issued::{Actor, ActorKind, Auth};
use event_log::{Answered, EventLog, ExecuteError, Request, Target, open_log};
use ledger::{LogIdentity, RequestDigest, Writer};
use trust::encoding::Timestamp;
use trust::keys::PrivateKey;

pub const TENANT: &str = "acme";

pub fn writer() -> PrivateKey {
    PrivateKey::from_seed(&[3; 32])
}

pub fn identity() -> anyhow::Result<LogIdentity> {
    let writers = vec![Writer { key: writer().public(), from_sequence: 1, to_sequence: None }];
    Ok(LogIdentity {
        origin: "test.log".parse()?,
        shard: "main".parse()?,
        writers,
        gaps: Vec::new(),
    })
}

pub fn request(name: &str, body: &str) -> anyhow::Result<Request> {
    let command = CommandId::derived("command", &[name]);
    let id = PrincipalId::derived("principal", &["ada"]);
    Ok(Request {
        command,
        kind: "test".to_owned(),
        digest: RequestDigest::of(body.as_bytes()),
        actor: Actor { kind: ActorKind::Person, id, auth: Auth::Token },
        at: "2026-11-20T07:00:00.000000Z".parse::<Timestamp>()?,
        correlation_id: command.to_string(),
        causation_id: None,
        traceparent: "00-00000000000000000000000000000001-0000000000000001-01".to_owned(),
        expected_version: None,
    })
}

pub fn target(name: &str) -> Target {
    let id = AgentId::derived("agent", &[TENANT, name]).to_string();
    Target { tenant: TENANT.to_owned(), id }
}

pub fn enroll(name: &str) -> AgentCommand {
    AgentCommand::Enroll(Enrolled { name: name.to_owned(), spiffe_id: "spiffe://a/b".to_owned() })
}

pub async fn stack() -> anyhow::Result<(Stack, EventLog)> {
    chassis::process::install_crypto();
    let stack = Stack::start(Options::default()).await?;
    let connection = stack.connect_service(COMMAND_API).await?;
    let opening = request("open", "")?;
    open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
    let log = EventLog::open(&connection, identity()?, writer()).await?;
    Ok((stack, log))
}

pub async fn enrolled(
    log: &EventLog,
    name: &str,
    key: &str,
) -> Result<Answered, ExecuteError<AgentError>> {
    let request = request(key, name).map_err(|_| ExecuteError::Conflict)?;
    log.execute::<Agent, _>(&target(name), enroll(name), &request).await
}

/// Starts the stopped nats-server again, on the same port and the files that are there.
pub async fn start_again(stack: &Stack) -> anyhow::Result<NatsServer> {
    let servers = preflight::setup(|_| ()).await?;
    let folder = stack.data_dir().join("nats");
    let authority = stack.workload_api().authority();
    Ok(NatsServer::start(&servers.nats_server, &folder, authority, SHARD).await?)
}
