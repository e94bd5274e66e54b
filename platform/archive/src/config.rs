//! Where the archive is: a section of a process's configuration. Unknown keys are errors.

use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use url::{Host, Url};

/// What is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither `file:///folder` nor `s3://bucket[/prefix]`.
    #[error("not an archive: file:///folder, or s3://bucket or s3://bucket/prefix")]
    Url,
    /// Not `https://host[:port]`; `http` is for loopback addresses only.
    #[error("not an endpoint: https://host[:port], or http with a loopback address")]
    Endpoint,
    /// A folder with keys that only a bucket has.
    #[error("endpoint, region and access keys belong to a bucket, and the archive is a folder")]
    FolderWithBucketKeys,
    /// A bucket without its region.
    #[error("a bucket needs its region")]
    NoRegion,
    /// One half of an access key.
    #[error("access_key_id and secret_access_key_file go together")]
    HalfAKey,
}

/// The section `[archive]`. Without an access key the machine's own identity is used (instance metadata).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// `file:///folder`, or `s3://bucket` or `s3://bucket/prefix`.
    pub url: ArchiveUrl,
    /// The S3 API where it is not Amazon's: `https://host[:port]`, or `http` with a loopback address.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The bucket's region, such as `eu-central-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// Names the key; it is no secret.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// The file with the secret, which only its owner may read.
    #[serde(default)]
    pub secret_access_key_file: Option<PathBuf>,
}

impl ArchiveConfig {
    /// A folder and nothing else.
    pub fn folder(folder: PathBuf) -> Self {
        Self {
            url: ArchiveUrl::Folder(folder),
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key_file: None,
        }
    }

    pub(crate) fn has_bucket_keys(&self) -> bool {
        let keys = [&self.region, &self.access_key_id];
        keys.iter().any(|key| key.is_some())
            || self.endpoint.is_some()
            || self.secret_access_key_file.is_some()
    }
}

/// The archive's root, below which every log has a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ArchiveUrl {
    /// An absolute path.
    Folder(PathBuf),
    /// S3.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// What stands before every key, without slashes around it; may be empty.
        prefix: String,
    },
}

impl FromStr for ArchiveUrl {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let is_good = is_bucket(bucket) && (!rest.contains('/') || is_prefix(prefix));
            let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
            return if is_good {
                Ok(Self::Bucket { bucket, prefix })
            } else {
                Err(ConfigError::Url)
            };
        }
        let url = Url::parse(text).map_err(|_| ConfigError::Url)?;
        let is_plain = url.scheme() == "file" && url.query().is_none() && url.fragment().is_none();
        match url.to_file_path() {
            Ok(path) if is_plain && text.starts_with("file:///") => Ok(Self::Folder(path)),
            _ => Err(ConfigError::Url),
        }
    }
}

impl TryFrom<String> for ArchiveUrl {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

fn is_bucket(name: &str) -> bool {
    let inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    let edge =
        |byte: Option<u8>| byte.is_some_and(|byte| inner(byte) && byte.is_ascii_alphanumeric());
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && edge(name.bytes().next())
        && edge(name.bytes().last())
}

fn is_prefix(prefix: &str) -> bool {
    prefix.split('/').all(|segment| {
        let is_written = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !["", ".", ".."].contains(&segment) && segment.bytes().all(is_written)
    })
}

/// Where an S3 API is: scheme, host and port, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    origin: String,
    is_plain: bool,
}

impl Endpoint {
    /// Amazon's of a region.
    pub(crate) fn amazon(region: &str) -> Self {
        Self { origin: format!("https://s3.{region}.amazonaws.com"), is_plain: false }
    }

    /// `https://host[:port]`.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Whether it is without TLS, on this machine.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }
}

impl FromStr for Endpoint {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let url = Url::parse(text).map_err(|_| ConfigError::Endpoint)?;
        let is_plain = match url.scheme() {
            "https" => false,
            "http" if is_loopback(&url) => true,
            _ => return Err(ConfigError::Endpoint),
        };
        let origin = url.origin().ascii_serialization();
        // No path, user, query or fragment.
        let is_bare = text.trim_end_matches('/') == origin;
        if is_bare { Ok(Self { origin, is_plain }) } else { Err(ConfigError::Endpoint) }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

/// By address: a name could lead anywhere.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_a_bucket_are_read() {
        let folder = "file:///var/lib/countersign/archive".parse();
        assert_eq!(folder, Ok(ArchiveUrl::Folder("/var/lib/countersign/archive".into())));
        let bucket = |text: &str| match text.parse() {
            Ok(ArchiveUrl::Bucket { bucket, prefix }) => Some((bucket, prefix)),
            Ok(ArchiveUrl::Folder(_)) | Err(_) => None,
        };
        let both = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(bucket("s3://acme-logs"), both("acme-logs", ""));
        assert_eq!(bucket("s3://acme-logs/prod/eu_1"), both("acme-logs", "prod/eu_1"));
    }

    #[test]
    fn every_other_url_is_refused() {
        for text in [
            "",
            "/var/archive",
            "file://host/archive",
            "file:/archive",
            "file:///archive?x=1",
            "s3://",
            "s3://ab",
            "s3://Acme",
            "s3://-acme",
            "s3://acme-",
            "s3://acme/",
            "s3://acme//a",
            "s3://acme/../b",
            "s3://acme/a b",
            "s3://user:secret@acme/a",
            "gs://acme/a",
            "https://acme/a",
        ] {
            assert_eq!(text.parse::<ArchiveUrl>(), Err(ConfigError::Url), "{text}");
        }
    }

    #[test]
    fn without_tls_an_endpoint_is_on_this_machine() {
        for text in ["https://s3.example.com", "http://127.0.0.1:8333", "http://[::1]:1"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().as_str(), text);
        }
        for text in [
            "http://s3.example.com",
            "http://localhost:8333",
            "http://10.0.0.1",
            "https://user@s3.example.com",
            "https://s3.example.com/path",
            "https://s3.example.com?a=b",
            "s3.example.com",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(ConfigError::Endpoint), "{text}");
        }
    }
}
