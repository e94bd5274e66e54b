//! The TLS listener with real certificates over a loopback socket, and its graceful stop.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use chassis::listen::{MtlsListener, Peer};
use chassis::serve::serve;
use countersign_chassis as chassis;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const WORKFLOWS: &str = "spiffe://dev.countersign/countersign/workflows";

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

fn authority() -> Result<Ca> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let der = params.self_signed(&key)?.der().clone();
    Ok(Ca { issuer: Issuer::new(params, key), der })
}

impl Ca {
    /// A leaf for `uri`; the DNS name is for the plain rustls client of this test only.
    fn leaf(&self, uri: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        Ok((vec![certificate.der().clone()], key))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        Ok(Arc::new(roots))
    }

    fn server(&self) -> Result<ServerConfig> {
        let (chain, key) = self.leaf("spiffe://dev.countersign/countersign/command-api")?;
        let verifier = WebPkiClientVerifier::builder(self.roots()?).build()?;
        Ok(ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?)
    }

    fn client(&self, signed_by: &Self, uri: &str) -> Result<TlsConnector> {
        let (chain, key) = signed_by.leaf(uri)?;
        let config = ClientConfig::builder()
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(chain, key)?;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

async fn whoami(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
    match peer {
        Peer::Service { spiffe_id, .. } => spiffe_id.to_string(),
        Peer::Anonymous(_) => "anonymous".to_owned(),
    }
}

async fn ask(connector: &TlsConnector, address: SocketAddr) -> Result<String> {
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    let request = "GET /whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(body.to_owned())
}

struct Running {
    address: SocketAddr,
    stopping: CancellationToken,
    served: tokio::task::JoinHandle<Result<()>>,
}

async fn running(config: ServerConfig) -> Result<Running> {
    let listener = MtlsListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), config).await?;
    let (address, stopping) = (listener.address(), CancellationToken::new());
    let router = Router::new().route("/whoami", get(whoami));
    let served = TaskTracker::new().spawn(serve(router, listener, stopping.clone()));
    Ok(Running { address, stopping, served })
}

#[tokio::test]
async fn a_service_is_named_by_its_certificate_and_a_stranger_gets_nothing() {
    chassis::process::install_crypto();
    let (ca, foreign) = (authority().unwrap(), authority().unwrap());
    let server = running(ca.server().unwrap()).await.unwrap();
    let workflows = ca.client(&ca, WORKFLOWS).unwrap();
    assert_eq!(ask(&workflows, server.address).await.unwrap(), WORKFLOWS);
    let stranger = ca.client(&foreign, WORKFLOWS).unwrap();
    assert!(ask(&stranger, server.address).await.is_err());
    let nameless = ca.client(&ca, "https://example.org/").unwrap();
    assert!(ask(&nameless, server.address).await.is_err());
    server.stopping.cancel();
    server.served.await.unwrap().unwrap();
    assert!(ask(&workflows, server.address).await.is_err());
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_holds_up_nobody() {
    chassis::process::install_crypto();
    let ca = authority().unwrap();
    let server = running(ca.server().unwrap()).await.unwrap();
    let silent = TcpStream::connect(server.address).await.unwrap();
    let workflows = ca.client(&ca, WORKFLOWS).unwrap();
    assert_eq!(ask(&workflows, server.address).await.unwrap(), WORKFLOWS);
    drop(silent);
}
