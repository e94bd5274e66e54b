//! Listeners: plain TCP for people, TLS with SVIDs for services.

use axum::serve::Listener;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use trust::spiffe::SpiffeId;

/// A peer that has not finished its handshake by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// So many handshakes run at a time; further connections wait in the backlog.
const HANDSHAKES: usize = 256;
/// After an error such as "too many open files" there is nothing to gain from asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why a listener could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is taken.
    #[error("{address} is in use: stop the process that holds it, or configure another address")]
    Taken {
        /// As configured.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Development tokens must not be reachable from other machines.
    #[error("{address} is not a loopback address: development tokens are only accepted on one")]
    NotLoopback {
        /// As configured.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// As configured.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Whether development tokens are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevelopmentTokens {
    /// They are: only loopback addresses can be listened on.
    Accepted,
    /// They are not: [`Caller`](crate::Caller) answers 401.
    Refused,
}

/// Who is at the other end; handlers find it as `ConnectInfo<Peer>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Known by its address only.
    Anonymous(SocketAddr),
    /// Showed an SVID of our trust domain.
    Service {
        /// Who.
        spiffe_id: SpiffeId,
        /// From where.
        address: SocketAddr,
    },
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { address, source },
        _ => ListenError::Other { address, source },
    })?;
    let bound = listener.local_addr().map_err(|source| ListenError::Other { address, source })?;
    Ok((listener, bound))
}

/// Without TLS: for people behind a proxy or on the same machine, and for the operations port.
#[derive(Debug)]
pub struct PlainListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl PlainListener {
    /// Listens; port 0 takes a free one.
    pub async fn bind(
        address: SocketAddr,
        development_tokens: DevelopmentTokens,
    ) -> Result<Self, ListenError> {
        let exposed = !address.ip().is_loopback();
        if exposed && development_tokens == DevelopmentTokens::Accepted {
            return Err(ListenError::NotLoopback { address });
        }
        let (listener, address) = bind(address).await?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for PlainListener {
    type Io = TcpStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (TcpStream, Peer) {
        let (stream, address) = accept(&self.listener).await;
        (stream, Peer::Anonymous(address))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Anonymous(self.address))
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Small answers go out at once; without it they still arrive, only later.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was refused");
                }
                return (stream, address);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// TLS where both sides show an SVID.
pub struct MtlsListener {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, Peer)>>,
}

impl MtlsListener {
    /// Listens with a configuration of [`Identity::server_config`](crate::Identity::server_config); port 0 takes a
    /// free one.
    pub async fn bind(address: SocketAddr, config: ServerConfig) -> Result<Self, ListenError> {
        let (listener, address) = bind(address).await?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { listener, address, acceptor, handshakes: JoinSet::new() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for MtlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (TlsStream<TcpStream>, Peer) {
        loop {
            // Handshakes run beside each other, so that a slow peer holds up nobody.
            let room = self.handshakes.len() < HANDSHAKES;
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (stream, address) = accept(&self.listener), if room => {
                    self.handshakes.spawn(handshake(self.acceptor.clone(), stream, address));
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Anonymous(self.address))
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<(TlsStream<TcpStream>, Peer)> {
    let refused = |reason: &str| {
        metrics::counter!("tls_handshakes_refused_total").increment(1);
        tracing::info!(peer = %address, reason, "TLS handshake refused");
    };
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            refused(&error.to_string());
            return None;
        }
        Err(_) => {
            refused("not finished in time");
            return None;
        }
    };
    // The verifier has checked the chain and the trust domain; this only reads the name.
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let spiffe_id = leaf
        .and_then(|leaf| spiffe::cert::spiffe_id_from_der(leaf).ok())
        .and_then(|id| id.to_string().parse().ok());
    let Some(spiffe_id) = spiffe_id else {
        refused("the certificate names no SPIFFE ID of ours");
        return None;
    };
    Some((stream, Peer::Service { spiffe_id, address }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_the_address() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = PlainListener::bind(any, DevelopmentTokens::Refused).await.unwrap();
        let again = PlainListener::bind(first.address(), DevelopmentTokens::Refused).await;
        let error = again.unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "{error:?}");
        assert!(error.to_string().contains(&first.address().to_string()), "{error}");
    }

    #[tokio::test]
    async fn development_tokens_stay_on_this_machine() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let refused = PlainListener::bind(everywhere, DevelopmentTokens::Accepted).await;
        assert!(matches!(refused, Err(ListenError::NotLoopback { .. })));
        assert!(PlainListener::bind(everywhere, DevelopmentTokens::Refused).await.is_ok());
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        assert!(PlainListener::bind(here, DevelopmentTokens::Accepted).await.is_ok());
    }
}
