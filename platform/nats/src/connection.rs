//! One connection to NATS, authenticated by X.509-SVID on both sides.
//!
//! The server is known by its exact SPIFFE ID, never by its host name. When our own SVID rotates
//! the connection is made anew with it, so that no connection outlives its SVID.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use spiffe::{SpiffeId, X509Source};
use spiffe_rustls::{Authorizer, TerminalSourcePolicy, TrustDomainPolicy, authorizer, mtls_client};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// Oldest nats-server that we speak to: 2.14.4 ends the header-aliasing fault in expected-sequence
/// publishes (notes/event-log.md).
pub const SERVER_FLOOR: (i64, i64, i64) = (2, 14, 4);

/// How long a request waits for its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

const EVENTS_KEPT: usize = 64;

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The workload has no usable SVID, or the TLS configuration could not be built from it.
    #[error("the SVID gives no TLS client configuration")]
    Tls(#[source] Box<spiffe_rustls::Error>),
    /// The server did not answer, is another one than expected, or refused our identity.
    #[error("cannot connect to NATS at {url}")]
    Connect {
        /// Where we dialled.
        url: String,
        /// What happened.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The server is older than [`SERVER_FLOOR`].
    #[error("nats-server {found} at {url} is older than 2.14.4, which is the least that is safe")]
    ServerTooOld {
        /// Where we dialled.
        url: String,
        /// The version that it announced.
        found: String,
    },
}

/// Something that happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// Connected, for the n-th time (1 is the first).
    Connected(u64),
    /// The connection was lost; the client reconnects by itself.
    Disconnected,
    /// The server refused something that we sent: a permission we do not have, or a bad message.
    Refused(String),
    /// The client could not do something, such as reconnect.
    Failed(String),
    /// Messages of a subscription were dropped because they were not read in time.
    SlowConsumer(u64),
    /// The connection was closed for good.
    Closed,
}

/// A shared connection to one NATS account. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    connects: watch::Receiver<u64>,
    events: broadcast::Sender<ConnectionEvent>,
    _rotation: Rotation,
}

/// Ends the rotation task with the last clone of the connection.
#[derive(Debug)]
struct Rotation(AbortHandle);

impl Drop for Rotation {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Connects to `url` (`tls://host:port`) with the current SVID of `source`, accepts only the
    /// server `server_id` of its own trust domain, and keeps reconnecting until dropped.
    ///
    /// `inbox_prefix` comes from [`crate::subjects::service_inbox`] or
    /// [`crate::subjects::agent_inbox`]; `name` is what the server's monitoring shows.
    pub async fn connect(
        url: &str,
        source: &X509Source,
        server_id: &SpiffeId,
        inbox_prefix: &str,
        name: &str,
    ) -> Result<Self, ConnectionError> {
        let tls = mtls_client(source.clone())
            .authorize(exact(server_id)?)
            .trust_domain_policy(TrustDomainPolicy::LocalOnly(server_id.trust_domain().clone()))
            .terminal_source_policy(TerminalSourcePolicy::FailClosed)
            .build()
            .map_err(tls_error)?;
        let (connects_sender, connects) = watch::channel(0);
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let observer = Arc::new(Observer {
            name: name.to_owned(),
            connects: AtomicU64::new(0),
            watch: connects_sender,
            events: events.clone(),
        });
        let client = async_nats::ConnectOptions::new()
            .tls_client_config(tls)
            .require_tls(true)
            .custom_inbox_prefix(inbox_prefix)
            .name(name)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .event_callback(move |event| {
                let observer = Arc::clone(&observer);
                async move { observer.observe(&event) }
            })
            .connect(url)
            .await
            .map_err(|source| ConnectionError::Connect { url: url.to_owned(), source })?;
        let (major, minor, patch) = SERVER_FLOOR;
        if !client.is_server_compatible(major, minor, patch) {
            let found = client.server_info().version;
            return Err(ConnectionError::ServerTooOld { url: url.to_owned(), found });
        }
        let rotation = Rotation(follow_rotation(client.clone(), source.clone()));
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(REQUEST_TIMEOUT);
        Ok(Self(Arc::new(Shared { client, jetstream, connects, events, _rotation: rotation })))
    }

