//! `audit`: the record leaves the system as an evidence bundle, and is verified by somebody who trusts only a policy.

mod approvals;
mod blobs;
mod changes;
mod commits;
mod conclusion;
mod copies;
mod directory;
mod evidence;
mod executions;
mod export;
mod objection;
mod progress;
mod references;
mod report;
mod roots;
mod search;
#[cfg(test)]
mod stand;
mod tar_file;
#[cfg(test)]
mod testimony;
mod verify;
#[cfg(test)]
mod written_log;

use crate::args::{AuditVerb, Global, VerifyArguments};
use crate::error::CliError;
use crate::exit::Exit;
use crate::files;
use crate::output::{Document, Output};
use crate::session;
use directory::Directory;
use ledger::{BundleSource, Policy};
use serde_json::json;
use std::path::Path;
use tar_file::TarFile;

/// Runs a verb.
pub async fn run(verb: AuditVerb, global: &Global, output: &Output) -> Result<Exit, CliError> {
    match verb {
        AuditVerb::Search(arguments) => {
            search::search(&arguments, &session::open(global)?, output).await
        }
        AuditVerb::Export { out, log } => {
            let session = session::open(global)?;
            let origin = session.log(log).await?;
            let exported = export::export(&session, output, &origin, &out).await?;
            let path = out.display().to_string();
            let (last, blobs) = (exported.last_sequence.to_string(), exported.blobs.to_string());
            let value = json!({"bundle": path, "log": origin, "last_sequence": exported.last_sequence,
                "commits": exported.lines, "blobs": exported.blobs});
            let commits = exported.lines.to_string();
            let members = [
                ("bundle", path.as_str()),
                ("log", origin.as_str()),
                ("commits", &commits),
                ("blobs", &blobs),
                ("last sequence", &last),
            ];
            output.document(&Document::record(value, &path, &members))?;
            Ok(Exit::Ok)
        }
        AuditVerb::Verify(arguments) => verify(arguments, global, output).await,
    }
}

async fn verify(
    arguments: VerifyArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let VerifyArguments { bundle, policy, expect, log, shard } = arguments;
    let policy = read_policy(&policy)?;
    let earlier = expect.as_deref().map(open).transpose()?;
    let earlier = earlier.as_deref();
    let conclusion = if let Some(path) = bundle {
        verify::verify(open(&path)?.as_ref(), &policy, &shard, earlier)?
    } else {
        let session = session::open(global)?;
        let origin = session.log(log).await?;
        let failed = |source| CliError::WriteFile { path: std::env::temp_dir(), source };
        let folder = tempfile::tempdir().map_err(failed)?;
        let copy = folder.path().join("live");
        export::export(&session, output, &origin, &copy).await?;
        verify::verify(&Directory::new(&copy), &policy, &shard, earlier)?
    };
    conclusion.show(output)?;
    Ok(conclusion.exit())
}

fn read_policy(path: &Path) -> Result<Policy, CliError> {
    let bytes = files::read(path).map_err(|source| CliError::ReadFile {
        what: "the policy",
        path: path.to_owned(),
        source,
    })?;
    Policy::parse(&bytes).map_err(|source| CliError::Policy { path: path.to_owned(), source })
}

/// A bundle: a folder or a tar.
fn open(path: &Path) -> Result<Box<dyn BundleSource>, CliError> {
    let unreadable =
        |source| CliError::ReadFile { what: "the bundle", path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(Box::new(Directory::new(path)));
    }
    Ok(Box::new(TarFile::open(path).map_err(unreadable)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_bundle_and_a_wrong_policy_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nothing");
        let told = open(&missing).err().unwrap().told();
        assert!(told.contains("nothing") && told.contains("cli.file_unreadable"), "{told}");
        let told = read_policy(&missing).unwrap_err().told();
        assert!(told.contains("nothing") && told.contains("cli.file_unreadable"), "{told}");
        let file = folder.path().join("policy.json");
        std::fs::write(&file, "{\"format\":\"countersign-policy/1\"}").unwrap();
        let error = read_policy(&file).unwrap_err();
        assert_eq!((error.code(), error.exit()), ("cli.policy_invalid", Exit::Usage));
        let told = open(&file).err().unwrap().told();
        assert!(told.contains("policy.json"), "{told}");
        let pipe = folder.path().join("pipe");
        files::make_fifo(&pipe).unwrap();
        let told = read_policy(&pipe).unwrap_err().told();
        assert!(told.contains("the policy") && told.contains("not a regular file"), "{told}");
        let told = open(&pipe).err().unwrap().told();
        assert!(told.contains("the bundle") && told.contains("not a regular file"), "{told}");
    }
}
