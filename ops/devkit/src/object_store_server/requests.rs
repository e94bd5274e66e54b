//! Raw requests, signed by the key that may do everything: for what a client library would never send.

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{HeaderMap, Method, StatusCode};
use object_store::aws::AwsAuthorizer;
use object_store::client::HttpRequest;

use super::{ObjectStoreServer, ObjectStoreServerError, REGION};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request to the S3 API.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    path: String,
    query: Vec<String>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Request {
    /// `path` is the bucket, then a slash and the key if there is one.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let (query, headers, body) = (Vec::new(), Vec::new(), Bytes::new());
        Self { method, path: path.into(), query, headers, body }
    }

    /// Adds a pair to the query; neither part may need escapes.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push(format!("{name}={value}"));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn unsigned(self, endpoint: &str) -> Result<HttpRequest, BoxError> {
        let query = self.query.join("&");
        let uri =
            format!("{endpoint}/{}{}{query}", self.path, if query.is_empty() { "" } else { "?" });
        let mut request = HttpRequest::new(self.body.into());
        *request.method_mut() = self.method;
        *request.uri_mut() = uri.parse()?;
        for (name, value) in self.headers {
            request.headers_mut().insert(name, value.parse()?);
        }
        Ok(request)
    }
}

/// What it answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// One header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Itself, if it is a success.
    pub fn or_refused(self) -> Result<Self, ObjectStoreServerError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body).into_owned();
        Err(ObjectStoreServerError::Refused { status: self.status, body })
    }
}

impl ObjectStoreServer {
    /// Signs and sends a request once, whatever the answer is.
    pub async fn send(&self, request: Request) -> Result<Answer, ObjectStoreServerError> {
        self.try_send(request).await.map_err(ObjectStoreServerError::Request)
    }

    async fn try_send(&self, request: Request) -> Result<Answer, BoxError> {
        let mut request = request.unsigned(&self.endpoint())?;
        AwsAuthorizer::new(&self.credential, "s3", REGION).try_authorize(&mut request, None)?;
        let answer = self.http.execute(request).await?;
        let (parts, body) = answer.into_parts();
        let chunks: Vec<Bytes> = body.bytes_stream().try_collect().await?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: chunks.concat().into() })
    }
}
