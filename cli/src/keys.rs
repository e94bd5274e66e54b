//! `key`: private keys, in files for their owner only.

use crate::args::KeyVerb;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files;
use crate::logs;
use crate::output::{Document, Output};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use trust::keys::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// Anybody but the owner.
const OTHERS: u32 = 0o077;

/// Runs a verb.
pub fn run(verb: &KeyVerb, output: &Output) -> Result<Exit, CliError> {
    let public = match verb {
        KeyVerb::Generate { out } => generate(out)?,
        KeyVerb::Show { file } => load(file)?.public(),
        KeyVerb::Rotate(arguments) => return logs::rotate(arguments, output),
    };
    let (id, spki) = (public.id().to_string(), public.to_string());
    let value = json!({"key_id": id, "spki": spki});
    output.document(&Document::record(value, &id, &[("key id", &id), ("spki", &spki)]))?;
    Ok(Exit::Ok)
}

/// Makes a key in a new file, readable by its owner only.
fn generate(path: &Path) -> Result<PublicKey, CliError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(CliError::Randomness)?;
    let key = PrivateKey::from_seed(&seed);
    let invalid = |source| CliError::Key { path: path.to_owned(), source };
    let pem = Zeroizing::new(key.to_pem().map_err(invalid)?);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists { path: path.to_owned() },
        _ => CliError::WriteFile { path: path.to_owned(), source },
    })?;
    Ok(key.public())
}

/// Reads a private key, if nobody but its owner can.
pub fn load(path: &Path) -> Result<PrivateKey, CliError> {
    let unreadable =
        |source| CliError::ReadFile { what: "the private key", path: path.to_owned(), source };
    let mut file = files::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(CliError::KeyMode { path: path.to_owned(), mode });
    }
    let mut pem = Zeroizing::new(String::new());
    file.read_to_string(&mut pem).map_err(unreadable)?;
    PrivateKey::from_pem(&pem).map_err(|source| CliError::Key { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_new_key_is_for_its_owner_only_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bob.pem");
        let public = generate(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(&path).unwrap().public(), public);
        let before = fs::read(&path).unwrap();
        assert_eq!(generate(&path).unwrap_err().code(), "cli.file_exists");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bob.pem");
        generate(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(load(&path).unwrap_err().code(), "cli.key_file_open_to_others");
        }
    }

    #[test]
    fn a_missing_file_and_a_file_that_is_no_key_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nothing.pem");
        let told = load(&path).unwrap_err().told();
        assert!(told.contains("nothing.pem") && told.contains("cli.file_unreadable"), "{told}");
        fs::write(&path, "hush").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let told = load(&path).unwrap_err().told();
        assert!(told.contains("cli.key_invalid") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn a_pipe_is_no_key_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe.pem");
        files::make_fifo(&path).unwrap();
        let told = load(&path).unwrap_err().told();
        assert!(told.contains("pipe.pem") && told.contains("not a regular file"), "{told}");
    }
}
