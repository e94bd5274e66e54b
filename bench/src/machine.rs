//! What a run ran on: figures mean nothing without it.

use anyhow::Context as _;
use devkit::preflight::Servers;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::Command;

/// As built.
const LOCK_FILE: &str = include_str!("../../Cargo.lock");
/// Libraries whose speed is in the figures.
const LIBRARIES: [&str; 7] =
    ["async-nats", "cqrs-es", "postgres-es", "sqlx", "tantivy", "ed25519-dalek", "tokio"];

/// The machine, and the versions of everything that is measured.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor, and how many of it.
    pub processors: String,
    /// GiB.
    pub memory_gib: u64,
    /// The kernel.
    pub kernel: String,
    /// The file system under the servers' data.
    pub file_system: String,
    /// Of one minute, when the run began: others may have worked on the machine.
    pub load_at_start: String,
    /// The same when it ended.
    pub load_at_end: String,
    /// `release` or `debug`.
    pub build: &'static str,
    /// The commit that was built, and whether the tree differed from it.
    pub commit: String,
    /// When the run began, UTC.
    pub date: String,
    /// Servers, compiler and libraries.
    pub versions: BTreeMap<String, String>,
}

impl Machine {
    /// This one, now.
    pub fn here(servers: &Servers) -> anyhow::Result<Self> {
        let now = chassis::Clock::system().now().to_string();
        Ok(Self {
            processors: processors(),
            memory_gib: memory_gib(),
            kernel: read("/proc/sys/kernel/osrelease"),
            file_system: file_system(&read("/proc/self/mounts"), "/var/tmp"),
            load_at_start: load(),
            load_at_end: String::new(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            commit: commit()?,
            date: now.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect(),
            versions: versions(servers)?,
        })
    }
}

/// The load average of one minute.
pub fn load() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn processors() -> String {
    let text = read("/proc/cpuinfo");
    let values = |name: &str| {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        lines
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(_, value)| value.to_owned())
            .collect::<Vec<_>>()
    };
    let models = values("model name");
    let model = models.first().map_or("unknown", String::as_str);
    format!("{} x {model}", models.len().max(1))
}

fn memory_gib() -> u64 {
    let text = read("/proc/meminfo");
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default().div_ceil(1024 * 1024)
}

/// The type of the file system that holds `path`: the longest mount point above it.
fn file_system(mounts: &str, path: &str) -> String {
    let of = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let above = mounts.lines().filter_map(of).filter(|(point, _)| path.starts_with(point.as_str()));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind).unwrap_or_default()
}

fn commit() -> anyhow::Result<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let git = |words: &[&str]| printed(Command::new("git").args(words).current_dir(root));
    let Ok(head) = git(&["rev-parse", "--short", "HEAD"]) else { return Ok("unknown".to_owned()) };
    let differs = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(if differs { format!("{head} with changes") } else { head })
}

fn versions(servers: &Servers) -> anyhow::Result<BTreeMap<String, String>> {
    let last = |text: String| text.split_whitespace().last().unwrap_or_default().to_owned();
    let nats = printed(Command::new(&servers.nats_server).arg("--version"))?;
    let postgres =
        Command::new(servers.postgres.folder.join("postgres")).arg("--version").output()?;
    let postgres = String::from_utf8_lossy(&postgres.stdout).trim().to_owned();
    let postgres = postgres.split_whitespace().nth(2).unwrap_or_default().to_owned();
    let mut versions = BTreeMap::from([
        ("nats-server".to_owned(), last(nats).trim_start_matches('v').to_owned()),
        ("PostgreSQL".to_owned(), postgres),
    ]);
    if let Ok(rustc) = printed(Command::new("rustc").arg("--version")) {
        versions.insert("rustc".to_owned(), rustc.split(' ').nth(1).unwrap_or_default().to_owned());
    }
    for library in LIBRARIES {
        versions.insert(library.to_owned(), locked(LOCK_FILE, library).unwrap_or_default());
    }
    Ok(versions)
}

/// The version of a library in `Cargo.lock`; of several, the newest, which is ours.
fn locked(lock: &str, library: &str) -> Option<String> {
    let start = format!("name = \"{library}\"\nversion = \"");
    let (_, rest) = lock.rsplit_once(&start)?;
    rest.split('"').next().map(str::to_owned)
}

fn printed(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    anyhow::ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_in_the_lock_file() {
        for library in LIBRARIES {
            assert!(locked(LOCK_FILE, library).is_some(), "{library}");
        }
    }

    #[test]
    fn a_file_system_is_that_of_the_longest_mount_point() {
        let mounts = "a / overlay rw 0 0\nb /var ext4 rw 0 0\nc /varnish tmpfs rw 0 0";
        assert_eq!(file_system(mounts, "/var/tmp"), "ext4");
        assert_eq!(file_system(mounts, "/home"), "overlay");
    }
}
