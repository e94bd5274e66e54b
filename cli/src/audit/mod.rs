//! `audit`: the record leaves the system as an evidence bundle, and is verified by somebody who trusts only a policy.

mod aggregate;
mod approvals;
mod archived;
mod arguments;
mod blobs;
mod changes;
mod commits;
mod compare;
mod conclusion;
mod copies;
mod directory;
mod evidence;
mod executions;
mod export;
mod hash_runs;
mod kept;
mod meanwhile;
mod objection;
mod origin;
mod part;
mod predecessor;
mod progress;
mod prove;
mod references;
pub mod replay;
mod report;
mod resume;
mod roots;
mod seal;
mod search;
#[cfg(test)]
mod stand;
mod tar_file;
mod target;
#[cfg(test)]
mod testimony;
mod timeline;
mod verify;
#[cfg(test)]
mod written_archive;
#[cfg(test)]
mod written_log;

use crate::args::Global;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files;
use crate::output::{Document, Output};
use crate::session;
use aggregate::Chain;
use archive::Archive;
use archived::{Asked, Resumed, Verified};
pub use arguments::AuditVerb;
use arguments::{
    CompareArguments, CompareTargetArguments, ExportArguments, FromEvidence, ProveArguments,
    ReplayArguments, TimelineArguments, VerifyArguments,
};
use blobs::OfBundle;
use compare::Side;
use conclusion::Conclusion;
use directory::Directory;
use export::{Exported, Wanted};
use ledger::{
    BundleSource, CheckpointNote, IdText, Kept, Origin, Policy, Scope, Severity, VerifyError,
};
use origin::CopiedFrom;
use prove::Claim;
use resume::Keeper;
pub use resume::ResumeError;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tar_file::TarFile;
use target::Journal;
pub use target::JournalError;
use trust::encoding::Sha256Digest;
#[cfg(feature = "restore")]
pub use {kept::checkpoints as kept_checkpoints, progress::Progress};

/// Runs a verb.
pub async fn run(verb: AuditVerb, global: &Global, output: &Output) -> Result<Exit, CliError> {
    match verb {
        AuditVerb::Search(arguments) => {
            search::search(&arguments, &session::open(global)?, output).await
        }
        AuditVerb::Export(arguments) => export(arguments, global, output).await,
        AuditVerb::Verify(arguments) => verify(arguments, global, output).await,
        AuditVerb::Prove(arguments) => prove(arguments, global, output).await,
        AuditVerb::Compare(arguments) => compare(&arguments, output),
        AuditVerb::TargetQuery => {
            output.line(target::QUERY)?;
            Ok(Exit::Ok)
        }
        AuditVerb::CompareTarget(arguments) => compare_target(arguments, global, output).await,
        AuditVerb::Replay(arguments) => replay(arguments, global, output).await,
        AuditVerb::Timeline(arguments) => timeline(arguments, global, output).await,
    }
}

async fn export(
    arguments: ExportArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let ExportArguments { out, log, range, change, archive } = arguments;
    let (from, origin) = copied_from(archive, global, log).await?;
    let scope = range.or(change.map(Scope::Change)).unwrap_or(Scope::Log);
    let wanted = Wanted { origin: &origin, scope: &scope };
    let exported = export::export(&from, output, wanted, &out).await?;
    let path = out.display().to_string();
    let Exported { lines, blobs, last_sequence, sealed_size } = exported;
    let value = json!({"bundle": path, "log": origin, "scope": scope, "commits": lines,
        "blobs": blobs, "last_sequence": last_sequence, "sealed_size": sealed_size});
    let (last, blobs, commits) = (last_sequence.to_string(), blobs.to_string(), lines.to_string());
    let sealed = sealed_size.map_or_else(|| "no checkpoint".to_owned(), |size| size.to_string());
    let scope = scope.to_string();
    let members = [
        ("bundle", path.as_str()),
        ("log", origin.as_str()),
        ("scope", &scope),
        ("commits", &commits),
        ("blobs", &blobs),
        ("last sequence", &last),
        ("sealed up to", &sealed),
    ];
    output.document(&Document::record(value, &path, &members))?;
    Ok(Exit::Ok)
}

