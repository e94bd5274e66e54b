//! Object lock: what the archive has put can be neither removed nor changed, even by the key that may do everything.

use crate::world::{Server, origin, read_secret};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use countersign_archive::{Archive, ArchiveError, ObjectName, Put, Weakness};
use devkit::object_store_server::{Answer, BucketLock, Request};
use http::{Method, StatusCode};

const NAME: ObjectName = ObjectName::Note { size: 7 };
const BYTES: &[u8] = b"a signed note";
const VERSION: &str = "x-amz-version-id";

/// An object that the archive has put, as an attacker with all permissions sees it.
struct Target<'a> {
    server: &'a Server,
    path: String,
    version: String,
}

impl<'a> Target<'a> {
    async fn put(server: &'a Server, bucket: &str, lock: BucketLock) -> anyhow::Result<Self> {
        let archive = server.archive(bucket, lock).await?;
        ensure!(archive.put_once(&NAME, Bytes::from_static(BYTES)).await? == Put::Stored);
        let path = Server::raw_path(bucket, &NAME.to_string())?;
        let found = server.server.send(Request::new(Method::GET, &path)).await?.or_refused()?;
        let version = found.header(VERSION).unwrap_or("null").to_owned();
        Ok(Self { server, path, version })
    }

    fn of_version(&self, method: Method) -> Request {
        Request::new(method, &self.path).query("versionId", &self.version)
    }

    async fn send(&self, request: Request) -> anyhow::Result<Answer> {
        Ok(self.server.server.send(request).await?)
    }

    /// Refused as forbidden, and not for a mistake of ours.
    async fn is_denied(&self, request: Request) -> anyhow::Result<()> {
        let answer = self.send(request.clone()).await?;
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == StatusCode::FORBIDDEN, "{request:?}: {} {body}", answer.status);
        ensure!(body.contains("<Code>AccessDenied</Code>"), "{request:?}: {body}");
        Ok(())
    }

    async fn is_unharmed(&self) -> anyhow::Result<()> {
        let found = self.send(self.of_version(Method::GET)).await?.or_refused()?;
        ensure!(found.body == BYTES, "{:?}", found.body);
        Ok(())
    }
}

#[tokio::test]
async fn a_locked_object_can_be_neither_deleted_nor_overwritten() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let bucket = "locked";
    let target = Target::put(&server, bucket, BucketLock::ForADay("COMPLIANCE")).await?;

    target.is_denied(target.of_version(Method::DELETE)).await?;
    let bypass = "x-amz-bypass-governance-retention";
    target.is_denied(target.of_version(Method::DELETE).header(bypass, "true")).await?;
    let until = |mode: &str| {
        format!(
            "<Retention><Mode>{mode}</Mode><RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate></Retention>"
        )
    };
    let weaker = target.of_version(Method::PUT).query("retention", "").body(until("GOVERNANCE"));
    target.is_denied(weaker.header(bypass, "true")).await?;
    target.is_unharmed().await?;

    // Overwriting is a new version beside it: readers of the name see that one, the locked one stays for ever.
    let overwritten = target.send(Request::new(Method::PUT, &target.path).body("another")).await?;
    let newer = overwritten.or_refused()?.header(VERSION).map(str::to_owned);
    ensure!(newer.context("no new version")? != target.version);
    target.is_unharmed().await?;
    target.is_denied(target.of_version(Method::DELETE)).await?;

    // Deleting the name hides it and removes nothing.
    target.send(Request::new(Method::DELETE, &target.path)).await?.or_refused()?;
    target.is_unharmed().await?;
    target.is_denied(target.of_version(Method::DELETE)).await?;

    // Nor do ways around it work: without versions, or with the whole bucket.
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let suspend = Request::new(Method::PUT, bucket).query("versioning", "").body(suspended);
    ensure!(target.send(suspend).await?.status == StatusCode::CONFLICT);
    ensure!(
        target.send(Request::new(Method::DELETE, bucket)).await?.status == StatusCode::CONFLICT
    );
    target.is_unharmed().await
}

#[tokio::test]
async fn an_overwritten_object_is_an_alarm_for_whoever_puts_it_again() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let bucket = "shadowed";
    let target = Target::put(&server, bucket, BucketLock::ForADay("COMPLIANCE")).await?;
    target.send(Request::new(Method::PUT, &target.path).body("another")).await?.or_refused()?;
    let archive = Archive::open(&server.config(bucket)?, &origin()?, read_secret)?;
    let again = archive.put_once(&NAME, Bytes::from_static(BYTES)).await;
    ensure!(matches!(again, Err(ArchiveError::Differs { .. })), "{again:?}");
    target.is_unharmed().await
}

#[tokio::test]
async fn what_a_bucket_does_not_lock_is_said() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for (bucket, lock, weaknesses) in [
        ("off", BucketLock::Off, vec![Weakness::ObjectLockOff]),
        ("by-hand", BucketLock::WithoutRetention, vec![Weakness::NoDefaultRetention]),
        ("governed", BucketLock::ForADay("GOVERNANCE"), vec![Weakness::GovernanceRetention]),
        ("complied", BucketLock::ForADay("COMPLIANCE"), vec![]),
    ] {
        let archive = server.archive(bucket, lock).await?;
        ensure!(archive.weaknesses().await? == weaknesses, "{bucket}");
    }
    ensure!(Weakness::ObjectLockOff.to_string() == "object lock is off");
    let nowhere = Archive::open(&server.config("no-such-bucket")?, &origin()?, read_secret)?;
    let asked = nowhere.weaknesses().await;
    ensure!(matches!(asked, Err(ArchiveError::LockAnswer { status: 404, .. })), "{asked:?}");

    // And it is true: without a lock the same requests succeed.
    let target = Target::put(&server, "unlocked", BucketLock::Off).await?;
    target.send(Request::new(Method::DELETE, &target.path)).await?.or_refused()?;
    let gone = target.send(Request::new(Method::GET, &target.path)).await?;
    ensure!(gone.status == StatusCode::NOT_FOUND);
    Ok(())
}
