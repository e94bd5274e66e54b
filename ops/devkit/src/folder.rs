//! Folders and files that devkit owns: private, safe against other users of a shared `/tmp`, short
//! enough for sockets, and gone with the test that made them.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::environment;

/// Longest folder in which our sockets fit: `sun_path` holds 108 bytes.
const LONGEST_SOCKET_FOLDER: usize = 60;

/// Why a folder or file of devkit cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// Someone else owns the folder or may write to it.
    #[error("{} belongs to another user or others may write to it", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
}

/// Makes a shorthand for `map_err`.
pub(crate) fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> FolderError + use<'a> {
    move |source| FolderError::Io { what, path: path.to_owned(), source }
}

/// Makes `path` with exactly `mode`, also if it is there already: for folders that devkit names.
pub fn make(path: &Path, mode: u32) -> Result<(), FolderError> {
    let found = make_if_missing(path, mode)?;
    if found & 0o7777 != mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .map_err(failed("protect", path))?;
    }
    Ok(())
}

/// Makes `path` with `mode` if it is missing, and refuses one that is not ours or that others may
/// write to; gives the mode that it has. For folders that a person names.
pub fn make_if_missing(path: &Path, mode: u32) -> Result<u32, FolderError> {
    if let Some(above) = path.parent() {
        let all = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(above);
        all.map_err(failed("make the folder", above))?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make the folder", path)(error)),
    }
    let meta = path.symlink_metadata().map_err(failed("look at", path))?;
    let ours = meta.is_dir() && meta.uid() == nix::unistd::Uid::effective().as_raw();
    if !ours || meta.mode() & 0o022 != 0 {
        return Err(FolderError::NotOurs { path: path.to_owned() });
    }
    Ok(meta.mode())
}

/// Writes a file that only we may read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    use std::io::Write as _;
    let part = path.with_extension(format!("part-{}", std::process::id()));
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(failed("write", path))
}

/// Reads a whole file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<String>, FolderError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// The folder for sockets of a data folder: inside it, or a short one in `/tmp` if its path is too
/// long for a socket.
pub fn for_sockets(data_dir: &Path) -> Result<PathBuf, FolderError> {
    let folder = of_sockets(data_dir);
    make(&folder, 0o700)?;
    Ok(folder)
}

/// Where the folder for sockets is, made or not.
pub fn of_sockets(data_dir: &Path) -> PathBuf {
    let inside = data_dir.join("sockets");
    if inside.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
        return inside;
    }
    let uid = nix::unistd::Uid::effective();
    PathBuf::from(format!("/tmp/countersign-{uid}-{}", fingerprint(data_dir)))
}

/// 16 hex characters that stand for a path.
fn fingerprint(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    hex::encode(Sha256::digest(path.as_os_str().as_bytes())).chars().take(16).collect()
}

/// A folder that is removed when dropped. One left over by a killed process is removed by the
/// next that makes one.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// Makes a new empty folder, which the user that `PostgreSQL` runs as may enter.
    pub fn make() -> Result<Self, FolderError> {
        let all = environment::cache_dir().join("tmp");
        make(&environment::cache_dir(), 0o755)?;
        make(&all, 0o711)?;
        remove_leftovers(&all);
        let own = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .rand_bytes(6)
            .tempdir_in(&all)
            .map_err(failed("make a folder in", &all))?;
        let path = own.keep();
        make(&path, 0o711)?;
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::debug!(folder = %folder.display(), %error, "cannot remove a temporary folder");
    }
}

/// Removes the folders of processes that are no more.
fn remove_leftovers(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('-').next()?.parse::<i32>().ok());
        let gone = pid.is_some_and(|pid| {
            let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
            alive == Err(nix::errno::Errno::ESRCH)
        });
        if gone {
            remove(&entry.path());
        }
    }
}
