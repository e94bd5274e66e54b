//! Who this process is: its X.509-SVID from the SPIFFE Workload API, and the TLS configurations made of it.
//!
//! Both sides of every connection show an SVID of our own trust domain; when the source ends, connections are refused.

use crate::problem::Chain;
use rustls::{ClientConfig, ServerConfig};
use spiffe::{TrustDomain, WorkloadApiClient, WorkloadApiError, X509Source, X509SourceError};
use spiffe_rustls::{
    TerminalSourcePolicy, TrustDomainPolicy, authorizer, mtls_client, mtls_server,
};
use std::fmt;
use std::time::Duration;
use trust::spiffe::SpiffeId;

/// How long a process waits for its first identity; the issuer may still be starting.
const FIRST_IDENTITY: Duration = Duration::from_secs(10);
const DIAGNOSIS: Duration = Duration::from_secs(2);

/// Why there is no identity, or no TLS configuration of it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The expected trust domain is not one.
    #[error("{name:?} is not a trust domain")]
    TrustDomain {
        /// As configured.
        name: String,
        /// Why.
        #[source]
        source: spiffe::SpiffeIdError,
    },
    /// The Workload API answered, but not with an identity.
    #[error(
        "the SPIFFE Workload API at {socket} gave no identity: is this process registered there?"
    )]
    Refused {
        /// Its socket.
        socket: String,
        /// Its own answer, such as "no identity issued".
        #[source]
        source: WorkloadApiError,
    },
    /// The Workload API did not answer in time.
    #[error(
        "no identity from the SPIFFE Workload API at {socket} within {seconds} s: is it running?"
    )]
    Silent {
        /// Its socket.
        socket: String,
        /// How long was waited.
        seconds: u64,
        /// The last error of the source.
        #[source]
        source: X509SourceError,
    },
    /// The identity has no SPIFFE ID that we accept.
    #[error("the issued identity {id} is not one of ours")]
    Id {
        /// As issued.
        id: String,
        /// Why.
        #[source]
        source: trust::names::NameError,
    },
    /// The identity belongs to another trust domain.
    #[error("the issued identity {id} is not in the trust domain {expected}")]
    OtherTrustDomain {
        /// As issued.
        id: SpiffeId,
        /// As configured.
        expected: String,
    },
    /// The source can give no identity any more.
    #[error("the identity is no longer available")]
    Source(#[from] X509SourceError),
    /// No TLS configuration could be made.
    #[error("cannot make a TLS configuration of the identity")]
    Tls(#[from] spiffe_rustls::Error),
    /// A peer is not a SPIFFE ID.
    #[error("an expected peer is not a SPIFFE ID")]
    Peer(#[from] spiffe_rustls::AuthorizerConfigError),
}

/// The identity of this process; it renews itself.
#[derive(Clone)]
pub struct Identity {
    source: X509Source,
    spiffe_id: SpiffeId,
    trust_domain: TrustDomain,
}

impl Identity {
    /// Waits up to 10 s for an SVID. `socket` is a path or `unix:///path`; another trust domain is refused.
    pub async fn connect(socket: &str, trust_domain: &str) -> Result<Self, IdentityError> {
        Self::connect_within(socket, trust_domain, FIRST_IDENTITY).await
    }

    async fn connect_within(
        socket: &str,
        expected: &str,
        patience: Duration,
    ) -> Result<Self, IdentityError> {
        let trust_domain = TrustDomain::try_from(expected)
            .map_err(|source| IdentityError::TrustDomain { name: expected.to_owned(), source })?;
        let endpoint = endpoint_of(socket);
        // Without a limit the source retries forever, whatever the Workload API answers.
        let building = X509Source::builder().endpoint(&endpoint).initial_sync_timeout(patience);
        let source = match building.build().await {
            Ok(source) => source,
            Err(error) => return Err(diagnose(endpoint, patience, error).await),
        };
        let id = source.svid()?.spiffe_id().to_string();
        let spiffe_id: SpiffeId = id.parse().map_err(|source| IdentityError::Id { id, source })?;
        if spiffe_id.trust_domain() != trust_domain.as_str() {
            let expected = trust_domain.to_string();
            return Err(IdentityError::OtherTrustDomain { id: spiffe_id, expected });
        }
        Ok(Self { source, spiffe_id, trust_domain })
    }

    /// Our SPIFFE ID.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The renewing source of SVID, key and bundles: a result is signed with the key of this moment.
    pub fn source(&self) -> &X509Source {
        &self.source
    }

    /// To connect to exactly these peers (whole SPIFFE IDs); host names play no part. No ALPN is set.
    pub fn client_config(&self, peers: &[&str]) -> Result<ClientConfig, IdentityError> {
        let config = mtls_client(self.source.clone())
            .authorize(authorizer::exact(peers.iter().copied())?)
            .trust_domain_policy(TrustDomainPolicy::LocalOnly(self.trust_domain.clone()))
            .terminal_source_policy(TerminalSourcePolicy::FailClosed)
            .build()?;
        Ok(config)
    }

    /// To serve HTTP to those peers of our trust domain that `admit` lets in; every peer must show an SVID.
    pub fn server_config(
        &self,
        admit: impl Fn(&SpiffeId) -> bool + Send + Sync + 'static,
    ) -> Result<ServerConfig, IdentityError> {
        let admit =
            move |peer: &spiffe::SpiffeId| peer.to_string().parse().is_ok_and(|id| admit(&id));
        let config = mtls_server(self.source.clone())
            .authorize(admit)
            .trust_domain_policy(TrustDomainPolicy::LocalOnly(self.trust_domain.clone()))
            .terminal_source_policy(TerminalSourcePolicy::FailClosed)
            .with_alpn_protocols([&b"h2"[..], b"http/1.1"])
            .build()?;
        Ok(config)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("spiffe_id", &self.spiffe_id).finish_non_exhaustive()
    }
}

fn endpoint_of(socket: &str) -> String {
    if socket.starts_with('/') { format!("unix://{socket}") } else { socket.to_owned() }
}

/// The source says only that time is up; the Workload API itself says why.
async fn diagnose(socket: String, waited: Duration, error: X509SourceError) -> IdentityError {
    let asked = tokio::time::timeout(DIAGNOSIS, async {
        WorkloadApiClient::connect_to(&socket).await?.fetch_x509_svid().await
    });
    match asked.await {
        Ok(Err(source)) if is_answer(&source) => {
            tracing::warn!(socket, error = %Chain(&source), "the Workload API refused an identity");
            IdentityError::Refused { socket, source }
        }
        _ => IdentityError::Silent { socket, seconds: waited.as_secs(), source: error },
    }
}

fn is_answer(error: &WorkloadApiError) -> bool {
    !matches!(error, WorkloadApiError::Transport(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_workload_api_that_does_not_run_is_named() {
        let patience = Duration::from_millis(50);
        let connecting =
            Identity::connect_within("/nonexistent/api.sock", "dev.countersign", patience);
        let error = connecting.await.unwrap_err();
        assert!(matches!(error, IdentityError::Silent { .. }), "{error:?}");
        assert!(error.to_string().contains("unix:///nonexistent/api.sock"), "{error}");
    }

    #[tokio::test]
    async fn a_trust_domain_is_checked_before_anything_is_asked() {
        let error = Identity::connect("/nonexistent/api.sock", "Not A Domain").await.unwrap_err();
        assert!(matches!(error, IdentityError::TrustDomain { .. }), "{error:?}");
    }
}
