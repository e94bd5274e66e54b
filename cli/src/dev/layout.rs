//! Where things are in the data folder.

use anyhow::{Context as _, bail};
use devkit::folder;
use std::path::{Path, PathBuf};

/// The data folder of `countersign dev`.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the folders that are missing, for their owner only.
    pub fn new(root: &Path) -> anyhow::Result<Self> {
        let layout = Self { root: root.to_owned() };
        for name in ["keys", "config", "secrets", "logs", "agent", "search", "archive"] {
            folder::make_if_missing(&layout.root.join(name), 0o700)?;
        }
        Ok(layout)
    }

    /// A private key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.root.join("keys").join(format!("{name}.pem"))
    }

    /// A process's configuration.
    pub fn config(&self, process: &str) -> PathBuf {
        self.root.join("config").join(format!("{process}.toml"))
    }

    /// A secret that a process reads from a file.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    /// Somebody's bearer token.
    pub fn token(&self, name: &str) -> PathBuf {
        self.secret(&format!("{name}.token"))
    }

    /// A process's log.
    pub fn log(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// The agent's state.
    pub fn agent_state(&self) -> PathBuf {
        self.root.join("agent")
    }

    /// The archive of the sealed log.
    pub fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    /// The search index.
    pub fn search_index(&self) -> PathBuf {
        self.root.join("search")
    }

    /// Everything random that is made once.
    pub fn material(&self) -> PathBuf {
        self.root.join("dev.json")
    }

    /// The trust root's envelope.
    pub fn trust_root(&self) -> PathBuf {
        self.root.join("root-1.json")
    }

    /// The verifier's policy file.
    pub fn verify_policy(&self) -> PathBuf {
        self.root.join("verify-policy.json")
    }

    /// Is there once a step was done for good.
    pub fn mark(&self, step: &str) -> PathBuf {
        self.root.join(format!(".{step}"))
    }
}

/// Removes an earlier data folder; anything that is not one, or that is in use, is left alone.
pub fn reset(root: &Path) -> anyhow::Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let is_ours = root.join("dev.json").exists() || root.join("authority.json").exists();
    if !is_ours {
        bail!("{} is not a data folder of countersign dev: it is not removed", root.display());
    }
    let _in_use = devkit::claim(root)?;
    std::fs::remove_dir_all(root).with_context(|| format!("{} cannot be removed", root.display()))
}
