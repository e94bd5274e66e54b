//! The one way to serve a router: a bounded number of connections, none of them silent for ever.

use crate::linger::Lingering;
use crate::listen::Peer;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::serve::Listener;
use http::Request;
use http::header::EXPECT;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// What connections one listener holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// So many at a time; further ones wait in the backlog.
    pub at_a_time: usize,
    /// How long a connection may take to bring the head of a request, or to answer a ping.
    pub silence: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self { at_a_time: 4096, silence: Duration::from_mins(1) }
    }
}

/// Serves until `stopping` is cancelled, then finishes the requests in flight.
pub async fn serve<L: Listener<Addr = Peer>>(
    router: Router,
    listener: L,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    serve_within(router, listener, Connections::default(), stopping).await
}

/// As [`serve`], with other bounds.
pub async fn serve_within<L: Listener<Addr = Peer>>(
    router: Router,
    mut listener: L,
    bounds: Connections,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(bounds.at_a_time));
    let (graceful, mut connections) = (GracefulShutdown::new(), JoinSet::new());
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.silence);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(bounds.silence);
    http2.keep_alive_timeout(bounds.silence);
    loop {
        let next = async { (Arc::clone(&slots).acquire_owned().await, listener.accept().await) };
        let Some((slot, (stream, peer))) = stopping.run_until_cancelled(next).await else { break };
        while connections.try_join_next().is_some() {}
        let asked = Arc::new(Notify::new());
        let first = Arc::clone(&asked);
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            first.notify_one();
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
            answer(router.clone(), request)
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            let _slot = slot;
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                // Before the first request nothing else watches a peer that does not even say which protocol.
                () = tokio::time::sleep(bounds.silence) => return,
                () = asked.notified() => connection.await,
            };
            if let Err(error) = ended {
                tracing::debug!(error, "a connection ended early");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// Answers only once nothing more of the request is coming in, unless the caller waits for our word to send it.
async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let waits = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let (body, rest) = Lingering::new(body);
    let answer = router.oneshot(Request::from_parts(parts, Body::new(body))).await?;
    if !waits {
        rest.read_away().await;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{DevelopmentTokens, PlainListener};
    use anyhow::{Context as _, Result};
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    const LONG: Duration = Duration::from_secs(20);
    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn served(bounds: Connections, stopping: &CancellationToken) -> Result<SocketAddr> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = PlainListener::bind(any, DevelopmentTokens::Refused).await?;
        let address = listener.address();
        let router = Router::new().route("/", get(|| async { "hello" }));
        let serving = serve_within(router, listener, bounds, stopping.clone());
        tokio_util::task::TaskTracker::new().spawn(serving);
        Ok(address)
    }

    /// Everything until the server closes the connection.
    async fn rest(stream: &mut TcpStream) -> Result<String> {
        let mut text = String::new();
        let read = tokio::time::timeout(LONG, stream.read_to_string(&mut text));
        read.await.context("it stayed open")??;
        Ok(text)
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed_before_and_after_a_request() {
        let stopping = CancellationToken::new();
        let bounds = Connections { silence: Duration::from_millis(50), ..Connections::default() };
        let address = served(bounds, &stopping).await.unwrap();
        for (said, answered) in [(&b""[..], false), (b"GET / HT", false), (ASK, true)] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            assert_eq!(rest(&mut stream).await.unwrap().contains("200 OK"), answered);
        }
        stopping.cancel();
    }

    #[tokio::test]
    async fn more_connections_than_allowed_wait_for_one_to_end() {
        let stopping = CancellationToken::new();
        let bounds = Connections { at_a_time: 1, silence: LONG };
        let address = served(bounds, &stopping).await.unwrap();
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(ASK).await.unwrap();
        let mut answer = [0; 15];
        first.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(ASK).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), second.read_exact(&mut answer));
        assert!(early.await.is_err(), "a second connection was served beside the first");
        drop(first);
        tokio::time::timeout(LONG, second.read_exact(&mut answer)).await.unwrap().unwrap();
        stopping.cancel();
    }

    #[tokio::test]
    async fn a_large_body_that_is_refused_does_not_take_the_answer_with_it() {
        let stopping = CancellationToken::new();
        let address = served(Connections::default(), &stopping).await.unwrap();
        // Nothing reads a body of this route; the kernel's buffers do not hold so much.
        let length = 24 * 1024 * 1024;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /absent HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; length]).await.unwrap();
        let answer = rest(&mut stream).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        stopping.cancel();
    }
}