async fn verify(
    arguments: VerifyArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let VerifyArguments {
        bundle,
        policy,
        expect,
        receipts,
        checkpoints,
        aggregate,
        archive,
        log,
        shard,
        resume,
        save_every,
    } = arguments;
    let (policy, digest) = read_policy_and_digest(&policy)?;
    let earlier = expect.as_deref().map(open).transpose()?;
    let read = |origin: &Origin| -> Result<_, CliError> {
        let of_log = policy.log(origin).map_err(VerifyError::Policy)?;
        Ok((kept::receipts(&receipts)?, kept::checkpoints(&checkpoints, of_log)?))
    };
    if let Some(folder) = archive {
        let (archive, origin) = archive_of(&folder, log)?;
        let (receipts, checkpoints) = read(&origin)?;
        let kept =
            Kept { bundle: earlier.as_deref(), checkpoints: &checkpoints, receipts: &receipts };
        let aggregate = aggregate.as_ref();
        let asked = Asked { origin: &origin, shard: &shard, policy: &policy, kept, aggregate };
        let every = Duration::from_secs(save_every);
        let resumed = resume.as_deref().map(|path| Resumed { path, every, policy: digest });
        let Verified { conclusion, chains, keeper } =
            archived::verify(&archive, asked, resumed, output).await?;
        let exit = told(&conclusion, aggregate.zip(chains.transpose()?.as_deref()), output)?;
        keeper.map_or(Ok(()), Keeper::finish)?;
        return Ok(exit);
    }
    let evidence =
        Evidence::of((bundle.as_deref(), None), global, output, log, &Scope::Log).await?;
    let (receipts, checkpoints) = read(&evidence.origin()?)?;
    let kept = Kept { bundle: earlier.as_deref(), checkpoints: &checkpoints, receipts: &receipts };
    let source = evidence.source.as_ref();
    let conclusion = verify::verify(source, &policy, &shard, &kept)?;
    let chains = |id| aggregate::chains(id, source, &policy, &conclusion, &shard);
    let chains = aggregate.as_ref().map(chains).transpose()?;
    told(&conclusion, aggregate.as_ref().zip(chains.as_deref()), output)
}

/// Shows what a verification came to, and the chains of an aggregate if they were asked for.
fn told(
    conclusion: &Conclusion,
    chains: Option<(&IdText, &[Chain])>,
    output: &Output,
) -> Result<Exit, CliError> {
    let exit = conclusion.exit();
    let Some((id, chains)) = chains else {
        conclusion.show(output)?;
        return Ok(exit);
    };
    aggregate::show(id, chains, conclusion, output)?;
    let is_whole = chains.iter().all(Chain::is_complete);
    Ok(if exit == Exit::Ok && !is_whole { Exit::VerificationIncomplete } else { exit })
}

async fn prove(
    arguments: ProveArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let ProveArguments { sequence, receipt, policy, log } = arguments;
    let policy = read_policy(&policy)?;
    let session = session::open(global)?;
    let origin = session.log(log).await?;
    let of_log = policy.log(&origin).map_err(VerifyError::Policy)?;
    let receipt = kept::receipts(receipt.as_slice())?.into_iter().next();
    let named = sequence.or(receipt.as_ref().map(|receipt| receipt.sequence));
    let claim = Claim { sequence: named.unwrap_or_default(), receipt };
    prove::prove(&session, output, of_log, &claim).await
}

fn compare(arguments: &CompareArguments, output: &Output) -> Result<Exit, CliError> {
    let CompareArguments { one, other, policy, out } = arguments;
    let policy = read_policy(policy)?;
    let (one, other) = (side(one)?, side(other)?);
    let origin = [&one, &other].into_iter().find_map(Side::origin).ok_or(CliError::LogUnknown)?;
    let of_log = policy.log(&origin).map_err(VerifyError::Policy)?;
    let (exit, proof) = compare::compare(&one, &other, of_log, output)?;
    if let (Some(path), Some(proof)) = (out, proof) {
        let failed = |source| CliError::WriteFile { path: path.clone(), source };
        std::fs::write(path, proof).map_err(failed)?;
        output.talk(&format!("the proof of the fork is in {}", path.display()));
    }
    Ok(exit)
}

async fn compare_target(
    arguments: CompareTargetArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let CompareTargetArguments {
        journal: path,
        evidence: FromEvidence { bundle, policy, archive, log, shard },
    } = arguments;
    let (what, policy) = ("the journal", read_policy(&policy)?);
    let unreadable = |source| CliError::ReadFile { what, path: path.clone(), source };
    let journal = Journal::read(files::open(&path).map_err(unreadable)?);
    let journal = journal.map_err(|source| CliError::Journal { path: path.clone(), source })?;
    let evidence =
        Evidence::of((bundle.as_deref(), archive), global, output, log, &Scope::Log).await?;
    let source = evidence.source.as_ref();
    let conclusion = verify::verify(source, &policy, &shard, &Kept::default())?;
    let told = commits::evidence(source, &policy, &conclusion.report.origin, &shard)?;
    let compared = target::compare(&journal, &told, &OfBundle(source));
    output.document(&compared.document())?;
    output.talk(&compared.sentence());
    let own = match compared.severity() {
        None => Exit::Ok,
        Some(Severity::Tampering) => Exit::VerificationFailed,
        Some(Severity::Incompleteness) => Exit::VerificationIncomplete,
    };
    Ok(match (warned(&conclusion, output), own) {
        (Exit::VerificationFailed, _) | (_, Exit::VerificationFailed) => Exit::VerificationFailed,
        (Exit::Ok, own) => own,
        (record, _) => record,
    })
}

/// A bundle, or a checkpoint's file.
fn side(path: &Path) -> Result<Side, CliError> {
    let name = path.display().to_string();
    if path.is_file()
        && let Ok(bytes) = files::read(path)
        && let Ok(note) = CheckpointNote::parse(&bytes)
    {
        return Ok(Side { name, bundle: None, note: Some(note) });
    }
    Side::of_bundle(name, open(path)?)
}

