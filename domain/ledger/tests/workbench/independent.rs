//! The verifier in Python beside ours, on the same files.

use super::Bundle;
use super::sealed::SealedLog;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn written(name: &str, bundle: &Bundle, policy: &[u8]) -> anyhow::Result<PathBuf> {
    let root = std::env::temp_dir().join(format!("cs-independent-{}-{name}", std::process::id()));
    fs::create_dir_all(root.join("blobs"))?;
    fs::write(root.join("commits.ndjson"), bundle.commits())?;
    for (name, bytes) in &bundle.files {
        fs::write(root.join(name), bytes)?;
    }
    fs::write(root.join("policy"), policy)?;
    Ok(root)
}

/// The exit code of the independent verifier, and what it says.
pub fn independent(name: &str, bundle: &Bundle, policy: &[u8]) -> anyhow::Result<(i32, String)> {
    let root = written(name, bundle, policy)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent_verifier.py");
    let ran = Command::new("python3").arg(script).arg(&root).arg(root.join("policy")).output();
    let output = ran.context("python3 is needed to run the independent verifier")?;
    fs::remove_dir_all(&root)?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok((output.status.code().context("an exit code")?, said))
}

/// What both say about a bundle: they must agree.
pub fn both(log: &SealedLog, name: &str, bundle: &Bundle) -> anyhow::Result<u8> {
    let (theirs, said) = independent(name, bundle, &log.policy.encode()?)?;
    let ours = log.verify(bundle)?;
    let (code, findings) = (ours.exit_code(), ours.findings);
    anyhow::ensure!(theirs == i32::from(code), "{name}: {code}, but {said} {findings:?}");
    Ok(code)
}
