//! Secrets come in files that only their owner may read: never in arguments, never in the environment.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use trust::keys::{KeyError, PrivateKey};

/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Why a secret was not read. The secret itself is in no message.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be read.
    #[error("the secret file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("{} has mode {mode:03o}, so that others may read the secret: chmod 600 it", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no key.
    #[error("{} holds no key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

/// The text of a secret file, without surrounding white space.
pub fn read(path: &Path) -> Result<String, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    // Mode and content of one and the same file, whatever the path leads to a moment later.
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(SecretFileError::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text.trim().to_owned())
}

/// The Ed25519 private key in a secret file (PKCS#8 PEM).
pub fn read_key(path: &Path) -> Result<PrivateKey, SecretFileError> {
    let pem = read(path)?;
    PrivateKey::from_pem(&pem)
        .map_err(|source| SecretFileError::NoKey { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    fn file(name: &str, text: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_read_only_from_a_file_of_its_owner_alone() {
        let path = file("secret", "s3cret\n", 0o600);
        assert_eq!(read(&path).unwrap(), "s3cret");
        for mode in [0o640, 0o604, 0o644] {
            let path = file("open", "s3cret", mode);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, SecretFileError::OpenToOthers { .. }), "{error}");
            assert!(!error.to_string().contains("s3cret"));
        }
        assert!(matches!(read_key(&path), Err(SecretFileError::NoKey { .. })));
        let key = PrivateKey::from_seed(&[5; 32]);
        let path = file("key", &key.to_pem().unwrap(), 0o400);
        assert_eq!(read_key(&path).unwrap().public(), key.public());
    }
}
