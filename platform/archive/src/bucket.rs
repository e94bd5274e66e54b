//! An S3 bucket as a store.

use crate::config::{ArchiveConfig, ConfigError, Endpoint};
use crate::error::{ArchiveError, BoxError};
use crate::weakness::Weakness;
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, Checksum, S3ConditionalPut};
use object_store::client::{
    HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, HttpResponseBody,
    ReqwestConnector,
};
use object_store::{BackoffConfig, RetryConfig};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long one request is tried again: the sealer rather waits with the next checkpoint than without a word.
const RETRIED_FOR: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// A bucket and how to ask it what `object_store` has no call for.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) store: Arc<AmazonS3>,
    http: HttpClient,
    region: String,
    url: String,
}

impl Bucket {
    pub(crate) fn open<E: Into<BoxError>>(
        config: &ArchiveConfig,
        bucket: &str,
        read_secret: impl FnOnce(&Path) -> Result<String, E>,
    ) -> Result<Self, ArchiveError> {
        let region = config.region.clone().ok_or(ConfigError::NoRegion)?;
        let endpoint = config.endpoint.clone().unwrap_or_else(|| Endpoint::amazon(&region));
        let options = ClientOptions::new().with_allow_http(endpoint.is_plain());
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&region)
            .with_endpoint(endpoint.as_str())
            .with_client_options(options.clone())
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 10,
                retry_timeout: RETRIED_FOR,
            })
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // A bucket with object lock takes nothing without one.
            .with_checksum_algorithm(Checksum::SHA256);
        match (&config.access_key_id, &config.secret_access_key_file) {
            (Some(id), Some(path)) => {
                let secret = read_secret(path).map_err(|error| ArchiveError::Secret {
                    path: path.clone(),
                    source: error.into(),
                })?;
                builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return Err(ConfigError::HalfAKey.into()),
        }
        let failed = |source| ArchiveError::Store { what: "use", path: bucket.to_owned(), source };
        let store = Arc::new(builder.build().map_err(failed)?);
        let http = ReqwestConnector::default().connect(&options).map_err(failed)?;
        let url = format!("{}/{bucket}/", endpoint.as_str());
        Ok(Self { store, http, region, url })
    }

    /// What its object lock does not do.
    pub(crate) async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        let (status, body) = self.ask_lock().await.map_err(ArchiveError::AskLock)?;
        weaknesses_of(status, &body)
    }

    /// `GetObjectLockConfiguration`.
    async fn ask_lock(&self) -> Result<(StatusCode, Bytes), BoxError> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = format!("{}?object-lock=", self.url).parse()?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        let answer = self.http.execute(request).await?;
        let status = answer.status();
        Ok((status, bounded(answer.into_body()).await?))
    }
}

async fn bounded(body: HttpResponseBody) -> Result<Bytes, BoxError> {
    let mut chunks = body.bytes_stream();
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        if whole.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err("the answer has no end".into());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockConfiguration {
    object_lock_enabled: Option<String>,
    rule: Option<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    default_retention: Option<DefaultRetention>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultRetention {
    mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Error {
    code: String,
}

fn weaknesses_of(status: StatusCode, body: &[u8]) -> Result<Vec<Weakness>, ArchiveError> {
    if status == StatusCode::OK {
        let lock: LockConfiguration = quick_xml::de::from_reader(body)
            .map_err(|error| ArchiveError::AskLock(error.into()))?;
        return Ok(weakness_of(&lock).into_iter().collect());
    }
    let error = quick_xml::de::from_reader::<_, S3Error>(body);
    let code = error.map_or_else(|_| String::new(), |error| error.code);
    match (status, code.as_str()) {
        (StatusCode::NOT_FOUND, "ObjectLockConfigurationNotFoundError") => {
            Ok(vec![Weakness::ObjectLockOff])
        }
        (StatusCode::FORBIDDEN, "AccessDenied") => Ok(vec![Weakness::ObjectLockUnknown]),
        _ => Err(ArchiveError::LockAnswer { status: status.as_u16(), code }),
    }
}

fn weakness_of(lock: &LockConfiguration) -> Option<Weakness> {
    if lock.object_lock_enabled.as_deref() != Some("Enabled") {
        return Some(Weakness::ObjectLockOff);
    }
    let retention = lock.rule.as_ref().and_then(|rule| rule.default_retention.as_ref());
    match retention.and_then(|retention| retention.mode.as_deref()) {
        Some("COMPLIANCE") => None,
        Some(_) => Some(Weakness::GovernanceRetention),
        None => Some(Weakness::NoDefaultRetention),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XMLNS: &str = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;

    fn configured(inner: &str) -> Vec<Weakness> {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ObjectLockConfiguration {XMLNS}>{inner}\
             </ObjectLockConfiguration>"
        );
        weaknesses_of(StatusCode::OK, body.as_bytes()).unwrap()
    }

    #[test]
    fn a_lock_that_holds_is_no_weakness_and_every_other_is() {
        let on = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        let rule = |mode: &str| {
            let retention = format!("<Mode>{mode}</Mode><Days>30</Days>");
            let rule = format!("<DefaultRetention>{retention}</DefaultRetention>");
            format!("{on}<Rule>{rule}</Rule>")
        };
        assert_eq!(configured(&rule("COMPLIANCE")), []);
        assert_eq!(configured(&rule("GOVERNANCE")), [Weakness::GovernanceRetention]);
        assert_eq!(configured(on), [Weakness::NoDefaultRetention]);
        assert_eq!(configured(""), [Weakness::ObjectLockOff]);
    }

    #[test]
    fn a_refusal_is_told_from_a_bucket_without_lock() {
        let answer = |status: StatusCode, code: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>text</Message></Error>");
            weaknesses_of(status, body.as_bytes())
        };
        let off = answer(StatusCode::NOT_FOUND, "ObjectLockConfigurationNotFoundError");
        assert_eq!(off.unwrap(), [Weakness::ObjectLockOff]);
        let denied = answer(StatusCode::FORBIDDEN, "AccessDenied");
        assert_eq!(denied.unwrap(), [Weakness::ObjectLockUnknown]);
        for (status, code) in [(404, "NoSuchBucket"), (403, "SignatureDoesNotMatch"), (500, "")] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(matches!(answer(status, code), Err(ArchiveError::LockAnswer { .. })), "{code}");
        }
    }
}
