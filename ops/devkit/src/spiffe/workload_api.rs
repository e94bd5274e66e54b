//! A SPIFFE Workload API server: one Unix socket per identity in a folder that only we may enter.
//!
//! Which identity a caller gets is decided by the socket that it can reach; only processes of our
//! own user are answered at all.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::net::UnixListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::Authority;
use super::messages::{
    X509BundlesRequest, X509BundlesResponse, X509Svid, X509SvidRequest, X509SvidResponse,
};
use crate::folder;

/// How long [`WorkloadApi::source`] waits for the first SVID.
const FIRST_SVID: Duration = Duration::from_secs(10);

/// Why an identity cannot be served or taken.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadApiError {
    /// The SPIFFE ID is malformed or of another trust domain.
    #[error("{id:?} is not a SPIFFE ID of {trust_domain}")]
    NotOurIdentity {
        /// The refused id.
        id: String,
        /// Trust domain of the authority.
        trust_domain: String,
    },
    /// The socket could not be made.
    #[error("cannot listen on {}", socket.display())]
    Listen {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// No SVID came over the socket.
    #[error("no SVID for {id}")]
    NoSvid {
        /// The identity.
        id: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The running server. Dropping it closes every socket.
#[derive(Debug)]
pub struct WorkloadApi {
    folder: PathBuf,
    authority: Arc<Authority>,
    ttl: Duration,
    sockets: Mutex<BTreeMap<String, Socket>>,
}

#[derive(Debug)]
struct Socket {
    path: PathBuf,
    task: AbortHandle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
        std::fs::remove_file(&self.path).ok();
    }
}

impl WorkloadApi {
    /// Serves SVIDs of `authority` that live for `ttl` and are renewed after half of it; `folder`
    /// must be one that only we may enter.
    pub fn serve(folder: &Path, authority: Arc<Authority>, ttl: Duration) -> Self {
        let sockets = Mutex::new(BTreeMap::new());
        Self { folder: folder.to_owned(), authority, ttl, sockets }
    }

    /// The endpoint (`unix:/path`, as in `SPIFFE_ENDPOINT_SOCKET`) that gives `id` to its callers.
    /// Must be called within a tokio runtime, which then serves it.
    pub fn endpoint(&self, id: &str) -> Result<String, WorkloadApiError> {
        let trust_domain = self.authority.trust_domain();
        let ours = spiffe::SpiffeId::new(id).is_ok_and(|parsed| {
            parsed.trust_domain_name() == trust_domain && !parsed.path().is_empty()
        });
        if !ours {
            let trust_domain = trust_domain.to_owned();
            return Err(WorkloadApiError::NotOurIdentity { id: id.to_owned(), trust_domain });
        }
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = sockets.get(id).filter(|socket| !socket.task.is_finished()) {
            return Ok(format!("unix:{}", socket.path.display()));
        }
        sockets.remove(id);
        let path = self.folder.join(socket_name(id));
        let listen = |source| WorkloadApiError::Listen { socket: path.clone(), source };
        // Left over by a process that was killed; listening fails anyway if this fails.
        std::fs::remove_file(&path).ok();
        let listener = UnixListener::bind(&path).map_err(listen)?;
        let issuer = Issuer::new(Arc::clone(&self.authority), id.to_owned(), self.ttl);
        let task = serve(listener, Arc::new(issuer));
        let endpoint = format!("unix:{}", path.display());
        sockets.insert(id.to_owned(), Socket { path, task });
        Ok(endpoint)
    }

    /// A live source of `id`'s SVIDs, for use within this process.
    pub async fn source(&self, id: &str) -> Result<spiffe::X509Source, WorkloadApiError> {
        let endpoint = self.endpoint(id)?;
        let no_svid = |source| WorkloadApiError::NoSvid { id: id.to_owned(), source };
        // `build` retries for ever by itself.
        let building = spiffe::X509Source::builder().endpoint(endpoint).build();
        tokio::time::timeout(FIRST_SVID, building)
            .await
            .map_err(|elapsed| no_svid(elapsed.into()))?
            .map_err(|error| no_svid(error.into()))
    }

    /// The authority behind it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// Where the socket of `id` is while a stack runs on `data_dir` and serves it.
pub fn socket_of(data_dir: &Path, id: &str) -> PathBuf {
    folder::of_sockets(data_dir).join(socket_name(id))
}

/// Readable, unique and short: the last path segment and 8 hex characters of the whole id.
fn socket_name(id: &str) -> String {
    let last: String = id.rsplit('/').next().unwrap_or_default().chars().take(20).collect();
    let whole: String = hex::encode(Sha256::digest(id)).chars().take(8).collect();
    format!("{last}-{whole}.sock")
}

struct Issuer {
    authority: Arc<Authority>,
    id: String,
    ttl: Duration,
    current: Mutex<Option<Current>>,
}

/// The identity's SVID of this moment and when the next one is due. Every stream gets the same, as from SPIRE: a
/// client that opens a second stream must not see a rotation that is none.
#[derive(Clone)]
struct Current {
    answer: X509SvidResponse,
    renewal: Instant,
}

impl Issuer {
    fn new(authority: Arc<Authority>, id: String, ttl: Duration) -> Self {
        Self { authority, id, ttl, current: Mutex::new(None) }
    }

    fn current(&self) -> Result<Current, Status> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(valid) = current.as_ref().filter(|current| Instant::now() < current.renewal) {
            return Ok(valid.clone());
        }
        let svid = self
            .authority
            .issue(&self.id, self.ttl)
            .map_err(|error| Status::internal(error.to_string()))?;
        let svid = X509Svid {
            spiffe_id: self.id.clone(),
            x509_svid: svid.certificate_der,
            x509_svid_key: svid.key_der,
            bundle: self.authority.certificate_der().to_vec(),
            hint: String::new(),
        };
        let answer = X509SvidResponse { svids: vec![svid], ..X509SvidResponse::default() };
        let issued = Current { answer, renewal: Instant::now() + self.ttl / 2 };
        *current = Some(issued.clone());
        Ok(issued)
    }

    fn bundles(&self) -> X509BundlesResponse {
        let id = format!("spiffe://{}", self.authority.trust_domain());
        let bundles = HashMap::from([(id, self.authority.certificate_der().to_vec())]);
        X509BundlesResponse { bundles, ..X509BundlesResponse::default() }
    }
}

/// The header keeps a browser or a confused proxy from asking for keys (the specification demands
/// it); the peer's user is known to the kernel.
fn check<T>(request: &Request<T>, peer: Option<&UdsConnectInfo>) -> Result<(), Status> {
    let header = request.metadata().get("workload.spiffe.io");
    if header.and_then(|value| value.to_str().ok()) != Some("true") {
        return Err(Status::invalid_argument("security header missing from request"));
    }
    let uid = peer.and_then(|peer| peer.peer_cred).map(|credentials| credentials.uid());
    if uid != Some(nix::unistd::Uid::effective().as_raw()) {
        return Err(Status::permission_denied("no identity issued"));
    }
    Ok(())
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[expect(clippy::disallowed_methods, reason = "the task lives and ends with its socket")]
fn serve(listener: UnixListener, issuer: Arc<Issuer>) -> AbortHandle {
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let issuer = Arc::clone(&issuer);
        async move { Ok::<_, Infallible>(answer(issuer, request).await) }
    });
    let task = tokio::spawn(async move {
        let connections = UnixListenerStream::new(listener);
        let served = tonic::transport::Server::builder().serve_with_incoming(service, connections);
        if let Err(error) = served.await {
            tracing::error!(%error, "a Workload API socket failed");
        }
    });
    task.abort_handle()
}

