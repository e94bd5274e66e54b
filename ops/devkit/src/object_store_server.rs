//! An S3-compatible server with object lock (`SeaweedFS`) as a child process: loopback only, random credentials.

mod requests;

pub use requests::{Answer, Request};

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use object_store::aws::AwsCredential;
use object_store::client::{ClientOptions, HttpClient, HttpConnector as _, ReqwestConnector};

use crate::children::{Child, ChildError, Program};
use crate::folder::{self, FolderError};
use crate::ports;

/// The region that it says it is in.
pub const REGION: &str = "us-east-1";

const PATIENCE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(10);
/// A start that lost a port to another process is tried again on others.
const PORT_ATTEMPTS: u32 = 5;
/// HTTP and gRPC of the master, the volume server, the filer and the S3 API.
const PORTS: usize = 8;
const PROBE: &str = "devkit-probe";

/// Why the server does not run, or did not do as it should.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreServerError {
    /// Its folder cannot be used.
    #[error("cannot keep the folder of the object store")]
    Folder(#[from] FolderError),
    /// The operating system gave no random bytes.
    #[error("no random bytes for credentials")]
    Random(#[source] getrandom::Error),
    /// The operating system gave no ports.
    #[error("no free ports")]
    Ports(#[source] std::io::Error),
    /// Its configuration cannot be written down.
    #[error("cannot write the configuration of the object store")]
    Configuration(#[source] serde_json::Error),
    /// The process failed.
    #[error("the object store does not run")]
    Child(#[from] ChildError),
    /// A request could not be sent, or its answer not be read.
    #[error("cannot ask the object store")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It refused what a test needs.
    #[error("the object store answered {status}: {body}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
}

/// What a bucket keeps from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketLock {
    /// Nothing.
    Off,
    /// Object lock, without a default retention.
    WithoutRetention,
    /// Object lock; every new version is held for a day in this mode: `COMPLIANCE` or `GOVERNANCE`.
    ForADay(&'static str),
}

/// A running S3-compatible server.
#[derive(Debug)]
pub struct ObjectStoreServer {
    child: Child,
    http: HttpClient,
    ports: [u16; PORTS],
    credential: Arc<AwsCredential>,
    secret_file: PathBuf,
}

impl ObjectStoreServer {
    /// Starts `weed` with its data and its credentials in `folder`. Ready means that it takes an object in.
    pub async fn start(weed: &Path, folder: &Path) -> Result<Self, ObjectStoreServerError> {
        folder::make(folder, 0o700)?;
        let data = folder.join("data");
        folder::make(&data, 0o700)?;
        let credential = AwsCredential { key_id: random()?, secret_key: random()?, token: None };
        let credential = Arc::new(credential);
        let secret_file = folder.join("secret");
        folder::write_private(&secret_file, credential.secret_key.as_bytes())?;
        configure(&folder.join("s3.json"), &credential)?;
        let options = ClientOptions::new().with_allow_http(true);
        let http = ReqwestConnector::default().connect(&options);
        let http = http.map_err(|error| ObjectStoreServerError::Request(error.into()))?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let ports = ports::free::<PORTS>().map_err(ObjectStoreServerError::Ports)?;
            let child = launch(weed, folder, ports)?;
            let (credential, secret_file) = (Arc::clone(&credential), secret_file.clone());
            let server = Self { child, http: http.clone(), ports, credential, secret_file };
            match server.child.until(PATIENCE, || server.takes_an_object()).await {
                Ok(()) => return Ok(server),
                Err(error)
                    if attempts == PORT_ATTEMPTS || ports.into_iter().all(ports::is_free) =>
                {
                    return Err(error.into());
                }
                Err(_) => tracing::info!(?ports, "a port was taken meanwhile: others"),
            }
        }
    }

    /// Where its S3 API is.
    pub fn endpoint(&self) -> String {
        let [.., port, _] = self.ports;
        format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
    }

    /// Names the key that may do everything.
    pub fn access_key_id(&self) -> &str {
        &self.credential.key_id
    }

    /// The file with the secret of that key, for its owner alone.
    pub fn secret_access_key_file(&self) -> &Path {
        &self.secret_file
    }

    /// Its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Makes a bucket.
    pub async fn make_bucket(
        &self,
        name: &str,
        lock: BucketLock,
    ) -> Result<(), ObjectStoreServerError> {
        let mut make = Request::new(Method::PUT, name);
        if lock != BucketLock::Off {
            make = make.header("x-amz-bucket-object-lock-enabled", "true");
        }
        self.send(make).await?.or_refused()?;
        if let BucketLock::ForADay(mode) = lock {
            let retention = format!("<Mode>{mode}</Mode><Days>1</Days>");
            let rule = format!("<Rule><DefaultRetention>{retention}</DefaultRetention></Rule>");
            let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
            let body = format!(
                "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 {enabled}{rule}</ObjectLockConfiguration>"
            );
            let set = Request::new(Method::PUT, name).query("object-lock", "").body(body);
            self.send(set).await?.or_refused()?;
        }
        Ok(())
    }

    /// Stops it in order.
    pub async fn stop(&self) -> ExitStatus {
        self.child.stop(GRACE).await
    }

    async fn takes_an_object(&self) -> Option<()> {
        // Both again and again: it accepts buckets before it has room for objects.
        self.send(Request::new(Method::PUT, PROBE)).await.ok()?;
        let put = Request::new(Method::PUT, format!("{PROBE}/object")).body("probe");
        self.send(put).await.ok()?.or_refused().ok().map(|_| ())
    }
}

impl Drop for ObjectStoreServer {
    fn drop(&mut self) {
        // Where these sockets lie cannot be chosen, and a killed server leaves them there.
        let [_, master, _, volume, _, filer, _, s3] = self.ports;
        for (name, port) in [("master", master), ("volume", volume), ("filer", filer), ("s3", s3)] {
            let socket = format!("/tmp/seaweedfs-{name}-grpc-{port}.sock");
            if let Err(error) = std::fs::remove_file(&socket) {
                tracing::debug!(socket, %error, "cannot remove a socket of the object store");
            }
        }
    }
}

fn random() -> Result<String, ObjectStoreServerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(ObjectStoreServerError::Random)?;
    Ok(hex::encode(bytes))
}

fn configure(path: &Path, credential: &AwsCredential) -> Result<(), ObjectStoreServerError> {
    let configuration = serde_json::json!({"identities": [{
        "name": "devkit",
        "credentials": [{"accessKey": credential.key_id, "secretKey": credential.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    let text = serde_json::to_vec(&configuration).map_err(ObjectStoreServerError::Configuration)?;
    Ok(folder::write_private(path, &text)?)
}

fn launch(
    weed: &Path,
    folder: &Path,
    ports: [u16; PORTS],
) -> Result<Child, ObjectStoreServerError> {
    const NAMES: [&str; PORTS] = [
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port",
        "s3.port.grpc",
    ];
    let sockets = folder::for_sockets(folder)?;
    let ports = NAMES.iter().zip(ports).map(|(name, port)| format!("-{name}={port}"));
    let program = Program::new("weed", weed, folder.join("weed.log"))
        .without_environment()
        // Whatever it reads or leaves beside itself.
        .in_folder(folder)
        .arguments(["server", "-filer", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
        // It would report statistics to its makers.
        .arguments(["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"])
        .arguments(["-dir=data", "-volume.max=0", "-master.volumeSizeLimitMB=64"])
        .arguments(ports)
        .argument(format!("-s3.config={}", folder.join("s3.json").display()))
        .argument(format!("-filer.localSocket={}", sockets.join("filer.sock").display()))
        .argument(format!("-s3.localSocket={}", sockets.join("s3.sock").display()));
    Ok(program.spawn()?)
}
