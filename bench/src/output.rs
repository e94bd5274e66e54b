//! The only file that prints: figures on standard output, progress on standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

use crate::report::{Figure, Report, counted, shown};
use comfy_table::{ContentArrangement, Table, presets};

/// How figures are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Says what is being done.
pub fn progress(line: &str) {
    eprintln!("bench: {line}");
}

/// Prints a number for the process that asked.
pub fn value(value: u64) {
    println!("{value}");
}

/// Shows a report.
pub fn show(report: &Report, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    println!("{}", machine(report));
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADER.map(str::to_uppercase));
    for figure in &report.figures {
        table.add_row(cells(figure));
    }
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
    for failure in &report.failed {
        println!("FAILED: {failure}");
    }
    let (figures, missed) = (report.figures.len(), report.missed());
    println!("{figures} figures in {:.0} s, {missed} miss a target", report.took_seconds);
    Ok(())
}

/// The columns of a figure.
pub const HEADER: [&str; 8] =
    ["measurement", "what", "configuration", "runs", "median", "p50, p99 ms", "peer", "target"];

/// A figure's columns.
pub fn cells(figure: &Figure) -> [String; 8] {
    let latencies = match (figure.p50_ms, figure.p99_ms) {
        (Some(p50), Some(p99)) => format!("{}, {}", shown(p50), shown(p99)),
        _ => String::new(),
    };
    let peer = figure.peer.as_ref().map(|peer| {
        let (name, median) = (&peer.name, shown(peer.median));
        let ahead = peer.ahead.map(|ahead| format!(", {ahead} ahead")).unwrap_or_default();
        format!("{name}: {median}; ratio {:.2}{ahead}", peer.ratio)
    });
    let targets = figure.targets.iter().map(|t| format!("{}: {}", t.target, t.verdict.shown()));
    [
        figure.measurement.to_owned(),
        figure.name.clone(),
        figure.configuration.clone(),
        format!("{} of {}", figure.runs, counted(figure.n)),
        format!("{} {}", shown(figure.median), figure.unit),
        latencies,
        peer.unwrap_or_default(),
        targets.collect::<Vec<_>>().join("; "),
    ]
}

/// What it ran on, in one paragraph.
pub fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let versions: Vec<_> =
        machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "{} run of a {} build of {} on {} UTC, {:.0} s. Machine: {}, {} GiB, Linux {}, {}; load average {} at the \
         start and {} at the end, the run's own work included. {}.",
        report.mode,
        machine.build,
        machine.commit,
        machine.date,
        report.took_seconds,
        machine.processors,
        machine.memory_gib,
        machine.kernel,
        machine.file_system,
        machine.load_at_start,
        machine.load_at_end,
        versions.join(", ")
    )
}
