//! Archives to test, and an S3-compatible server of a test's own.

use anyhow::Context as _;
use bytes::Bytes;
use countersign_archive::{Archive, ArchiveConfig, ObjectName, Put, Segment};
use devkit::folder::Temporary;
use devkit::object_store_server::{BucketLock, ObjectStoreServer, REGION};
use devkit::preflight;
use ledger::{Line, Origin};
use std::path::Path;

pub const BUCKET: &str = "acme-logs";

pub fn origin() -> anyhow::Result<Origin> {
    Ok("log.acme.example".parse()?)
}

/// Lives as long as the test.
pub struct Server {
    pub server: ObjectStoreServer,
    #[expect(dead_code, reason = "removed when dropped, after the server")]
    folder: Temporary,
}

impl Server {
    pub async fn start() -> anyhow::Result<Self> {
        let weed = preflight::object_store(|_| {}).await?;
        let folder = Temporary::make()?;
        let server = ObjectStoreServer::start(&weed, &folder.path().join("s3")).await?;
        Ok(Self { server, folder })
    }

    /// The archive in a bucket of its own.
    pub async fn archive(&self, bucket: &str, lock: BucketLock) -> anyhow::Result<Archive> {
        self.server.make_bucket(bucket, lock).await?;
        Ok(Archive::open(&self.config(bucket)?, &origin()?, read_secret)?)
    }

    pub fn config(&self, bucket: &str) -> anyhow::Result<ArchiveConfig> {
        Ok(ArchiveConfig {
            url: format!("s3://{bucket}/prod/eu").parse()?,
            endpoint: Some(self.server.endpoint().parse()?),
            region: Some(REGION.to_owned()),
            access_key_id: Some(self.server.access_key_id().to_owned()),
            secret_access_key_file: Some(self.server.secret_access_key_file().to_owned()),
        })
    }

    /// Where an object lies for raw requests.
    pub fn raw_path(bucket: &str, name: &str) -> anyhow::Result<String> {
        Ok(format!("{bucket}/prod/eu/{}/{name}", origin()?))
    }
}

pub fn read_secret(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

pub fn segment(from: u64, to: u64) -> anyhow::Result<Segment> {
    Segment::new(from, to).context("an empty segment")
}

/// Evidence lines of the sequences `from + 1` to `to`.
pub fn evidence(from: u64, to: u64) -> anyhow::Result<Bytes> {
    let mut bytes = Vec::new();
    for sequence in from + 1..=to {
        let line = Line {
            sequence,
            subject: "cs.log.main.acme.change.x".to_owned(),
            hash: String::new(),
            signature: String::new(),
            received_at: "2026-11-20T07:00:00.000000Z".parse()?,
            payload: sequence.to_string().into_bytes(),
        };
        bytes.extend(line.encode()?);
    }
    Ok(bytes.into())
}

/// What a sealer does at each checkpoint.
pub async fn seal(archive: &Archive, from: u64, to: u64) -> anyhow::Result<()> {
    let commits = ObjectName::Commits(segment(from, to)?);
    anyhow::ensure!(archive.put_once(&commits, evidence(from, to)?).await? == Put::Stored);
    let note = Bytes::from(format!("note of size {to}\n"));
    anyhow::ensure!(
        archive.put_once(&ObjectName::Note { size: to }, note.clone()).await? == Put::Stored
    );
    Ok(archive.replace_checkpoint(note).await?)
}
