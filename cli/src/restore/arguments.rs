//! The arguments of `archive ...`, and the file that says where everything is.

use crate::error::CliError;
use crate::files;
use archive::ArchiveConfig;
use clap::{Args, Subcommand};
use ledger::{Origin, Slug};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `archive ...`
#[derive(Debug, Subcommand)]
pub enum ArchiveVerb {
    /// Make a log's stream again from its archive, and prove it equal to the last checkpoint. Stop command-api and the
    /// sealer first.
    Restore(RestoreArguments),
}

/// `archive restore`
#[derive(Debug, Args)]
#[command(
    after_help = "0: the log is what was sealed. 5: something else appends. 7: the archive or the stream contradicts a \
                  checkpoint, and nothing was changed. 8: the archive or a blob is incomplete, or a message is condemned.\n\n\
                  Interrupted, it goes on where it was. docs/how-to/restore-a-log.md is the runbook."
)]
pub struct RestoreArguments {
    /// Which log, where its archive and NATS are, and which Workload API gives the identity `log-restorer` (TOML).
    pub file: PathBuf,
    /// What you trust: the log's keys, writers, witnesses and gaps.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// A checkpoint that you kept; may be repeated. The archive must reach and give it.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// A sequence that is condemned in the log itself, as `audit verify` said before; may be repeated. Any other condemned
    /// message is refused.
    #[arg(long, value_name = "SEQUENCE")]
    pub condemned: Vec<u64>,
    /// Only what is sealed: not what the archive holds beyond its last checkpoint, which a killed sealer left there.
    #[arg(long)]
    pub sealed_only: bool,
}

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreConfig {
    /// The log.
    pub origin: Origin,
    /// The shard in its subjects.
    pub shard: Slug,
    /// How many servers hold its streams.
    pub replicas: usize,
    /// `tls://host:port`
    pub nats_url: String,
    /// The SPIFFE ID of nats-server.
    pub nats_id: String,
    /// The SPIFFE Workload API: a path or `unix:///path`.
    pub spiffe_socket: String,
    /// The trust domain of all of them.
    pub trust_domain: String,
    /// The sealed log.
    pub archive: ArchiveConfig,
}

impl RestoreConfig {
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let what = "the configuration";
        let unreadable = |source| CliError::ReadFile { what, path: path.to_owned(), source };
        let text = files::read_text(path).map_err(unreadable)?;
        let invalid = |source| CliError::Config { path: path.to_owned(), source: Box::new(source) };
        toml::from_str(&text).map_err(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_member_of_the_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("restore.toml");
        let text = "origin = \"a.b\"\nshard = \"main\"\nreplicas = 1\nnats_url = \"tls://a:1\"\n\
                    nats_id = \"spiffe://a/b\"\nspiffe_socket = \"/s\"\ntrust_domain = \"a\"\n";
        std::fs::write(&path, format!("{text}[archive]\nurl = \"file:///a\"\n")).unwrap();
        assert_eq!(RestoreConfig::read(&path).unwrap().origin.as_str(), "a.b");
        std::fs::write(&path, format!("more = 1\n{text}[archive]\nurl = \"file:///a\"\n")).unwrap();
        assert_eq!(RestoreConfig::read(&path).unwrap_err().code(), "cli.config_invalid");
    }
}
