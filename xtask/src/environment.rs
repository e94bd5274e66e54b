//! What xtask takes from its surroundings: variables, the user, the repository's folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Tells devkit and the scenario programs where the freshly built binaries are.
pub const BIN_DIR: &str = "DEVKIT_BIN_DIR";

/// One variable, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "a development tool reads its environment here")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What `cargo run` sets for xtask itself; build scripts of others would see it as a change.
pub fn of_this_package() -> Vec<OsString> {
    let ours = |name: &OsString| {
        let name = name.to_string_lossy();
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    std::env::vars_os().map(|(name, _)| name).filter(ours).collect()
}

/// The cargo that runs this tool.
pub fn cargo() -> String {
    variable("CARGO").unwrap_or_else(|| "cargo".to_owned())
}

/// The repository's root folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Whether this process is root, who installs packages without sudo.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Where ops/devkit keeps what it installs.
pub fn cache_dir() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/tmp/countersign-dev-0");
    }
    let xdg = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(variable("HOME").unwrap_or_else(|| "/tmp".to_owned()));
    xdg.unwrap_or_else(|| home().join(".cache")).join("countersign")
}

/// The folders of `PATH`.
pub fn path_folders() -> Vec<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}