    /// The plain client.
    pub fn client(&self) -> &async_nats::Client {
        &self.0.client
    }

    /// The `JetStream` API of this account.
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.0.jetstream
    }

    /// How often the connection was made, the first time included. It has grown before the first
    /// message over a new connection is answered.
    pub fn connects(&self) -> u64 {
        self.0.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// Wakes whoever must act on a reconnect; [`Connection::connects`] is the exact count.
    pub fn watch_connects(&self) -> watch::Receiver<u64> {
        self.0.connects.clone()
    }

    /// What happens from now on. A receiver that falls more than 64 events behind loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<ConnectionEvent> {
        self.0.events.subscribe()
    }

    /// Whether the client is connected at this moment.
    pub fn is_connected(&self) -> bool {
        self.0.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Sends what is buffered, ends every subscription and closes the connection.
    pub async fn close(&self) {
        if let Err(error) = self.0.client.drain().await {
            tracing::debug!(%error, "the NATS connection was closed already");
        }
    }
}

fn exact(server_id: &SpiffeId) -> Result<impl Authorizer + use<>, ConnectionError> {
    authorizer::exact([server_id.clone()]).map_err(tls_error)
}

fn tls_error(error: spiffe_rustls::Error) -> ConnectionError {
    ConnectionError::Tls(Box::new(error))
}

struct Observer {
    name: String,
    connects: AtomicU64,
    watch: watch::Sender<u64>,
    events: broadcast::Sender<ConnectionEvent>,
}

impl Observer {
    fn observe(&self, event: &async_nats::Event) {
        use async_nats::Event;
        let connection = self.name.as_str();
        let seen = match event {
            Event::Connected => {
                let count = self.connects.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::info!(connection, count, "connected to NATS");
                self.watch.send_replace(count);
                ConnectionEvent::Connected(count)
            }
            Event::Disconnected => {
                tracing::warn!(connection, "lost the connection to NATS");
                ConnectionEvent::Disconnected
            }
            Event::ServerError(error) => {
                tracing::error!(connection, %error, "NATS refused what we sent");
                ConnectionEvent::Refused(error.to_string())
            }
            Event::ClientError(error) => {
                tracing::warn!(connection, %error, "the NATS client failed");
                ConnectionEvent::Failed(error.to_string())
            }
            Event::SlowConsumer(subscription) => {
                tracing::error!(connection, subscription, "messages were dropped: reader too slow");
                ConnectionEvent::SlowConsumer(*subscription)
            }
            Event::LameDuckMode | Event::Draining => {
                tracing::info!(connection, %event, "the NATS connection is being closed");
                return;
            }
            Event::Closed => ConnectionEvent::Closed,
        };
        // An error only says that nobody listens.
        self.events.send(seen).ok();
    }
}

/// Reconnects whenever the SVID (not merely the bundle) has changed.
#[expect(clippy::disallowed_methods, reason = "the task lives and ends with its connection")]
fn follow_rotation(client: async_nats::Client, source: X509Source) -> AbortHandle {
    let task = tokio::spawn(async move {
        let leaf = |source: &X509Source| {
            let svid = source.svid().ok()?;
            svid.cert_chain().first().map(|certificate| certificate.as_bytes().to_vec())
        };
        let mut used = leaf(&source);
        let mut updates = source.updated();
        while updates.changed().await.is_ok() {
            let current = leaf(&source);
            if current.is_none() || current == used {
                continue;
            }
            used = current;
            tracing::info!("the SVID was rotated: connecting to NATS anew with it");
            if let Err(error) = client.force_reconnect().await {
                tracing::debug!(%error, "the NATS connection is closed: rotation ends");
                return;
            }
        }
    });
    task.abort_handle()
}
