//! Keys, secrets and certificates on disk.

use super::processes::not_after;
use super::{CertificateFacts, Configs, PathFacts, Seen};
use crate::doctor::root::is_golden;
use crate::files::{read, read_text};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use devkit::folder::of_sockets;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use trust::keys::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// Folders of which every file is for its owner only.
const PRIVATE: [&str; 3] = ["keys", "secrets", "config"];
/// Files with secrets elsewhere.
const SECRETS: [&str; 4] = ["authority.json", "dev.json", "nats/svid.key", "postgres/password"];
/// Folders that nobody else may enter. The data folder itself may be entered by the user that `PostgreSQL` runs as.
const CLOSED: [&str; 5] = ["keys", "secrets", "config", "agent", "nats"];

/// The modes of everything that is for its owner only.
pub fn paths(data_dir: &Path, configs: &Configs) -> Vec<PathFacts> {
    let mut files: Vec<PathBuf> = SECRETS.iter().map(|name| data_dir.join(name)).collect();
    for folder in PRIVATE {
        files.extend(entries(&data_dir.join(folder)));
    }
    for (_, config) in &configs.0 {
        named_files(&toml::Value::Table(config.clone()), &mut files);
    }
    files.sort();
    files.dedup();
    let mut folders: Vec<PathBuf> = CLOSED.iter().map(|name| data_dir.join(name)).collect();
    folders.extend([data_dir.to_owned(), of_sockets(data_dir)]);
    files.into_iter().chain(folders).filter_map(mode).collect()
}

fn mode(path: PathBuf) -> Option<PathFacts> {
    let meta = path.metadata().ok()?;
    let mode = meta.permissions().mode() & 0o7777;
    Some(PathFacts { path, mode, is_folder: meta.is_dir() })
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// Every `..._file` of a configuration.
fn named_files(value: &toml::Value, found: &mut Vec<PathBuf>) {
    match value {
        toml::Value::Table(members) => {
            for (key, member) in members {
                match member.as_str() {
                    Some(path) if key.ends_with("_file") => found.push(path.into()),
                    _ => named_files(member, found),
                }
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| named_files(item, found)),
        _ => {}
    }
}

/// The authority and the long-lived certificate of nats-server.
pub fn certificates(data_dir: &Path) -> Vec<CertificateFacts> {
    let authority = || {
        let kept: Value = serde_json::from_str(&read_text(&data_dir.join("authority.json"))?)?;
        let pem = kept.get("certificate_pem").and_then(Value::as_str);
        of_pem(pem.context("it holds no certificate")?.as_bytes())
    };
    let nats = || of_pem(&read(&data_dir.join("nats/svid.pem"))?);
    vec![certificate("the development authority", authority()), certificate("nats-server", nats())]
}

fn certificate(of: &str, not_after: anyhow::Result<DateTime<Utc>>) -> CertificateFacts {
    let not_after: Seen<_> = not_after.map_err(|error| format!("{error:#}"));
    CertificateFacts { of: of.to_owned(), not_after }
}

fn of_pem(pem: &[u8]) -> anyhow::Result<DateTime<Utc>> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem)?;
    not_after(&pem.contents)
}

/// Where a key of the golden vectors is in use: private keys, and writers that the processes believe.
pub fn golden(data_dir: &Path, configs: &Configs) -> Vec<String> {
    let own = entries(&data_dir.join("keys")).into_iter().filter_map(|path| {
        let pem = Zeroizing::new(read_text(&path).ok()?);
        let key = PrivateKey::from_pem(&pem).ok()?.public();
        is_golden(&key.id()).then(|| path.display().to_string())
    });
    let writers = configs.0.iter().flat_map(|(name, config)| {
        let writers = config.get("log").and_then(|log| log.get("writers")?.as_array());
        let keys = writers
            .into_iter()
            .flatten()
            .filter_map(|writer| writer.get("spki")?.as_str()?.parse::<PublicKey>().ok());
        let golden = keys.filter(|key| is_golden(&key.id()));
        golden.map(move |_| format!("log.writers of {name}")).collect::<Vec<_>>()
    });
    own.chain(writers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_file_that_a_configuration_names_is_looked_at() {
        let config = "writer_key_file = '/k'\n[[data_source]]\nurl_file = '/u'\n[log]\nname = 'x'";
        let config: toml::Table = config.parse().unwrap();
        let mut found = Vec::new();
        named_files(&toml::Value::Table(config), &mut found);
        found.sort();
        assert_eq!(found, [PathBuf::from("/k"), PathBuf::from("/u")]);
    }

    #[test]
    fn keys_and_folders_are_seen_with_their_modes_and_golden_ones_by_name() {
        let data = tempfile::tempdir().unwrap();
        let keys = data.path().join("keys");
        fs::create_dir(&keys).unwrap();
        let golden = PrivateKey::from_seed(b"countersign ledger golden writer");
        fs::write(keys.join("writer.pem"), golden.to_pem().unwrap().as_bytes()).unwrap();
        fs::set_permissions(keys.join("writer.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        let configs = Configs(Vec::new());
        let paths = paths(data.path(), &configs);
        let key = paths.iter().find(|one| one.path.ends_with("keys/writer.pem")).unwrap();
        assert_eq!((key.mode, key.is_folder), (0o644, false));
        assert!(paths.iter().any(|one| one.path == keys && one.is_folder));
        let found = super::golden(data.path(), &configs);
        assert!(found.len() == 1 && found[0].ends_with("keys/writer.pem"), "{found:?}");
    }
}
