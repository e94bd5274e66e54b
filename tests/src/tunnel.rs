//! A door for a program that knows no SPIFFE: plain TCP on loopback, mutual TLS as a service behind it.

use crate::platform::Platform;
use crate::service::identity;
use anyhow::Context as _;
use devkit::identities::service;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;

/// A running tunnel to command-api's listener for services; it ends when dropped.
#[derive(Debug)]
pub struct Tunnel {
    base: String,
    task: AbortHandle,
}

impl Tunnel {
    /// As this service.
    #[expect(clippy::disallowed_methods, reason = "the task lives and ends with its tunnel")]
    pub async fn of(platform: &Platform, name: &str) -> anyhow::Result<Self> {
        let identity = identity(platform, name).await?;
        let tls = Arc::new(identity.client_config(&[&service("command-api")?])?);
        let to = platform.card.command_api_services.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let base = format!("http://{}", listener.local_addr().context("no port")?);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, to.clone(), Arc::clone(&tls)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { base, task: task.abort_handle() })
    }

    /// The base URL in front of it.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What breaks here the client sees as a closed connection, and counts.
async fn carry(mut client: TcpStream, to: String, tls: Arc<ClientConfig>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    // Whom the server must be the configuration says by SPIFFE ID; names play no part.
    let Ok(name) = ServerName::try_from("command-api") else { return };
    let Ok(mut server) = TlsConnector::from(tls).connect(name, server).await else { return };
    copy_bidirectional(&mut client, &mut server).await.ok();
}
