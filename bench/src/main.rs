//! `cargo xtask bench`: what Countersign can do on this machine, against what it is built on and against its peers.
//!
//! Every figure is measured on real servers in this very run, and compared with peers of the same run. A figure that
//! misses its target says so.

mod append;
mod approval;
mod callers;
mod catch_up;
mod figures;
mod growth;
mod history;
mod holding;
mod http;
mod locks;
mod machine;
mod memory;
mod output;
mod plan;
mod platform;
mod postgres_es;
mod projection;
mod proof;
mod raw_jetstream;
mod report;
mod sealing;
mod search;
mod seed;
mod servers;
mod statistics;
mod story;
mod unnest;
mod verification;

use clap::{Parser, ValueEnum};
use machine::Machine;
use output::{Format, progress};
use plan::Plan;
use report::{Figure, Report};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Measurement {
    /// Appends, against raw `JetStream` and postgres-es.
    Append,
    /// Commands over HTTP.
    Http,
    /// From the last approval to the applied change.
    Approval,
    /// Resident memory of every process.
    Memory,
    /// Events into the tables, against a raw upsert of the same rows.
    Projection,
    /// Followers that start from the beginning of a log.
    CatchUp,
    /// Indexing and searching.
    Search,
    /// Checkpoints over a backlog, and over what is appended.
    Sealing,
    /// Verifying commits.
    Verification,
    /// What more aggregates cost.
    Growth,
}

/// The arguments.
#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench", version, about = "Measures")]
struct Arguments {
    /// What to measure; everything if nothing is named.
    measurements: Vec<Measurement>,
    /// One run of small sizes.
    #[arg(long)]
    quick: bool,
    /// How to show the figures.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Also write the figures as JSON into this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write docs/figures.md also from a quick run; a whole run writes it anyway.
    #[arg(long, conflicts_with = "measurements")]
    write: bool,
    /// Verify so many aggregates, print the bytes that this process holds then, and end.
    #[arg(long, hide = true)]
    hold_aggregates: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    chassis::process::install_crypto();
    let arguments = Arguments::parse();
    if let Some(aggregates) = arguments.hold_aggregates {
        output::value(holding::hold(aggregates)?);
        return Ok(ExitCode::SUCCESS);
    }
    let plan = if arguments.quick { Plan::quick() } else { Plan::full() };
    let servers = devkit::preflight::setup(progress).await?;
    let mut machine = Machine::here(&servers)?;
    let started = Instant::now();
    let (mut figures, mut failed) = (Vec::new(), Vec::new());
    for group in groups(&arguments.measurements) {
        progress(&format!("{group:?}, {:.0} s so far", started.elapsed().as_secs_f64()));
        match Box::pin(measure(&group, &plan)).await {
            Ok(measured) => figures.extend(measured),
            Err(error) => {
                progress(&format!("{group:?} FAILED: {error:#}"));
                failed.push(format!("{group:?}: {error:#}"));
            }
        }
    }
    machine.load_at_end = machine::load();
    let mode = if plan.is_full { "full" } else { "quick" };
    let took_seconds = started.elapsed().as_secs_f64();
    let report = Report { mode, machine, took_seconds, figures, failed };
    output::show(&report, arguments.output)?;
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    let is_whole = arguments.measurements.is_empty() && report.failed.is_empty();
    if is_whole && (plan.is_full || arguments.write) {
        anyhow::ensure!(!cfg!(debug_assertions), "figures of a debug build are not written down");
        figures::write(&report)?;
        progress("docs/figures.md is written");
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is measured together, in order.
fn groups(wanted: &[Measurement]) -> Vec<Vec<Measurement>> {
    use Measurement::{
        Append, Approval, CatchUp, Growth, Http, Memory, Projection, Sealing, Search, Verification,
    };
    let together: [&[Measurement]; 8] = [
        &[Append],
        &[Http, Approval, Memory],
        &[Projection],
        &[CatchUp],
        &[Search],
        &[Sealing],
        &[Verification],
        &[Growth],
    ];
    let is_wanted = |one: &Measurement| wanted.is_empty() || wanted.contains(one);
    let chosen = together.iter().map(|group| group.iter().copied().filter(is_wanted).collect());
    chosen.filter(|group: &Vec<_>| !group.is_empty()).collect()
}

async fn measure(group: &[Measurement], plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    match group.first() {
        Some(Measurement::Append) => Box::pin(append::measure(plan)).await,
        Some(Measurement::Http | Measurement::Approval | Measurement::Memory) => {
            let wants = |one| group.contains(&one);
            let wanted = platform::Wanted {
                http: wants(Measurement::Http),
                approval: wants(Measurement::Approval),
                memory: wants(Measurement::Memory),
            };
            platform::measure(plan, wanted).await
        }
        Some(Measurement::Projection) => projection::measure(plan).await,
        Some(Measurement::CatchUp) => catch_up::measure(plan).await,
        Some(Measurement::Search) => search::measure(plan).await,
        Some(Measurement::Sealing) => Box::pin(sealing::measure(plan)).await,
        Some(Measurement::Verification) => verification::measure(plan).await,
        Some(Measurement::Growth) => growth::measure(plan).await,
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        let all: Vec<_> = groups(&[]).concat();
        assert_eq!(all.len(), Measurement::value_variants().len());
        let some = groups(&[Measurement::Search, Measurement::Memory]);
        assert_eq!(some, [vec![Measurement::Memory], vec![Measurement::Search]]);
    }
}
