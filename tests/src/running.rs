//! One platform for all tests of a process: they share its servers, as users would.

use crate::platform::Platform;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

static PLATFORM: OnceCell<Platform> = OnceCell::const_new();

/// The platform of this test process, started by whoever asks first. It ends with the process.
pub async fn platform(name: &str) -> anyhow::Result<&'static Platform> {
    PLATFORM
        .get_or_try_init(|| async {
            chassis::process::install_crypto();
            let folder = folder(name)?;
            Platform::start(&folder).await
        })
        .await
}

/// A folder of this process, which ends with it; those of processes that have ended are removed, so that nothing grows.
fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let home = devkit::default_data_dir();
    let parent = home.parent().context("a data folder without a parent")?;
    let prefix = format!("tests-{name}-");
    for entry in parent.read_dir().into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = file.strip_prefix(&prefix) else { continue };
        let pid = rest.split('.').next().unwrap_or_default();
        if Path::new("/proc").join(pid).exists() {
            continue;
        }
        // Another process may have removed it first.
        if entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path()).ok();
        } else {
            std::fs::remove_file(entry.path()).ok();
        }
    }
    Ok(parent.join(format!("{prefix}{}", std::process::id())))
}
