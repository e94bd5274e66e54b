//! The command line: `countersign <noun> <verb>`. Secrets are never among the flags.

use crate::audit::AuditVerb;
use crate::logs::{LogVerb, Rotate};
use crate::output::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::ids::ChangeId;
use domain::vocabulary::{Found, Start};
use ledger::Slug;
use std::path::PathBuf;

/// Countersign: database changes that nobody runs alone.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
pub struct Arguments {
    /// For every noun.
    #[command(flatten)]
    pub global: Global,
    /// What it is about.
    #[command(subcommand)]
    pub noun: Noun,
}

/// For every noun.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Where command-api is.
    #[arg(long, global = true, env = "COUNTERSIGN_COMMAND_API", value_name = "URL")]
    pub api_url: Option<String>,
    /// Where query-api is.
    #[arg(long, global = true, env = "COUNTERSIGN_QUERY_API", value_name = "URL")]
    pub query_url: Option<String>,
    /// The configuration file [default: countersign/cli.toml in the user's configuration folder].
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How data is shown on standard output.
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t)]
    pub output: Format,
}

/// What a command is about.
#[derive(Debug, Subcommand)]
pub enum Noun {
    /// Run the whole platform on this machine, for development.
    #[cfg(feature = "dev")]
    Dev(crate::dev::DevArguments),
    /// Look at everything, say what is wrong and how to mend it: 0 without a problem, else 1.
    Doctor(DoctorArguments),
    /// Private keys: of approvers, writers, logs and witnesses.
    #[command(subcommand)]
    Key(KeyVerb),
    /// The log itself: its keys and what it lost. For operators of the tenant `system`.
    #[command(subcommand)]
    Log(LogVerb),
    /// Data sources: the databases that changes are for.
    #[command(subcommand)]
    Source(SourceVerb),
    /// Changes: submit, countersign, watch.
    #[command(subcommand)]
    Change(ChangeVerb),
    /// Agents, which run changes beside their databases.
    #[command(subcommand)]
    Agent(AgentVerb),
    /// The record: export it, verify it.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// The archive of a log: make the log again from it.
    #[cfg(feature = "restore")]
    #[command(subcommand)]
    Archive(crate::restore::ArchiveVerb),
    /// Cosign the checkpoints of logs, so that none of them can show two histories.
    #[cfg(feature = "witness")]
    Witness(crate::witness::WitnessArguments),
    /// Show which program this is.
    Version,
}

/// `doctor`
#[derive(Debug, Clone, Args)]
pub struct DoctorArguments {
    /// The data folder of a development stack [default: as `dev`, unless an API is named].
    #[cfg(feature = "dev")]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A job without a result is stuck after so many minutes.
    #[arg(long, default_value_t = 15, value_name = "MINUTES")]
    pub stuck_minutes: u32,
}

/// `key ...`
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make an Ed25519 private key; show its key id and public key.
    Generate {
        /// The new file (PKCS#8 PEM, for its owner only). An existing one is never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the key id and public key of a private key.
    Show {
        /// The private key.
        file: PathBuf,
    },
    /// Sign, with the old and the new key, that the one replaces the other in a log. Nothing is sent.
    Rotate(Rotate),
}

/// `source ...`
#[derive(Debug, Subcommand)]
pub enum SourceVerb {
    /// Register a data source.
    Add {
        /// Unique in the tenant.
        #[arg(long)]
        name: Slug,
        /// Its environment, a name in the trust root.
        #[arg(long)]
        environment: String,
        /// The name of the agent beside it.
        #[arg(long)]
        agent: Slug,
        /// A free label; may be repeated.
        #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// See there.
        #[command(flatten)]
        repeat: Repeat,
    },
    /// List the data sources.
    List(Limit),
}

/// `agent ...`
#[derive(Debug, Subcommand)]
pub enum AgentVerb {
    /// List the agents.
    List(Limit),
}

