//! What devkit takes from the environment: variables, the user, the cache folder.

use std::path::PathBuf;

/// Folder with freshly built binaries; set by xtask so that tests do not build again.
pub const BIN_DIR: &str = "DEVKIT_BIN_DIR";

/// One variable, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "a development tool reads its environment here")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether this process is root, under which `PostgreSQL` refuses to run.
pub fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// Where devkit keeps what it installs. For root it lies where another user may enter, since
/// `PostgreSQL` then runs as one.
pub fn cache_dir() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/tmp/countersign-dev-0");
    }
    let xdg = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(variable("HOME").unwrap_or_else(|| "/tmp".to_owned()));
    xdg.unwrap_or_else(|| home().join(".cache")).join("countersign")
}

/// The data folder of `countersign dev` where none is named.
pub fn default_data_dir() -> PathBuf {
    cache_dir().join("data")
}

/// Whether `file` is a regular file with an execute bit.
pub fn is_executable(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
