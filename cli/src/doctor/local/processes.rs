//! The processes: what their operations ports say, whether their addresses answer, and their identities.

use super::{Configs, ListenerFacts, ProcessFacts, Seen};
use anyhow::Context as _;
use chassis::Identity;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use toml::Table;

/// Everything is on this machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks every process.
pub async fn processes(configs: &Configs) -> Vec<ProcessFacts> {
    join_all(configs.0.iter().map(|(name, config)| process(name, config))).await
}

async fn process(name: &str, config: &Table) -> ProcessFacts {
    let text = |key| config.get("process").and_then(|process| process.get(key)?.as_str());
    let operations = format!("http://{}", text("ops_listen").unwrap_or_default());
    let socket = text("spiffe_socket").unwrap_or_default();
    let trust_domain = text("trust_domain").unwrap_or_default();
    let (version, is_ready, until) = tokio::join!(
        client::process_version(&operations),
        client::is_ready(&operations),
        identity_until(socket, trust_domain),
    );
    let identity = (socket.to_owned(), until);
    ProcessFacts { name: name.to_owned(), version, is_ready, identity }
}

async fn identity_until(socket: &str, trust_domain: &str) -> Seen<DateTime<Utc>> {
    let until = async {
        let identity = identity(socket, trust_domain).await?;
        let svid = identity.source().svid()?;
        let leaf = svid.cert_chain().first().context("an SVID without a certificate")?;
        not_after(leaf.as_bytes())
    };
    until.await.map_err(|error: anyhow::Error| format!("{error:#}"))
}

/// The identity that a socket gives, or a quick answer why there is none.
pub async fn identity(socket: &str, trust_domain: &str) -> anyhow::Result<Identity> {
    let path = socket.strip_prefix("unix:").unwrap_or(socket);
    // The source itself tries again and again where nobody listens.
    UnixStream::connect(path).await.with_context(|| format!("{path} does not answer"))?;
    let connecting = Identity::connect(socket, trust_domain);
    Ok(tokio::time::timeout(PATIENCE, connecting).await.context("no identity came")??)
}

/// When a certificate in DER ends.
pub fn not_after(der: &[u8]) -> anyhow::Result<DateTime<Utc>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)?;
    let end = certificate.validity().not_after.timestamp();
    DateTime::from_timestamp(end, 0).context("a certificate that never ends")
}

/// Every address of the configuration files and of nats-server.
pub async fn listeners(data_dir: &Path, configs: &Configs) -> Vec<ListenerFacts> {
    let mut wanted = Vec::new();
    for (name, config) in &configs.0 {
        let development = config.get("development").and_then(toml::Value::as_bool).unwrap_or(false);
        let process = config.get("process").and_then(toml::Value::as_table);
        let keys = config.iter().chain(process.into_iter().flatten());
        let listens = keys.filter(|(key, _)| key.ends_with("_listen"));
        let addresses =
            listens.filter_map(|(key, value)| Some((key, value.as_str()?.parse().ok()?)));
        wanted.extend(
            addresses.map(|(key, address)| (format!("{name} ({key})"), address, development)),
        );
    }
    wanted.extend(nats_listens(data_dir).map(|address| ("nats-server".to_owned(), address, true)));
    let asked =
        wanted.into_iter().map(|(of, address, development)| listener(of, address, development));
    join_all(asked).await
}

fn nats_listens(data_dir: &Path) -> Option<SocketAddr> {
    let text = crate::files::read_text(&data_dir.join("nats/nats.conf")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    config.get("listen")?.as_str()?.parse().ok()
}

/// Whether something accepts connections there. Where it listens on every address, loopback is one of them.
pub async fn listener(of: String, address: SocketAddr, development: bool) -> ListenerFacts {
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(reached)).await;
    let answers = matches!(connected, Ok(Ok(_)));
    ListenerFacts { of, address, answers, development }
}
