//! `log`: what operators record about the log itself, and the rotation of a key, which two key files sign offline.

#[cfg(test)]
mod page;

use crate::args::Repeat;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files;
use crate::keys::load;
use crate::output::{Document, Output};
use crate::session::Session;
use clap::{Args, Subcommand, ValueEnum};
use client::commands::{DeclareGap, RevokeKey, RotateKey};
use ledger::rotation::MAX_ROTATION_BYTES;
use ledger::{KeyRole, KeyRotation, Origin, SignedRotation};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use trust::keys::PublicKey;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleOfKey {
    /// It signs commits and receipts.
    Writer,
    /// It signs checkpoints.
    Log,
    /// It cosigns checkpoints.
    Witness,
}

impl From<RoleOfKey> for KeyRole {
    fn from(role: RoleOfKey) -> Self {
        match role {
            RoleOfKey::Writer => Self::Writer,
            RoleOfKey::Log => Self::Log,
            RoleOfKey::Witness => Self::Witness,
        }
    }
}

/// `key rotate`
#[derive(Debug, Args)]
pub struct Rotate {
    /// What the key is for.
    #[arg(long, value_enum)]
    pub role: RoleOfKey,
    /// The log.
    #[arg(long, value_name = "ORIGIN")]
    pub log: Origin,
    /// Which witness, as in the policy file; only for witnesses.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The old private key.
    #[arg(long, value_name = "FILE")]
    pub old: PathBuf,
    /// The new private key.
    #[arg(long, value_name = "FILE")]
    pub new: PathBuf,
    /// The first sequence (writer) or size (log, witness) of the new key.
    #[arg(long, value_name = "NUMBER")]
    pub from: u64,
    /// The new file of the rotation. An existing one is never overwritten.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `log revoke-key`
#[derive(Debug, Args)]
pub struct Revoke {
    /// The log [default: the one that query-api serves].
    #[arg(long, value_name = "ORIGIN")]
    pub log: Option<Origin>,
    /// What the key was for.
    #[arg(long, value_enum)]
    pub role: RoleOfKey,
    /// Which witness; only for witnesses.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The public key, as `key show` prints it.
    #[arg(long, value_name = "SPKI")]
    pub spki: PublicKey,
    /// The last sequence (writer) or size (log, witness) at which it is trusted.
    #[arg(long, value_name = "NUMBER")]
    pub last_trusted: u64,
    /// Why.
    #[arg(long)]
    pub reason: String,
    /// See there.
    #[command(flatten)]
    pub repeat: Repeat,
}

/// `log ...`
#[derive(Debug, Subcommand)]
pub enum LogVerb {
    /// Record a rotation that `key rotate` signed.
    RotateKey {
        /// Its file.
        rotation: PathBuf,
        /// See there.
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Record that a key is trusted no longer.
    RevokeKey(Box<Revoke>),
    /// Record that messages of the log are lost.
    DeclareGap {
        /// The log [default: the one that query-api serves].
        #[arg(long, value_name = "ORIGIN")]
        log: Option<Origin>,
        /// The lost sequences, ascending.
        #[arg(long, value_name = "NUMBERS", value_delimiter = ',', required = true)]
        sequences: Vec<u64>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// See there.
        #[command(flatten)]
        repeat: Repeat,
    },
}

/// `key rotate`: signs with both keys and writes the file. Nothing is sent.
pub fn rotate(arguments: &Rotate, output: &Output) -> Result<Exit, CliError> {
    let (old, new) = (load(&arguments.old)?, load(&arguments.new)?);
    let statement = KeyRotation {
        log: arguments.log.clone(),
        role: arguments.role.into(),
        name: arguments.name.clone(),
        old: old.public(),
        new: new.public(),
        from: arguments.from,
    };
    let path = &arguments.out;
    let invalid = |source: anyhow::Error| CliError::Rotation { path: path.clone(), source };
    let signed = statement.sign(&old, &new).map_err(|error| invalid(error.into()))?;
    let bytes = signed.encode().map_err(|error| invalid(error.into()))?;
    written(path, &bytes).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists { path: path.clone() },
        _ => CliError::WriteFile { path: path.clone(), source },
    })?;
    let value = serde_json::to_value(&signed).map_err(anyhow::Error::from)?;
    let (old, new) = (signed.old.to_string(), signed.new.to_string());
    let from = signed.from.to_string();
    let rows = [("old", old.as_str()), ("new", new.as_str()), ("from", from.as_str())];
    output.document(&Document::record(value, &new, &rows))?;
    Ok(Exit::Ok)
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a rotation that both keys signed.
fn read(path: &Path) -> Result<SignedRotation, CliError> {
    let unreadable =
        |source| CliError::ReadFile { what: "the rotation", path: path.to_owned(), source };
    let invalid = |source: anyhow::Error| CliError::Rotation { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = files::open(path).map_err(unreadable)?;
    file.take(MAX_ROTATION_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    let rotation = SignedRotation::parse(&bytes).map_err(|error| invalid(error.into()))?;
    rotation.check().map_err(|error| invalid(error.into()))?;
    Ok(rotation)
}

/// Runs a verb.
pub async fn run(verb: LogVerb, session: &Session, output: &Output) -> Result<Exit, CliError> {
    let recorded = match verb {
        LogVerb::RotateKey { rotation, repeat } => {
            let SignedRotation { log, role, name, old, new, from, old_signature, new_signature } =
                read(&rotation)?;
            let path = format!("/v1/logs/{log}/key-rotations");
            let body = RotateKey { log, role, name, old, new, from, old_signature, new_signature };
            session.tell(&repeat, &path, &body).await?
        }
        LogVerb::RevokeKey(revoke) => {
            let Revoke { log, role, name, spki, last_trusted, reason, repeat } = *revoke;
            let path = format!("/v1/logs/{}/key-revocations", session.log(log).await?);
            let body = RevokeKey { role: role.into(), name, spki, last_trusted, reason };
            session.tell(&repeat, &path, &body).await?
        }
        LogVerb::DeclareGap { log, sequences, reason, repeat } => {
            let path = format!("/v1/logs/{}/gaps", session.log(log).await?);
            session.tell(&repeat, &path, &DeclareGap { sequences, reason }).await?
        }
    };
    output.talk(&recorded.told("recorded in"));
    output.document(&Document::receipt(&recorded.receipt)?)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use trust::keys::PrivateKey;

    fn kept(folder: &Path, seed: u8) -> anyhow::Result<PathBuf> {
        let path = folder.join(format!("{seed}.pem"));
        fs::write(&path, PrivateKey::from_seed(&[seed; 32]).to_pem()?)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    fn arguments(folder: &Path, seeds: (u8, u8), from: u64) -> anyhow::Result<Rotate> {
        Ok(Rotate {
            role: RoleOfKey::Log,
            log: "main.log.test".parse()?,
            name: None,
            old: kept(folder, seeds.0)?,
            new: kept(folder, seeds.1)?,
            from,
            out: folder.join("rotation.json"),
        })
    }

    #[test]
    fn a_rotation_is_written_once_and_read_back_as_both_keys_signed_it() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(Format::Name);
        let asked = arguments(folder.path(), (1, 2), 501).unwrap();
        rotate(&asked, &output).unwrap();
        let rotation = read(&asked.out).unwrap();
        assert_eq!((rotation.from, rotation.check()), (501, Ok(())));
        assert_eq!(rotate(&asked, &output).unwrap_err().code(), "cli.file_exists");
    }

    #[test]
    fn what_both_keys_did_not_sign_is_no_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(Format::Name);
        for (seeds, from) in [((1, 1), 501), ((1, 2), 1)] {
            let asked = arguments(folder.path(), seeds, from).unwrap();
            assert_eq!(rotate(&asked, &output).unwrap_err().code(), "cli.rotation_invalid");
            assert!(!asked.out.exists());
        }
        let asked = arguments(folder.path(), (1, 2), 501).unwrap();
        rotate(&asked, &output).unwrap();
        let text = fs::read_to_string(&asked.out).unwrap();
        for spoilt in
            [text.replace("501", "502"), text.replace("\"name\": null,", ""), String::new()]
        {
            fs::write(&asked.out, spoilt).unwrap();
            assert_eq!(read(&asked.out).unwrap_err().code(), "cli.rotation_invalid");
        }
    }
}
