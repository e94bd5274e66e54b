//! `countersign` as a process of its own: it restores the log, and verifies what the archive holds.

use crate::world::{ORIGIN, World, policy};
use anyhow::Context as _;
use devkit::identities::{LOG_RESTORER, NATS, TRUST_DOMAIN, service};
use devkit::stack::SHARD;
use devkit::workspace::Binaries;
use ledger::{LogPolicy, Policy};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;

/// What a call came to.
pub struct Called {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Called {
    /// A number of the JSON that it printed.
    pub fn number(&self, name: &str) -> anyhow::Result<u64> {
        let value: Value = serde_json::from_str(&self.out).context(self.err.clone())?;
        value.get(name).and_then(Value::as_u64).with_context(|| format!("{name}: {}", self.out))
    }
}

impl World {
    /// Calls `countersign`.
    pub async fn call(&self, arguments: &[&str]) -> anyhow::Result<Called> {
        let binaries = Binaries::build(&["countersign-cli"], &[]).await?;
        let program = binaries.path("countersign")?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).args(["-o", "json"]).kill_on_drop(true);
        let Output { status, stdout, stderr } = command.output().await?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Called { code: status.code().unwrap_or(-1), out: text(&stdout), err: text(&stderr) })
    }

    /// Writes the policy file, with these gaps.
    fn policy_file(&self, gaps: &[u64]) -> anyhow::Result<PathBuf> {
        let mut log = policy()?;
        log.gaps = gaps.to_vec();
        self.policy_file_of(vec![log])
    }

    /// Writes a policy file of these logs.
    pub fn policy_file_of(&self, logs: Vec<LogPolicy>) -> anyhow::Result<PathBuf> {
        let format = ledger::policy::POLICY_FORMAT.to_owned();
        let policy = Policy { format, logs, roots: Vec::new(), agent_authorities: Vec::new() };
        let path = self.folder.path().join("policy.json");
        std::fs::write(&path, policy.encode()?)?;
        Ok(path)
    }

    /// `archive restore`
    pub async fn restore(&self, gaps: &[u64], more: &[&str]) -> anyhow::Result<Called> {
        let policy = self.policy_file(gaps)?;
        let text = format!(
            "origin = \"{ORIGIN}\"\nshard = \"{SHARD}\"\nreplicas = 1\nnats_url = \"{}\"\nnats_id = \"{}\"\n\
             spiffe_socket = \"{}\"\ntrust_domain = \"{TRUST_DOMAIN}\"\n[archive]\nurl = \"file://{}\"\n",
            self.stack.nats_url(),
            service(NATS)?,
            self.stack.service_endpoint(LOG_RESTORER)?,
            self.archive_dir.display(),
        );
        let file = self.folder.path().join("restore.toml");
        std::fs::write(&file, text)?;
        let (file, policy) = (file.display().to_string(), policy.display().to_string());
        let words = ["archive", "restore", &file, "--policy", &policy];
        self.call(&[&words, more].concat()).await
    }

    /// `audit verify` of the archive
    pub async fn verify(&self, gaps: &[u64]) -> anyhow::Result<Called> {
        let policy = self.policy_file(gaps)?.display().to_string();
        let archive = self.archive_dir.display().to_string();
        self.call(&["audit", "verify", "--archive", &archive, "--policy", &policy]).await
    }
}
