//! The server's configuration, as JSON (which nats-server reads): mTLS with users mapped by SPIFFE
//! ID, and three accounts that only a mirror and one service import connect.

use std::path::Path;

use nats::NameError;
use nats::subjects::{
    ACCOUNT_AGENTS, ACCOUNT_CONTROL, ACCOUNT_LOG, ACCOUNT_SYSTEM, CONTROL_API_PREFIX,
    CONTROL_DELIVERY_PREFIX, LOG_API_PREFIX, LOG_DELIVERY_PREFIX,
};
use serde_json::{Value, json};

use super::permissions::{self, User};
use super::{Agent, SyncInterval};

/// What a configuration is made of.
pub(super) struct Facts<'a> {
    /// The server's folder.
    pub folder: &'a Path,
    /// The loopback port.
    pub port: u16,
    /// The shard of the log.
    pub shard: &'a str,
    /// Every admitted agent.
    pub agents: &'a [Agent],
    /// When messages are on the disk.
    pub sync: SyncInterval,
    /// What makes it a node of a cluster.
    pub member: Option<&'a Member>,
}

/// One node among the nodes of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where it listens for the other nodes.
    pub route_port: u16,
    /// Where every node does.
    pub all_route_ports: Vec<u16>,
    /// What nodes show each other; hex.
    pub password: String,
}

impl Member {
    fn to_json(&self) -> Value {
        let Self { route_port, all_route_ports, password, .. } = self;
        let others = all_route_ports.iter().filter(|port| *port != route_port);
        let routes: Vec<String> =
            others.map(|port| format!("nats://{CLUSTER}:{password}@127.0.0.1:{port}")).collect();
        json!({
            "name": CLUSTER,
            "listen": format!("127.0.0.1:{route_port}"),
            "authorization": { "user": CLUSTER, "password": password, "timeout": 3 },
            "routes": routes,
        })
    }
}

/// A commit is at most 512 KiB, a blob with SQL 4 MiB.
const MAX_PAYLOAD: u64 = 8 * 1024 * 1024;
/// The only part of the consumer API that a mirror needs from its origin's account.
const MIRROR_API: &str = "CONSUMER.CREATE.>";
const FLOW_CONTROL: &str = "$JS.FC.>";
/// The cluster's name, and the user as whom its nodes connect.
const CLUSTER: &str = "countersign-dev";
const RESULTS: &str = "cs.results.*.>";

/// The whole configuration.
pub(super) fn render(facts: &Facts<'_>) -> Result<String, NameError> {
    let file = |name: &str| facts.folder.join(name).display().to_string();
    let mut agents = vec![permissions::agents_operator()?];
    for agent in facts.agents {
        agents.push(permissions::agent(&agent.tenant, &agent.name)?);
    }
    let mut configuration = json!({
        "server_name": facts.member.map_or("countersign-dev", |member| &member.name),
        "listen": format!("127.0.0.1:{}", facts.port),
        "max_payload": MAX_PAYLOAD,
        "jetstream": jetstream(&file("jetstream"), facts.sync),
        "tls": {
            "cert_file": file("svid.pem"),
            "key_file": file("svid.key"),
            "ca_file": file("bundle.pem"),
            "verify_and_map": true,
            "timeout": 3,
        },
        "system_account": ACCOUNT_SYSTEM,
        "accounts": {
            ACCOUNT_SYSTEM: { "users": [] },
            ACCOUNT_LOG: {
                "jetstream": "enabled",
                "users": users(&permissions::log_users(facts.shard)?),
                "exports": mirror_exports(ACCOUNT_CONTROL, LOG_DELIVERY_PREFIX),
            },
            ACCOUNT_CONTROL: {
                "jetstream": "enabled",
                "users": users(&permissions::control_users(facts.shard)?),
                "imports": mirror_imports(ACCOUNT_LOG, LOG_API_PREFIX, LOG_DELIVERY_PREFIX),
                "exports": with(
                    mirror_exports(ACCOUNT_AGENTS, CONTROL_DELIVERY_PREFIX),
                    json!({ "service": RESULTS, "accounts": [ACCOUNT_AGENTS] }),
                ),
            },
            ACCOUNT_AGENTS: {
                "jetstream": "enabled",
                "users": users(&agents),
                "imports": with(
                    mirror_imports(ACCOUNT_CONTROL, CONTROL_API_PREFIX, CONTROL_DELIVERY_PREFIX),
                    json!({ "service": { "account": ACCOUNT_CONTROL, "subject": RESULTS } }),
                ),
            },
        },
    });
    if let (Some(member), Some(fields)) = (facts.member, configuration.as_object_mut()) {
        fields.insert("cluster".to_owned(), member.to_json());
    }
    Ok(format!("{configuration:#}\n"))
}

fn jetstream(store_dir: &str, sync: SyncInterval) -> Value {
    match sync {
        SyncInterval::Default => json!({ "store_dir": store_dir }),
        SyncInterval::Always => json!({ "store_dir": store_dir, "sync_interval": "always" }),
    }
}

fn users(users: &[User]) -> Vec<Value> {
    users.iter().map(User::to_json).collect()
}

fn mirror_exports(to: &str, delivery: &str) -> Vec<Value> {
    vec![
        json!({ "service": format!("$JS.API.{MIRROR_API}"), "accounts": [to] }),
        json!({ "service": FLOW_CONTROL, "accounts": [to] }),
        json!({ "stream": format!("{delivery}.>"), "accounts": [to] }),
    ]
}

/// The API is imported under another prefix: under its own it would shadow the account's own
/// `JetStream`.
fn mirror_imports(from: &str, api: &str, delivery: &str) -> Vec<Value> {
    vec![
        json!({
            "service": { "account": from, "subject": format!("$JS.API.{MIRROR_API}") },
            "to": format!("{api}.{MIRROR_API}"),
        }),
        json!({ "service": { "account": from, "subject": FLOW_CONTROL } }),
        json!({ "stream": { "account": from, "subject": format!("{delivery}.>") } }),
    ]
}

fn with(mut list: Vec<Value>, another: Value) -> Vec<Value> {
    list.push(another);
    list
}
