//! A TCP proxy that loses exactly one answer: the first that arrives once something is true.

use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const BUFFER_BYTES: usize = 16 * 1024;

/// A proxy in front of a server on loopback.
pub struct Lossy {
    listener: TcpListener,
    upstream: u16,
    lost: watch::Sender<bool>,
}

impl Lossy {
    pub async fn to(upstream: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self { listener, upstream, lost: watch::Sender::new(false) })
    }

    pub fn url(&self) -> anyhow::Result<String> {
        Ok(format!("tls://{}", self.listener.local_addr()?))
    }

    /// Once the answer is lost.
    pub async fn lost(&self) {
        self.lost.subscribe().wait_for(|lost| *lost).await.ok();
    }

    /// Carries one connection after the other. Before an answer passes, `happened` is asked; what arrives after it is
    /// lost together with its connection, once.
    pub async fn serve(
        &self,
        happened: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        loop {
            let (client, _) = self.listener.accept().await?;
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream)).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            let lost = *self.lost.borrow();
            if carry(client, server, async || Ok(!lost && happened().await?)).await? {
                self.lost.send_replace(true);
            }
        }
    }
}

/// True if an answer was lost, false if an end closed.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    loses: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let asked = tokio::io::copy(&mut from_client, &mut to_server);
    let answered = async {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = from_server.read(&mut buffer).await.unwrap_or(0);
            let answer = buffer.get(..read).unwrap_or_default();
            if answer.is_empty() {
                return Ok(false);
            }
            if loses().await? {
                return Ok(true);
            }
            if to_client.write_all(answer).await.is_err() {
                return Ok(false);
            }
        }
    };
    tokio::select! {
        _ = asked => Ok(false),
        lost = answered => lost,
    }
}
