//! `countersign dev` as a child process, and what it says of itself.

use crate::command_line::CommandLine;
use anyhow::{Context as _, bail};
use devkit::workspace::Binaries;
use devkit::{Child, Program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trust::keys::PrivateKey;

const PATIENCE: Duration = Duration::from_mins(3);
const GRACE: Duration = Duration::from_secs(20);
/// The packages whose binaries the platform needs.
const PACKAGES: [&str; 6] = [
    "countersign-command-api",
    "countersign-query-api",
    "countersign-projections",
    "countersign-workflows",
    "countersign-agent",
    "countersign-cli",
];

/// What `countersign dev -o json` prints.
#[derive(Debug, Clone, Deserialize)]
pub struct Card {
    /// Where people reach command-api.
    pub command_api: String,
    /// Where services reach command-api.
    pub command_api_services: String,
    /// Where people reach query-api.
    pub query_api: String,
    /// Where NATS is.
    pub nats_url: String,
    /// The read models.
    pub database_url: String,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The verifier's policy file.
    pub verify_policy: PathBuf,
    /// Bearer tokens by name.
    pub tokens: BTreeMap<String, String>,
    /// The agents.
    pub agents: Vec<AgentCard>,
    /// The sample databases.
    pub targets: Vec<TargetCard>,
    /// The process ids of the services.
    pub processes: BTreeMap<String, i32>,
    /// The Workload API of the scenario identity.
    pub scenario_socket: String,
    /// Whom to expect at NATS.
    pub nats_id: String,
}

/// An agent of the card.
#[derive(Debug, Clone, Deserialize)]
pub struct AgentCard {
    /// Its name.
    pub name: String,
    /// Its SPIFFE ID.
    pub spiffe_id: String,
}

/// A sample database of the card.
#[derive(Debug, Clone, Deserialize)]
pub struct TargetCard {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its environment.
    pub environment: String,
    /// With the credentials of the role that owns it.
    pub url: String,
}

impl Card {
    /// A service's process.
    pub fn service(&self, name: &str) -> Option<Service> {
        self.processes.get(name).map(|pid| Service(Pid::from_raw(*pid)))
    }
}

/// A running platform.
#[derive(Debug)]
pub struct Platform {
    /// What it says of itself.
    pub card: Card,
    binaries: Arc<Binaries>,
    child: Child,
}

impl Platform {
    /// Starts it in this data folder, which it keeps; the binaries are built first.
    pub async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(Binaries::build(&PACKAGES, &[]).await?, data_dir, &[]).await
    }

    /// As [`Platform::start`]; every process sends its spans to this collector.
    pub async fn start_traced(data_dir: &Path, collector: &str) -> anyhow::Result<Self> {
        let binaries = Binaries::build(&PACKAGES, &[]).await?;
        Self::start_with(binaries, data_dir, &["--otlp-endpoint", collector]).await
    }

    async fn start_with(
        binaries: Arc<Binaries>,
        data_dir: &Path,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let log = data_dir.with_extension("dev.log");
        let child = Program::new("countersign dev", binaries.path("countersign")?, log)
            .arguments(["dev", "-o", "json", "--free-ports", "--data-dir"])
            .argument(data_dir)
            .arguments(more)
            .spawn()?;
        let card = child.until(PATIENCE, || async { card(&child.log_text()) }).await?;
        Ok(Self { card, binaries, child })
    }

    /// The command line, as somebody.
    pub fn as_somebody(&self, name: &str) -> anyhow::Result<CommandLine> {
        let token = self.card.tokens.get(name).with_context(|| format!("no token of {name}"))?;
        let program = self.binaries.path("countersign")?;
        Ok(CommandLine::new(program, &self.card.command_api, &self.card.query_api, token))
    }

    /// The command line's program, built if need be.
    pub async fn command_line_program() -> anyhow::Result<PathBuf> {
        Ok(Binaries::build(&PACKAGES, &[]).await?.path("countersign")?)
    }

    /// The services' programs by name.
    pub fn programs(&self) -> anyhow::Result<BTreeMap<String, PathBuf>> {
        let servers = ["nats-server", "postgres"];
        let names = self.card.processes.keys();
        let services = names.filter(|name| !servers.contains(&name.as_str()));
        services.map(|name| Ok((name.clone(), self.binaries.path(name)?))).collect()
    }

    /// A private key of the data folder.
    pub fn key(&self, name: &str) -> anyhow::Result<PrivateKey> {
        let path = self.key_file(name);
        let pem = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        Ok(PrivateKey::from_pem(&pem)?)
    }

    /// Where that key is.
    pub fn key_file(&self, name: &str) -> PathBuf {
        self.card.data_dir.join("keys").join(format!("{name}.pem"))
    }

    /// The only sample database.
    pub fn target(&self) -> anyhow::Result<&TargetCard> {
        self.card.targets.first().context("no sample database")
    }

    /// A service's process.
    pub fn service(&self, name: &str) -> Option<Service> {
        self.card.service(name)
    }

    /// The `countersign dev` process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Ctrl-C, and wait until everything has stopped in order.
    pub async fn stop(self) -> anyhow::Result<Stopped> {
        let status = self.child.interrupt(GRACE).await;
        if !status.success() {
            bail!(self.child.ended(status));
        }
        Ok(Stopped { binaries: self.binaries, data_dir: self.card.data_dir })
    }
}

/// `countersign dev` as a person starts it, and the card that it shows.
pub async fn shown(data_dir: &Path) -> anyhow::Result<(Child, String)> {
    let binaries = Binaries::build(&PACKAGES, &[]).await?;
    let log = data_dir.with_extension("dev.log");
    let child = Program::new("countersign dev", binaries.path("countersign")?, log)
        .arguments(["dev", "--free-ports", "--data-dir"])
        .argument(data_dir)
        .spawn()?;
    let is_shown = || async {
        let text = child.log_text();
        text.contains("Ctrl-C stops everything").then_some(text)
    };
    let text = child.until(PATIENCE, is_shown).await?;
    Ok((child, text))
}

/// A service of a running platform.
#[derive(Debug, Clone, Copy)]
pub struct Service(Pid);

impl Service {
    /// Stops its clock: connected, silent.
    pub fn pause(self) -> anyhow::Result<()> {
        Ok(kill(self.0, Signal::SIGSTOP)?)
    }

    /// Ends it at once.
    pub fn kill(self) -> anyhow::Result<()> {
        Ok(kill(self.0, Signal::SIGKILL)?)
    }

    /// Lets it go on.
    pub fn resume(self) -> anyhow::Result<()> {
        Ok(kill(self.0, Signal::SIGCONT)?)
    }
}

/// A platform that was stopped; its data folder is still there.
#[derive(Debug)]
pub struct Stopped {
    binaries: Arc<Binaries>,
    /// The data folder.
    pub data_dir: PathBuf,
}

impl Stopped {
    /// Starts it again on the same data.
    pub async fn start_again(self) -> anyhow::Result<Platform> {
        Platform::start_with(self.binaries, &self.data_dir, &[]).await
    }
}

/// The card is the line of standard output; what is said on standard error stands around it.
pub fn card(log: &str) -> Option<Card> {
    log.lines().find_map(|line| serde_json::from_str(line).ok())
}
