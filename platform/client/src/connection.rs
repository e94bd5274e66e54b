//! One connection type for both APIs: a person's bearer token or a service's SVID.

use crate::chunks::Chunks;
use crate::error::{ClientError, ProblemBody};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// Longer than the server's own limit, so that its answer arrives.
const TIMEOUT: Duration = Duration::from_mins(1);
/// A whole log takes a while; a stream that stands still ends after [`TIMEOUT`].
const LONGEST_STREAM: Duration = Duration::from_hours(24);

/// How the caller proves who it is.
#[derive(Clone)]
pub enum Credential {
    /// A person's bearer token.
    Token(String),
    /// A service's SVID, by mutual TLS; it says for which tenant it acts.
    Svid {
        /// The TLS configuration that presents the SVID and expects the service's.
        tls: Box<rustls::ClientConfig>,
        /// The tenant.
        tenant: String,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(..)"),
            Self::Svid { tenant, .. } => write!(f, "Svid({tenant})"),
        }
    }
}

/// An answer to a command, and whether it answers an earlier try.
#[derive(Debug, Clone)]
pub struct Replayed<T> {
    /// The answer.
    pub answer: T,
    /// `Idempotent-Replayed: true`.
    pub replayed: bool,
}

/// A client of one API.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    tenant: Option<String>,
    cause: Option<Cause>,
    traceparent: Option<String>,
}

/// What led to a command: recorded with its commit.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The event (`evt_...`).
    pub event: String,
    /// What larger piece of work it belongs to.
    pub correlation_id: String,
    /// W3C trace context of what issues the command, in the trace of the commit that holds the event.
    pub traceparent: String,
}

