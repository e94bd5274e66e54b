//! A network between agent and database that loses connections at a chosen moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The simple query `COMMIT`, as its bytes on the wire.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// The end of the server's answer: the command's tag, and ready without a transaction.
const READY: &[u8] = b"COMMIT\0Z\0\0\0\x05I";

/// What happens to the next COMMIT, or to the next file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtCommit {
    Nothing = 0,
    /// It does not reach the server, and the connection ends.
    Lose = 1,
    /// It reaches the server; the answer is lost with the connection.
    LoseAnswer = 2,
    /// It reaches the server; the answer never comes, the connection stays.
    Silence = 3,
    /// The file with [`MARK`] reaches the server; nothing comes back any more, the connection stays.
    SilenceAtMark = 4,
}

/// Marks the file that is meant.
pub const MARK: &str = "select 'from here on silence'";

pub struct Proxy {
    pub port: u16,
    plan: Arc<AtomicU8>,
    /// Fires when the plan was carried out.
    pub happened: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "the tasks end with the test's runtime")]
    pub async fn start(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let plan = Arc::new(AtomicU8::new(0));
        let happened = Arc::new(Notify::new());
        let (taken, noted) = (Arc::clone(&plan), Arc::clone(&happened));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (taken, noted) = (Arc::clone(&taken), Arc::clone(&noted));
                tokio::spawn(async move { pass(client, server, &taken, &noted).await.ok() });
            }
        });
        Ok(Self { port, plan, happened, task })
    }

    pub fn at_commit(&self, plan: AtCommit) {
        self.plan.store(plan as u8, Ordering::SeqCst);
    }

    pub fn url(&self, direct: &str, server: u16) -> String {
        direct.replace(&format!("port={server} "), &format!("port={} ", self.port))
    }
}

async fn pass(
    mut client: TcpStream,
    server: u16,
    plan: &AtomicU8,
    happened: &Notify,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let bytes = up.get(..read?).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(());
                }
                let marked = bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes());
                if marked && plan.load(Ordering::SeqCst) == AtCommit::SilenceAtMark as u8 {
                    server.write_all(bytes).await?;
                    std::future::pending::<()>().await;
                }
                // Other messages may go before it in one piece.
                let commits = bytes.ends_with(COMMIT);
                let planned = if commits { plan.swap(0, Ordering::SeqCst) } else { 0 };
                if planned == AtCommit::Lose as u8 {
                    happened.notify_one();
                    return Ok(());
                }
                server.write_all(bytes).await?;
                if planned != AtCommit::Nothing as u8 {
                    let mut answer = Vec::new();
                    while !answer.ends_with(READY) {
                        answer.push(server.read_u8().await?);
                    }
                    happened.notify_one();
                    if planned == AtCommit::Silence as u8 {
                        std::future::pending::<()>().await;
                    }
                    return Ok(());
                }
            }
            read = server.read(&mut down) => {
                let bytes = down.get(..read?).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}
