//! The sibling binaries as child processes.

use super::configs;
use super::layout::Layout;
use super::material::Material;
use anyhow::{Context as _, bail};
use client::is_ready;
use devkit::{Child, Program, Stack, folder};
use futures::future::{select_all, try_join_all};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(8);
const SEALER: &str = "sealer";
/// In the order in which they stop.
const PROCESSES: [&str; 6] =
    ["agent", "workflows", "query-api", "projections", "command-api", SEALER];

/// The running services.
#[derive(Debug)]
pub struct Services {
    children: Vec<Child>,
}

impl Services {
    /// Opens the log if that was never done, starts everything and waits until everything is ready.
    pub async fn start(
        stack: &Stack,
        layout: &Layout,
        material: &Material,
        otlp_endpoint: Option<&str>,
    ) -> anyhow::Result<Self> {
        configs::write(stack, layout, material, otlp_endpoint)?;
        open_log(layout).await?;
        let mut children = Vec::new();
        for name in PROCESSES {
            children.push(program(layout, name)?.spawn()?);
        }
        let services = Self { children };
        let waits = services.needed().map(|child| ready(child, material));
        try_join_all(waits).await?;
        Ok(services)
    }

    /// All but the sealer: one that refuses to sign, because the log is not what it was, stops alone and says so in its
    /// log, while the others go on.
    fn needed(&self) -> impl Iterator<Item = &Child> {
        self.children.iter().filter(|child| child.name() != SEALER)
    }

    /// Their process ids by name.
    pub fn pids(&self) -> BTreeMap<&str, i32> {
        self.children.iter().map(|child| (child.name(), child.pid())).collect()
    }

    /// Waits until one of them or of their servers ends, which none should; says which.
    pub async fn first_to_end(&self, stack: &Stack) -> devkit::ChildError {
        let servers = [stack.nats().child(), stack.postgres().child()];
        let all = self.needed().chain(servers);
        let waits = all.map(|child| Box::pin(async move { child.ended(child.wait().await) }));
        select_all(waits).await.0
    }

    /// Stops them in order.
    pub async fn stop(&self) {
        for child in &self.children {
            child.stop(GRACE).await;
        }
    }
}

async fn ready(child: &Child, material: &Material) -> anyhow::Result<()> {
    let operations =
        format!("http://127.0.0.1:{}", material.port(&format!("{}-ops", child.name()))?);
    child.until(PATIENCE, || async { is_ready(&operations).await.then_some(()) }).await?;
    Ok(())
}

/// `command-api open-log`, once per data folder.
async fn open_log(layout: &Layout) -> anyhow::Result<()> {
    let mark = layout.mark("log-opened");
    if mark.exists() {
        return Ok(());
    }
    let child = program(layout, "command-api")?.argument("open-log").spawn()?;
    let status = child.wait().await;
    // A start that was killed between opening and the mark finds the log open.
    if !status.success() && !child.log_text().contains("it was opened already") {
        bail!(child.ended(status));
    }
    folder::write_private(&mark, b"")?;
    Ok(())
}

fn program(layout: &Layout, name: &str) -> anyhow::Result<Program> {
    let path = sibling(name)?;
    Ok(Program::new(name, path, layout.log(name))
        .without_environment()
        .argument("--config")
        .argument(layout.config(name)))
}

/// The binary beside this one.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where this program is cannot be found out")?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!("{} is missing: build it with `cargo build --workspace --bins`", path.display());
    }
    Ok(path)
}