impl Client {
    /// Connects lazily; `base` is such as `http://127.0.0.1:4610`.
    pub fn new(base: &str, credential: Credential) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder().timeout(TIMEOUT).read_timeout(TIMEOUT).no_proxy();
        let (builder, tenant) = match credential {
            Credential::Token(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
                    ClientError::Request("the token is not visible ASCII".to_owned())
                })?;
                value.set_sensitive(true);
                let headers = HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, value)]);
                (builder.default_headers(headers), None)
            }
            Credential::Svid { tls, tenant } => {
                (builder.tls_backend_preconfigured(*tls), Some(tenant))
            }
        };
        let http = builder.build().map_err(|error| ClientError::Request(error.to_string()))?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
            tenant,
            cause: None,
            traceparent: None,
        })
    }

    /// The same connection, acting for another tenant (services only).
    #[must_use]
    pub fn for_tenant(&self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self.clone() }
    }

    /// The same connection, issuing commands from a place in a trace that no event led to.
    #[must_use]
    pub fn traced(&self, traceparent: String) -> Self {
        Self { traceparent: Some(traceparent), ..self.clone() }
    }

    /// The same connection, issuing commands because of an event.
    #[must_use]
    pub fn because(&self, cause: Cause) -> Self {
        let traceparent = Some(cause.traceparent.clone());
        Self { cause: Some(cause), traceparent, ..self.clone() }
    }

    /// Issues a command; the same `key` and body may be sent again safely.
    pub async fn command<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &B,
    ) -> Result<Replayed<A>, ClientError> {
        let body = serde_json::to_vec(body).map_err(|e| ClientError::Request(e.to_string()))?;
        let url = format!("{}{path}", self.base);
        let mut request = self
            .http
            .post(&url)
            .header(HeaderName::from_static("idempotency-key"), key)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(tenant) = &self.tenant {
            request = request.header(HeaderName::from_static("cs-tenant"), tenant);
        }
        if let Some(cause) = &self.cause {
            request = request
                .header(HeaderName::from_static("cs-causation-id"), &cause.event)
                .header(HeaderName::from_static("cs-correlation-id"), &cause.correlation_id);
        }
        if let Some(traceparent) = &self.traceparent {
            request = request.header(HeaderName::from_static("traceparent"), traceparent);
        }
        let response = request.send().await.map_err(|source| transport(&url, source))?;
        let response = successful(&url, response).await?;
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|v| v == "true");
        let answer = json(&url, response).await?;
        Ok(Replayed { answer, replayed })
    }

    /// Reads a document.
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        let (url, response) = self.fetch(path, None).await?;
        json(&url, response).await
    }

    /// Reads a document that is at least as new as a position (`<origin>:<sequence>`), waiting a little if needed.
    pub async fn get_since<A: DeserializeOwned>(
        &self,
        path: &str,
        position: &str,
    ) -> Result<A, ClientError> {
        let (url, response) = self.fetch(path, Some(position)).await?;
        json(&url, response).await
    }

    /// Reads bytes.
    pub async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let (url, response) = self.fetch(path, None).await?;
        response.bytes().await.map_err(|source| transport(&url, source))
    }

    /// Opens a long body, such as a log, to be read piece by piece.
    pub async fn stream(&self, path: &str) -> Result<Chunks, ClientError> {
        let url = format!("{}{path}", self.base);
        let request = self.http.request(Method::GET, &url).timeout(LONGEST_STREAM);
        let (url, response) = self.answered(url, request).await?;
        Ok(Chunks::new(url, response))
    }

    /// How far the answer to a read is (`Cs-Position`: `<origin>:<sequence>`), if it says so.
    pub async fn served_position(&self, path: &str) -> Result<Option<String>, ClientError> {
        self.header(path, ledger::POSITION_HEADER).await
    }

    /// A header of the answer to a read, if it is there.
    pub async fn header(&self, path: &str, name: &str) -> Result<Option<String>, ClientError> {
        let (_, response) = self.fetch(path, None).await?;
        let header = response.headers().get(name);
        Ok(header.and_then(|value| value.to_str().ok()).map(str::to_owned))
    }

    async fn fetch(
        &self,
        path: &str,
        position: Option<&str>,
    ) -> Result<(String, Response), ClientError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(Method::GET, &url);
        if let Some(position) = position {
            request = request.header("cs-min-position", position).header("prefer", "wait=5");
        }
        self.answered(url, request).await
    }

    async fn answered(
        &self,
        url: String,
        mut request: RequestBuilder,
    ) -> Result<(String, Response), ClientError> {
        if let Some(tenant) = &self.tenant {
            request = request.header(HeaderName::from_static("cs-tenant"), tenant);
        }
        let response = request.send().await.map_err(|source| transport(&url, source))?;
        let response = successful(&url, response).await?;
        Ok((url, response))
    }
}

pub(crate) fn transport(url: &str, source: reqwest::Error) -> ClientError {
    ClientError::Transport { url: url.to_owned(), source: source.without_url() }
}

async fn json<A: DeserializeOwned>(url: &str, response: Response) -> Result<A, ClientError> {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.map_err(|source| transport(url, source))?;
    serde_json::from_slice(&bytes).map_err(|source| ClientError::Answer {
        url: url.to_owned(),
        status,
        source,
    })
}

async fn successful(url: &str, response: Response) -> Result<Response, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let problem: ProblemBody = json(url, response).await?;
    Err(ClientError::Problem(Box::new(problem)))
}

/// Whether a process says on its operations port (`http://host:port`) that it is ready.
pub async fn is_ready(operations: &str) -> bool {
    let answer = probe(operations, "/readyz").await;
    answer.is_some_and(|answer| answer.status().is_success())
}

/// The version that a process tells on its operations port (`http://host:port`).
pub async fn process_version(operations: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Told {
        version: String,
    }
    let told: Told = probe(operations, "/version").await?.json().await.ok()?;
    Some(told.version)
}

async fn probe(operations: &str, path: &str) -> Option<Response> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build();
    client.ok()?.get(format!("{operations}{path}")).send().await.ok()
}
