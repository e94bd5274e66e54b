//! One platform for all tests of a process: they share its servers, as users would.

use crate::platform::Platform;
use anyhow::Context as _;
use std::path::PathBuf;
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

/// A folder of this name that outlives the process and is emptied by the next one: a test process that is killed
/// leaves nothing that grows.
fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let home = devkit::default_data_dir();
    let folder = home.with_file_name(format!("tests-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    }
    Ok(folder)
}
