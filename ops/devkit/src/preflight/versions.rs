//! Which binaries are there, and whether they are new enough.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Places, PostgresBinaries};
use crate::environment::is_executable;

/// Oldest nats-server that our connections accept.
pub const NATS_FLOOR: (u32, u32, u32) = (2, 14, 4);
/// Oldest major of `PostgreSQL` that we run on.
pub const POSTGRES_FLOOR: u32 = 14;
/// Oldest `SeaweedFS` whose object lock was tried.
pub const SEAWEEDFS_FLOOR: (u32, u32) = (4, 48);

/// The first nats-server in `PATH`, then in our virtual environment, that is new enough.
pub(super) fn nats_server(places: &Places) -> Option<PathBuf> {
    let installed = places.venv().join("bin/nats-server");
    places
        .all_in_path("nats-server")
        .chain(is_executable(&installed).then_some(installed))
        .find(|binary| version(binary, "--version").is_some_and(|found| found >= NATS_FLOOR))
}

/// The first `weed` in `PATH`, then in our virtual environment, that is new enough.
pub(super) fn seaweedfs(places: &Places) -> Option<PathBuf> {
    let installed = places.venv().join("bin/weed");
    places
        .all_in_path("weed")
        .chain(is_executable(&installed).then_some(installed))
        .find(|binary| seaweedfs_version(binary).is_some_and(|found| found >= SEAWEEDFS_FLOOR))
}

fn seaweedfs_version(binary: &Path) -> Option<(u32, u32)> {
    let output = Command::new(binary).arg("version").output().ok()?;
    parse_seaweedfs(&String::from_utf8_lossy(&output.stdout))
}

/// `version 8000GB 4.48 …`: the largest volume stands before the version.
fn parse_seaweedfs(text: &str) -> Option<(u32, u32)> {
    let word = text.strip_prefix("version ")?.split_whitespace().nth(1)?;
    let (major, minor) = word.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `PostgreSQL` from `PATH`, else the newest of Debian's, else the one that we installed.
pub(super) fn postgres(places: &Places) -> Option<PostgresBinaries> {
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir(&places.debian)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    debian.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let in_path = places.all_in_path("postgres").filter_map(|file| Some(file.parent()?.to_owned()));
    in_path
        .chain(debian.into_iter().map(|(_, folder)| folder))
        .chain(std::iter::once(places.pinned_postgres()))
        .find_map(complete)
}

fn complete(folder: PathBuf) -> Option<PostgresBinaries> {
    if !["initdb", "postgres"].iter().all(|name| is_executable(&folder.join(name))) {
        return None;
    }
    let (major, ..) = version(&folder.join("postgres"), "--version")?;
    (major >= POSTGRES_FLOOR).then_some(PostgresBinaries { folder, major })
}

fn version(binary: &Path, argument: &str) -> Option<(u32, u32, u32)> {
    let output = Command::new(binary).arg(argument).output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// The first word that starts with a digit, or `v` and a digit.
fn parse(text: &str) -> Option<(u32, u32, u32)> {
    let word = text
        .split_whitespace()
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut numbers = word.split(['.', '-', '+']).map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    Some((numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_servers_print_them() {
        assert_eq!(parse("nats-server: v2.15.1\n"), Some((2, 15, 1)));
        assert_eq!(parse("nats-server: v2.14.0-preview.1"), Some((2, 14, 0)));
        assert_eq!(
            parse("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"),
            Some((15, 14, 0))
        );
        assert_eq!(parse("postgres (PostgreSQL) 18beta1"), Some((18, 0, 0)));
        assert_eq!(parse("no version here"), None);
        let seaweedfs = "version 8000GB 4.48 pypi linux amd64\n\nFor enterprise users";
        assert_eq!(parse_seaweedfs(seaweedfs), Some((4, 48)));
        assert_eq!(parse_seaweedfs("weed"), None);
    }
}
