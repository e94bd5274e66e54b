//! The arguments of `audit ...`.

use super::replay::Moment;
use crate::args::Limit;
use clap::{Args, Subcommand};
use ledger::{IdText, Origin, Scope, Slug};
use std::path::PathBuf;

/// `audit ...`
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Copy the log, a range of it, or everything about one change as an evidence bundle.
    Export(ExportArguments),
    /// Search what happened by words, people, types and times, newest first.
    Search(SearchArguments),
    /// Verify an evidence bundle, or the live log: 0 intact, 7 tampered, 8 incomplete.
    Verify(VerifyArguments),
    /// Prove that one message is under a checkpoint of the log: 0 proven, 7 not.
    Prove(ProveArguments),
    /// Compare two bundles or checkpoints of one log: 0 one history, 7 two, 8 not comparable.
    Compare(CompareArguments),
    /// Compare a target's own journal with what the log says was done to it: 0 the same, 7 different, 8 incomplete.
    CompareTarget(CompareTargetArguments),
    /// Print the query that writes a target's journal for `compare-target`.
    TargetQuery,
    /// Show an aggregate as it was at any sequence or time, or what changed between two.
    Replay(ReplayArguments),
    /// Tell one change from the evidence, what the log recorded about its streams and keys meanwhile, and what stands
    /// behind it.
    Timeline(TimelineArguments),
}

/// `audit export`
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// A new folder, or a new file whose name ends in .tar.
    #[arg(long, value_name = "DIR|FILE.tar")]
    pub out: PathBuf,
    /// The log's origin [default: the one that query-api serves].
    #[arg(long, value_name = "ORIGIN")]
    pub log: Option<Origin>,
    /// Only these sequences, with a proof for each.
    #[arg(long, value_name = "FROM-TO", value_parser = range)]
    pub range: Option<Scope>,
    /// Only one change with its approvals, jobs and trust roots, with a proof for each commit.
    #[arg(long, value_name = "CHANGE", conflicts_with = "range", value_parser = change)]
    pub change: Option<IdText>,
    /// The folder of an archive to read instead of the live log.
    #[arg(long, value_name = "DIR")]
    pub archive: Option<PathBuf>,
}

/// `audit prove`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["sequence", "receipt"]))]
pub struct ProveArguments {
    /// The message's sequence [default: the receipt's].
    pub sequence: Option<u64>,
    /// A receipt that a command was answered with, as JSON: it must be kept to its word.
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// What you trust.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The log's origin [default: the one that query-api serves].
    #[arg(long, value_name = "ORIGIN")]
    pub log: Option<Origin>,
}

/// `audit compare`
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// A bundle, or the file of a checkpoint.
    pub one: PathBuf,
    /// Another one.
    pub other: PathBuf,
    /// What you trust.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Where the proof of a fork is written, if there is one.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `audit compare-target`
#[derive(Debug, Args)]
#[command(
    after_help = "The journal is a file that somebody with access to the target writes, before the log is read:\n  psql \
                  -XAtq -c \"$(countersign audit target-query)\" > journal.ndjson\n\nWhoever owns the target can write \
                  anything into its journal: a difference shows that one of the two is not true, not which."
)]
pub struct CompareTargetArguments {
    /// The target's journal, as `audit target-query` has it written.
    #[arg(long, value_name = "FILE")]
    pub journal: PathBuf,
    /// See there.
    #[command(flatten)]
    pub evidence: FromEvidence,
}

/// Where evidence comes from.
#[derive(Debug, Args)]
pub struct FromEvidence {
    /// A bundle [default: the live log, read through query-api].
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// What you trust.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The folder of an archive to read instead of the live log.
    #[arg(long, value_name = "DIR", conflicts_with = "bundle")]
    pub archive: Option<PathBuf>,
    /// The log's origin [default: the one that query-api serves, or the only one of the archive].
    #[arg(long, value_name = "ORIGIN", conflicts_with = "bundle")]
    pub log: Option<Origin>,
    /// The shard in the log's subjects.
    #[arg(long, default_value = "main")]
    pub shard: Slug,
}

/// `audit replay`
#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// The aggregate's id, of any type.
    pub aggregate: IdText,
    /// As of this sequence or time [default: now].
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub at: Option<Moment>,
    /// Show what changed since this sequence or time instead.
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub since: Option<Moment>,
    /// See there.
    #[command(flatten)]
    pub evidence: FromEvidence,
}

/// `audit timeline`
#[derive(Debug, Args)]
pub struct TimelineArguments {
    /// The change.
    #[arg(value_parser = change)]
    pub change: IdText,
    /// See there.
    #[command(flatten)]
    pub evidence: FromEvidence,
}

/// `audit search`
#[derive(Debug, Args)]
pub struct SearchArguments {
    /// Words and "phrases" that must all occur, -word that must not, word* for what begins so; also actor:, action:,
    /// type: and entity:. What begins with - comes after --.
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// Only by this principal.
    #[arg(long, value_name = "ID")]
    pub actor: Option<String>,
    /// Only events of this type, or of those that begin so (`approval.*`).
    #[arg(long, value_name = "TYPE")]
    pub action: Option<String>,
    /// Only of aggregates of this type, such as `change`.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only of this aggregate.
    #[arg(long, value_name = "ID")]
    pub entity: Option<String>,
    /// Only from then on, such as 2026-11-27T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only before then.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only of this tenant: for auditors, who see every tenant's.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Also count actors, actions and types among everything found.
    #[arg(long)]
    pub facets: bool,
    /// See there.
    #[command(flatten)]
    pub limit: Limit,
}

/// `audit verify`
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The bundle, a folder or a .tar; without it the live log is read through query-api.
    pub bundle: Option<PathBuf>,
    /// What you trust: keys of writers, roots, authorities of agents.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// An earlier bundle: each of its commits must still be there.
    #[arg(long, value_name = "BUNDLE")]
    pub expect: Option<PathBuf>,
    /// A receipt that a command was answered with, as JSON; may be repeated.
    #[arg(long = "receipt", value_name = "FILE")]
    pub receipts: Vec<PathBuf>,
    /// A checkpoint that you kept; may be repeated.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// Also tell how far the chain of this aggregate, of any type, is complete.
    #[arg(long, value_name = "ID")]
    pub aggregate: Option<IdText>,
    /// The folder of an archive to read instead of the live log.
    #[arg(long, value_name = "DIR", conflicts_with = "bundle")]
    pub archive: Option<PathBuf>,
    /// The live log's origin [default: the one that query-api serves].
    #[arg(long, value_name = "ORIGIN", conflicts_with = "bundle")]
    pub log: Option<Origin>,
    /// The shard in the log's subjects.
    #[arg(long, default_value = "main")]
    pub shard: Slug,
    /// Keep in this file how far it is, and go on from there if it was interrupted; gone once there is a report. It is
    /// believed as it stands: keep it where nobody else writes.
    #[arg(long, value_name = "FILE", requires = "archive")]
    pub resume: Option<PathBuf>,
    /// How often.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "resume")]
    pub save_every: u64,
}

fn range(text: &str) -> Result<Scope, String> {
    let refused = |_| "a range is FROM-TO, sequences from 1".to_owned();
    format!("range:{text}").parse().map_err(refused)
}

fn change(text: &str) -> Result<IdText, String> {
    let id = text.parse::<IdText>().ok().filter(|id| id.prefix() == "chg");
    id.ok_or_else(|| "a change is chg_ and 26 characters".to_owned())
}
