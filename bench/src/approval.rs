//! From the last approval to the applied change, through every process and a real target database.

use crate::callers::Run;
use crate::output::progress;
use crate::report::Figure;
use crate::statistics::milliseconds;
use scenario::Platform;
use scenario::latency::way;
use scenario::scratch::Scratch;
use std::time::Duration;

/// Takes changes one after another.
pub async fn measure(
    platform: &Platform,
    scratch: &Scratch,
    changes: usize,
) -> anyhow::Result<Figure> {
    let mut took = Vec::new();
    for n in 0..changes {
        let applied = way(platform, scratch, n).await?.applied.to_std()?;
        progress(&format!(
            "approval, change {} of {changes}: {:.0} ms",
            n + 1,
            milliseconds(applied)
        ));
        took.push(applied);
    }
    let sum: Duration = took.iter().sum();
    let run = Run::of(took, sum);
    let configuration = format!("{changes} changes one after another, each makes a table");
    let name = "last approval sent to schema.applied";
    let mut figure = Figure::of("approval", name, configuration, (&[run.p50], "ms"), run.count);
    (figure.p50_ms, figure.p99_ms) = (Some(run.p50), Some(run.p99));
    Ok(figure)
}
