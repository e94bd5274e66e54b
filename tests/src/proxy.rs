//! A TCP proxy between two processes, whose weather can be changed while connections go through it.

use anyhow::Context as _;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

const BUFFER_BYTES: usize = 16 * 1024;

/// What happens to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Clear,
    /// Every connection is closed, and so is every new one.
    Cut,
    /// Half open: connections stay, and nothing passes in either direction.
    Silent,
    /// What is sent arrives; what is answered does not. The connection is closed when the weather clears.
    AnswersLost,
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    task: AbortHandle,
}

impl Proxy {
    /// Listens on a free loopback port for connections to `upstream` on loopback.
    #[expect(clippy::disallowed_methods, reason = "the task lives and ends with its proxy")]
    pub async fn to(upstream: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let port = listener.local_addr().context("no port")?.port();
        let (weather, seen) = watch::channel(Weather::Clear);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, upstream, seen.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, weather, task: task.abort_handle() })
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, upstream: u16, mut weather: watch::Receiver<Weather>) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
    let Ok(server) = TcpStream::connect(address).await else { return };
    // The ends must not wait for each other's acknowledgements more than without us.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (client, server) = (client.into_split(), server.into_split());
    let mut asked = Way::new(client.0, server.1);
    let mut answered = Way::new(server.0, client.1);
    let mut lost = false;
    loop {
        let now = *weather.borrow_and_update();
        if now == Weather::Cut || (lost && now == Weather::Clear) {
            return;
        }
        lost |= now == Weather::AnswersLost;
        tokio::select! {
            () = asked.pass(now != Weather::Silent, true) => return,
            () = answered.pass(now != Weather::Silent, now != Weather::AnswersLost) => return,
            changed = weather.changed() => if changed.is_err() { return },
        }
    }
}

/// One direction. Whatever was read and not yet written is kept when the weather changes.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    buffer: Box<[u8]>,
    waiting: std::ops::Range<usize>,
}

impl Way {
    fn new(from: OwnedReadHalf, to: OwnedWriteHalf) -> Self {
        Self { from, to, buffer: vec![0; BUFFER_BYTES].into(), waiting: 0..0 }
    }

    /// Moves bytes until one end closes.
    async fn pass(&mut self, moves: bool, arrives: bool) {
        if !moves {
            std::future::pending::<()>().await;
        }
        loop {
            let waiting = self.buffer.get(self.waiting.clone()).unwrap_or_default();
            if waiting.is_empty() || !arrives {
                match self.from.read(&mut self.buffer).await {
                    Ok(read) if read > 0 => self.waiting = 0..read,
                    _ => return,
                }
            } else {
                match self.to.write(waiting).await {
                    Ok(written) => self.waiting.start += written,
                    Err(_) => return,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SOON: Duration = Duration::from_millis(50);

    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio_util::task::TaskTracker::new().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio_util::task::TaskTracker::new().spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        port
    }

    async fn said(stream: &mut TcpStream, text: &str) -> Option<String> {
        stream.write_all(text.as_bytes()).await.ok()?;
        let mut buffer = vec![0; text.len()];
        let read = tokio::time::timeout(SOON, stream.read_exact(&mut buffer)).await;
        read.ok()?.ok()?;
        String::from_utf8(buffer).ok()
    }

    #[tokio::test]
    async fn each_weather_does_what_it_says() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()));
        let mut stream = connect().await.unwrap();
        assert_eq!(said(&mut stream, "clear").await.as_deref(), Some("clear"));
        proxy.set(Weather::Silent);
        assert_eq!(said(&mut stream, "quiet").await, None);
        proxy.set(Weather::Clear);
        let mut late = [0; 5];
        stream.read_exact(&mut late).await.unwrap();
        assert_eq!(&late, b"quiet", "a silent connection loses nothing");
        proxy.set(Weather::AnswersLost);
        assert_eq!(said(&mut stream, "lost").await, None);
        proxy.set(Weather::Clear);
        assert_eq!(stream.read(&mut late).await.unwrap_or_default(), 0, "and is closed afterwards");
        let mut stream = connect().await.unwrap();
        assert_eq!(said(&mut stream, "again").await.as_deref(), Some("again"));
        proxy.set(Weather::Cut);
        assert_eq!(stream.read(&mut late).await.unwrap_or_default(), 0);
    }
}
