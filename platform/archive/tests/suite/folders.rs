//! What a folder may hold, and what is refused before or after it is read.

use crate::world::{origin, read_secret, seal, segment};
use anyhow::ensure;
use bytes::Bytes;
use countersign_archive::{Archive, ArchiveConfig, ArchiveError, ObjectName, Weakness};
use futures::StreamExt as _;
use std::path::PathBuf;
use trust::encoding::Sha256Digest;

const NOTE: ObjectName = ObjectName::Note { size: 1 };

fn archive() -> anyhow::Result<(tempfile::TempDir, Archive, PathBuf)> {
    let root = tempfile::tempdir()?;
    let archive = Archive::in_folder(root.path(), &origin()?)?;
    let log = root.path().join(origin()?.as_str());
    std::fs::create_dir_all(log.join("checkpoints"))?;
    Ok((root, archive, log))
}

#[tokio::test]
async fn a_link_or_a_pipe_is_not_read() -> anyhow::Result<()> {
    let (_root, archive, log) = archive()?;
    let path = log.join(NOTE.to_string());
    std::os::unix::fs::symlink("/etc/hostname", &path)?;
    ensure!(matches!(archive.get(&NOTE).await, Err(ArchiveError::NotAFile { .. })));
    std::fs::remove_file(&path)?;
    ensure!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
    ensure!(matches!(archive.get(&NOTE).await, Err(ArchiveError::NotAFile { .. })));
    let put = archive.put_once(&NOTE, Bytes::from("note")).await;
    ensure!(matches!(put, Err(ArchiveError::NotAFile { .. })), "{put:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_too_large_is_neither_put_nor_read() -> anyhow::Result<()> {
    let (_root, archive, log) = archive()?;
    let too_much = Bytes::from(vec![0; usize::try_from(NOTE.max_bytes())? + 1]);
    let put = archive.put_once(&NOTE, too_much.clone()).await;
    ensure!(matches!(put, Err(ArchiveError::TooLarge { .. })), "{put:?}");
    let put = archive.replace_checkpoint(too_much).await;
    ensure!(matches!(put, Err(ArchiveError::TooLarge { .. })), "{put:?}");
    ensure!(!archive.exists(&NOTE).await?);
    // Sparse: reading it would take the machine's memory.
    let file = std::fs::File::create(log.join(NOTE.to_string()))?;
    file.set_len(1 << 40)?;
    ensure!(matches!(archive.get(&NOTE).await, Err(ArchiveError::TooLarge { .. })));
    Ok(())
}

#[tokio::test]
async fn a_blob_holds_the_bytes_of_its_name() -> anyhow::Result<()> {
    let (_root, archive, log) = archive()?;
    let digest = Sha256Digest::of(b"select 1");
    let put = archive.put_once(&ObjectName::Blob(digest), Bytes::from("select 2")).await;
    ensure!(matches!(put, Err(ArchiveError::WrongBlob { .. })), "{put:?}");
    archive.put_once(&ObjectName::Blob(digest), Bytes::from("select 1")).await?;
    std::fs::write(log.join(format!("blobs/{digest}")), "select 2")?;
    ensure!(matches!(archive.blob(digest).await, Err(ArchiveError::WrongBlob { .. })));
    Ok(())
}

#[tokio::test]
async fn a_segment_that_is_missing_ends_the_log_with_its_name() -> anyhow::Result<()> {
    let (_root, archive, log) = archive()?;
    for (from, to) in [(0, 2), (2, 4), (4, 6)] {
        seal(&archive, from, to).await?;
    }
    let missing = ObjectName::Commits(segment(2, 4)?).to_string();
    std::fs::remove_file(log.join(&missing))?;
    let items: Vec<_> = archive.read_log(0).await?.collect().await;
    ensure!(items.len() == 2, "{items:?}");
    match items.as_slice() {
        [Ok(_), Err(ArchiveError::Missing { path })] => ensure!(path.ends_with(&missing)),
        _ => anyhow::bail!("{items:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn strange_files_are_not_listed_and_other_logs_are_not_seen() -> anyhow::Result<()> {
    let (root, archive, log) = archive()?;
    for name in ["checkpoints/5", "checkpoints/latest", "checkpoints/00000000000000000007#1"] {
        std::fs::write(log.join(name), "x")?;
    }
    seal(&archive, 0, 2).await?;
    let other = Archive::in_folder(root.path(), &"log.acme.exampl".parse()?)?;
    seal(&other, 0, 3).await?;
    ensure!(archive.checkpoint_sizes(None).await? == [2]);
    ensure!(other.checkpoint_sizes(None).await? == [3]);
    Ok(())
}

#[tokio::test]
async fn a_folder_is_made_for_a_writer_and_not_for_a_reader() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("a/b");
    let read = Archive::in_folder(&folder, &origin()?);
    ensure!(matches!(read, Err(ArchiveError::Folder { .. })));
    let archive = Archive::open(&ArchiveConfig::folder(folder.clone()), &origin()?, read_secret)?;
    seal(&archive, 0, 1).await?;
    ensure!(archive.weaknesses().await? == [Weakness::Folder]);
    ensure!(Archive::in_folder(&folder, &origin()?)?.exists(&NOTE).await?);
    Ok(())
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let folder = ArchiveConfig::folder(root.path().to_owned());
    let with_region = ArchiveConfig { region: Some("eu-central-1".to_owned()), ..folder.clone() };
    let bucket = ArchiveConfig { url: "s3://acme-logs".parse()?, ..folder };
    let half = ArchiveConfig {
        url: bucket.url.clone(),
        access_key_id: Some("AK".to_owned()),
        ..with_region.clone()
    };
    for config in [with_region, bucket, half.clone()] {
        let opened = Archive::open(&config, &origin()?, read_secret);
        ensure!(matches!(opened, Err(ArchiveError::Config(_))), "{config:?}: {opened:?}");
    }
    let path = root.path().join("none");
    let unread = ArchiveConfig { secret_access_key_file: Some(path.clone()), ..half };
    let opened = Archive::open(&unread, &origin()?, read_secret);
    ensure!(matches!(opened, Err(ArchiveError::Secret { .. })), "{opened:?}");
    std::fs::write(&path, "a-secret-nobody-prints")?;
    let shown = format!("{:?}", Archive::open(&unread, &origin()?, read_secret)?);
    ensure!(!shown.contains("a-secret-nobody-prints"), "{shown}");
    Ok(())
}