async fn answer(issuer: Arc<Issuer>, request: http::Request<Body>) -> http::Response<Body> {
    let peer = request.extensions().get::<UdsConnectInfo>().cloned();
    match request.uri().path() {
        "/SpiffeWorkloadAPI/FetchX509SVID" => {
            let fetch = tower::service_fn(move |asked: Request<X509SvidRequest>| {
                let (issuer, checked) = (Arc::clone(&issuer), check(&asked, peer.as_ref()));
                async move { checked.map(|()| Response::new(svids(issuer))) }
            });
            Grpc::new(ProstCodec::default()).server_streaming(fetch, request).await
        }
        "/SpiffeWorkloadAPI/FetchX509Bundles" => {
            let fetch = tower::service_fn(move |asked: Request<X509BundlesRequest>| {
                let (bundles, checked) = (issuer.bundles(), check(&asked, peer.as_ref()));
                async move {
                    let answers: Answers<X509BundlesResponse> =
                        stream::iter([Ok(bundles)]).chain(stream::pending()).boxed();
                    checked.map(|()| Response::new(answers))
                }
            });
            Grpc::new(ProstCodec::default()).server_streaming(fetch, request).await
        }
        _ => Status::unimplemented("only X.509-SVIDs are issued for development").into_http(),
    }
}

/// A new SVID at once and after every half of its life.
fn svids(issuer: Arc<Issuer>) -> Answers<X509SvidResponse> {
    stream::unfold((issuer, None), |(issuer, renewal)| async move {
        if let Some(renewal) = renewal {
            tokio::time::sleep_until(renewal).await;
        }
        match issuer.current() {
            Ok(Current { answer, renewal }) => Some((Ok(answer), (issuer, Some(renewal)))),
            // The client opens a new stream after an error.
            Err(status) => Some((Err(status), (issuer, renewal))),
        }
    })
    .boxed()
}
