//! What is measured on one running platform: `countersign dev` with its release binaries.

use crate::http::Load;
use crate::memory::Memory;
use crate::output::progress;
use crate::plan::Plan;
use crate::report::Figure;
use crate::{approval, http};
use scenario::Platform;
use scenario::scratch::Scratch;
use std::time::Duration;

/// Until a platform that has started is idle.
const SETTLED: Duration = Duration::from_secs(5);
/// Between two looks at its memory.
const LOOK: Duration = Duration::from_millis(250);

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Commands over HTTP.
    pub http: bool,
    /// From approval to applied.
    pub approval: bool,
    /// Memory, idle and under the other two.
    pub memory: bool,
}

/// Starts the platform and measures what is wanted.
pub async fn measure(plan: &Plan, wanted: Wanted) -> anyhow::Result<Vec<Figure>> {
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    tokio::time::sleep(SETTLED).await;
    let idle = Memory::now(&platform)?;
    let mut figures = Vec::new();
    if wanted.approval {
        figures.push(approval::measure(&platform, &scratch, plan.changes).await?);
    }
    let mut most = Memory::now(&platform)?;
    if wanted.http || wanted.memory {
        let mut load = Load::default();
        for run in 1..=plan.runs {
            let seen = watched(&platform, load.run(&platform, plan.requests)).await?;
            most = most.or_more(&seen);
            progress(&format!("http, run {run}: {}", load.last()));
        }
        if wanted.http {
            figures.splice(0..0, load.figures());
        }
    }
    if wanted.memory {
        let commands = 2 * plan.requests * plan.runs;
        let load = format!(
            "most seen while {} callers sent {commands} commands over HTTP, against 5 s after the start",
            http::CALLERS
        );
        figures.extend(most.figures(&idle, &load));
    }
    platform.stop().await?;
    Ok(figures)
}

/// The most memory that each process has while something is done.
async fn watched(
    platform: &Platform,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Memory> {
    let mut most = Memory::now(platform)?;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                done?;
                return Ok(most.or_more(&Memory::now(platform)?));
            }
            () = tokio::time::sleep(LOOK) => most = most.or_more(&Memory::now(platform)?),
        }
    }
}