/// `change ...`
#[derive(Debug, Subcommand)]
pub enum ChangeVerb {
    /// Submit an SQL file for checks and approval.
    Submit(Submit),
    /// List the changes, newest first.
    List {
        /// Only those that stand here, such as `pending_approval`.
        #[arg(long)]
        state: Option<String>,
        /// Only those for this data source, by name or id.
        #[arg(long)]
        source: Option<String>,
        /// See there.
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a change.
    Get {
        /// The change.
        id: ChangeId,
    },
    /// Follow a change to its end: 0 applied, 6 failed or unknown, 4 rejected.
    Watch {
        /// The change.
        id: ChangeId,
        /// See there.
        #[command(flatten)]
        patience: Patience,
    },
    /// Review a change's manifest and exact SQL, then countersign it with your own key.
    Approve {
        /// The change.
        id: ChangeId,
        /// Your private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Sign without being asked: needed where nobody is at a terminal.
        #[arg(long)]
        yes: bool,
        /// See there.
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Reject a change, signed with your own key.
    Reject {
        /// The change.
        id: ChangeId,
        /// Your private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Why.
        #[arg(long)]
        reason: String,
        /// See there.
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Start an approved change that waits for its release.
    Start(Told),
    /// Take a change back.
    Cancel(Told),
    /// Say how a change ended whose outcome is unknown, after looking at its database.
    Resolve {
        /// The change.
        id: ChangeId,
        /// What is there.
        #[arg(long, value_enum)]
        found: FoundThere,
        /// How you know.
        #[arg(long)]
        reason: String,
        /// See there.
        #[command(flatten)]
        repeat: Repeat,
    },
}

/// `change submit`
#[derive(Debug, Args)]
pub struct Submit {
    /// The data source, by name or id.
    #[arg(long)]
    pub source: String,
    /// One line for people.
    #[arg(long)]
    pub title: String,
    /// Why.
    #[arg(long)]
    pub reason: Option<String>,
    /// The file; its bytes are signed and run exactly as they are.
    #[arg(long, value_name = "FILE")]
    pub sql: PathBuf,
    /// When it starts once it is approved.
    #[arg(long, value_enum, default_value_t)]
    pub start: StartWhen,
    /// Follow it to its end.
    #[arg(long)]
    pub watch: bool,
    /// See there.
    #[command(flatten)]
    pub patience: Patience,
    /// See there.
    #[command(flatten)]
    pub repeat: Repeat,
}

/// When an approved change starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum StartWhen {
    /// At once.
    #[default]
    OnApproval,
    /// With `change start`.
    OnRelease,
}

impl From<StartWhen> for Start {
    fn from(start: StartWhen) -> Self {
        match start {
            StartWhen::OnApproval => Self::OnApproval,
            StartWhen::OnRelease => Self::OnRelease,
        }
    }
}

/// What is in the database of a change whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FoundThere {
    /// The whole change.
    Applied,
    /// Nothing of it, or not all.
    Failed,
}

impl From<FoundThere> for Found {
    fn from(found: FoundThere) -> Self {
        match found {
            FoundThere::Applied => Self::Applied,
            FoundThere::Failed => Self::Failed,
        }
    }
}

/// A command that needs nothing but the change.
#[derive(Debug, Args)]
pub struct Told {
    /// The change.
    pub id: ChangeId,
    /// See there.
    #[command(flatten)]
    pub repeat: Repeat,
}

/// For commands that may have to be sent again.
#[derive(Debug, Clone, Default, Args)]
pub struct Repeat {
    /// Send a command again that may have been recorded: the key that its error named.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

/// How many items of a list.
#[derive(Debug, Clone, Copy, Args)]
pub struct Limit {
    /// At most so many.
    #[arg(long, default_value_t = 200)]
    pub limit: usize,
}

/// How long to watch.
#[derive(Debug, Clone, Default, Args)]
pub struct Patience {
    /// Stop watching after so many seconds [default: never].
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Stop watching, with success, once the change is in this state or has passed it.
    #[arg(long, value_name = "STATE", value_parser = ["checking", "pending_approval", "approved", "scheduled", "applying"])]
    pub until: Option<String>,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a label is NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    const CHANGE: &str = "chg_01h455vb4pex5vsknk084sn02q";

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_verb_is_understood() {
        for line in [
            "countersign doctor --stuck-minutes 60 -o json",
            "countersign key generate --out k.pem",
            "countersign key show k.pem",
            "countersign key rotate --role log --log a.b --old o.pem --new n.pem --from 501 --out r.json",
            "countersign log rotate-key r.json",
            "countersign log revoke-key --role witness --name w --spki MCowBQYDK2VwAyEAKM0Q0DuBy0bATdnTWJRxZqCKTQktqaXGDTw5I8Po2MA= --last-trusted 7 --reason stolen",
            "countersign log declare-gap --log a.b --sequences 7,9 --reason lost",
            "countersign source add --name shop --environment dev --agent edge --label a=b",
            "countersign source list -o name",
            "countersign change submit --source shop --title t --sql f.sql --start on-release --watch",
            "countersign change list --state applied --source shop",
            "countersign -o json change get chg_01h455vb4pex5vsknk084sn02q",
            "countersign change watch chg_01h455vb4pex5vsknk084sn02q --timeout 5",
            "countersign change approve chg_01h455vb4pex5vsknk084sn02q --key k.pem --yes",
            "countersign change reject chg_01h455vb4pex5vsknk084sn02q --key k.pem --reason no",
            "countersign change start chg_01h455vb4pex5vsknk084sn02q --idempotency-key k",
            "countersign change cancel chg_01h455vb4pex5vsknk084sn02q",
            "countersign agent list",
            "countersign audit export --out b --log a.b",
            "countersign audit verify b --policy p --expect c",
            "countersign audit verify --policy p --log a.b",
            "countersign version",
        ] {
            assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line).err());
        }
    }

    #[test]
    fn what_is_malformed_is_a_usage_error_before_anything_is_sent() {
        for line in [
            "countersign change get ../../etc".to_owned(),
            "countersign change get apr_01h455vb4pex5vsknk084sn02q".to_owned(),
            format!("countersign change approve {CHANGE}"),
            format!("countersign change reject {CHANGE} --key k"),
            "countersign source add --name Shop --environment dev --agent edge".to_owned(),
            "countersign source add --name s --environment dev --agent edge --label a".to_owned(),
            "countersign key rotate --role root --log a.b --old o --new n --from 5 --out r"
                .to_owned(),
            "countersign log declare-gap --reason lost".to_owned(),
            "countersign audit verify b".to_owned(),
            "countersign audit verify b --policy p --log a".to_owned(),
            "countersign change list --output xml".to_owned(),
            "countersign change list --token t".to_owned(),
        ] {
            let error = parsed(&line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert_ne!(error.kind(), ErrorKind::DisplayHelp, "{line}");
        }
    }

    #[test]
    fn no_flag_takes_a_secret() {
        fn flags(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().filter_map(|a| a.get_long().map(str::to_owned));
            own.chain(command.get_subcommands().flat_map(flags)).collect()
        }
        let flags = flags(&Arguments::command());
        assert!(flags.iter().any(|flag| flag == "idempotency-key"));
        for secret in ["token", "password", "secret", "seed"] {
            assert!(!flags.iter().any(|flag| flag.contains(secret)), "{secret}");
        }
    }
}