async fn replay(
    arguments: ReplayArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let ReplayArguments {
        aggregate,
        at,
        since,
        evidence: FromEvidence { bundle, policy, archive, log, shard },
    } = arguments;
    let policy = read_policy(&policy)?;
    let evidence =
        Evidence::of((bundle.as_deref(), archive), global, output, log, &Scope::Log).await?;
    let source = evidence.source.as_ref();
    // What does not hold is not told.
    let conclusion = verify::verify(source, &policy, &shard, &Kept::default())?;
    let mut own = Vec::new();
    commits::each(source, &policy, &conclusion.report.origin, &shard, |commit| {
        if commit.envelope.aggregate.id == aggregate {
            own.push(commit);
        }
    })?;
    if own.is_empty() {
        return Err(CliError::NoSuchAggregate(aggregate.to_string()));
    }
    let id = aggregate.to_string();
    let now = replay::state(&own, at)?;
    match since {
        None => replay::show(&id, &now, None, output)?,
        Some(since) => replay::show(&id, &replay::state(&own, Some(since))?, Some(&now), output)?,
    }
    Ok(warned(&conclusion, output))
}

async fn timeline(
    arguments: TimelineArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let TimelineArguments {
        change,
        evidence: FromEvidence { bundle, policy, archive, log, shard },
    } = arguments;
    let policy = read_policy(&policy)?;
    let scope = Scope::Change(change.clone());
    let evidence = Evidence::of((bundle.as_deref(), archive), global, output, log, &scope).await?;
    let source = evidence.source.as_ref();
    let conclusion = verify::verify(source, &policy, &shard, &Kept::default())?;
    let told = timeline::of_change(&change, source, &policy, &conclusion, &shard)?;
    if told.commits.is_empty() {
        return Err(CliError::NoSuchAggregate(change.to_string()));
    }
    timeline::show(&change, &told, &conclusion, output)?;
    Ok(conclusion.exit())
}

/// Says what the evidence is worth where that is not shown anyway.
fn warned(conclusion: &Conclusion, output: &Output) -> Exit {
    let exit = conclusion.exit();
    if exit != Exit::Ok {
        output.talk(&report::text(conclusion));
    }
    exit
}

/// The archive that was named, or the live log.
async fn copied_from(
    archive: Option<PathBuf>,
    global: &Global,
    log: Option<Origin>,
) -> Result<(CopiedFrom, Origin), CliError> {
    if let Some(folder) = archive {
        let (archive, origin) = archive_of(&folder, log)?;
        return Ok((CopiedFrom::Archive(archive), origin));
    }
    let session = session::open(global)?;
    let origin = session.log(log).await?;
    Ok((CopiedFrom::Live(Box::new(session)), origin))
}

/// The archive in a folder, which has one folder a log.
fn archive_of(folder: &Path, log: Option<Origin>) -> Result<(Archive, Origin), CliError> {
    let origin = match log {
        Some(origin) => origin,
        None => only_log(folder)?,
    };
    Ok((Archive::in_folder(folder, &origin)?, origin))
}

fn only_log(folder: &Path) -> Result<Origin, CliError> {
    let unreadable =
        |source| CliError::ReadFile { what: "the archive", path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut logs = names.filter_map(|name| name.parse::<Origin>().ok());
    match (logs.next(), logs.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(CliError::LogUnknown),
    }
}

/// A bundle that was given, or one made of the live log.
struct Evidence {
    source: Box<dyn BundleSource>,
    /// Where the live copy lies.
    _copy: Option<tempfile::TempDir>,
}

impl Evidence {
    async fn of(
        (bundle, archive): (Option<&Path>, Option<PathBuf>),
        global: &Global,
        output: &Output,
        log: Option<Origin>,
        scope: &Scope,
    ) -> Result<Self, CliError> {
        if let Some(path) = bundle {
            return Ok(Self { source: open(path)?, _copy: None });
        }
        let (from, origin) = copied_from(archive, global, log).await?;
        let failed = |source| CliError::WriteFile { path: std::env::temp_dir(), source };
        let folder = tempfile::tempdir().map_err(failed)?;
        let copy = folder.path().join("live");
        export::export(&from, output, Wanted { origin: &origin, scope }, &copy).await?;
        Ok(Self { source: Box::new(Directory::new(&copy)), _copy: Some(folder) })
    }

    /// The log that the bundle says it is of.
    fn origin(&self) -> Result<Origin, CliError> {
        Ok(ledger::verify::manifest_of(self.source.as_ref())?.log)
    }
}

/// The policy file.
pub fn read_policy(path: &Path) -> Result<Policy, CliError> {
    Ok(read_policy_and_digest(path)?.0)
}

/// The policy file, and which one it is.
fn read_policy_and_digest(path: &Path) -> Result<(Policy, Sha256Digest), CliError> {
    let bytes = files::read(path).map_err(|source| CliError::ReadFile {
        what: "the policy",
        path: path.to_owned(),
        source,
    })?;
    let policy = Policy::parse(&bytes);
    let policy = policy.map_err(|source| CliError::Policy { path: path.to_owned(), source })?;
    Ok((policy, Sha256Digest::of(&bytes)))
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
