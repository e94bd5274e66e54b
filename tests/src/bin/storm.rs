//! `cargo xtask storm kills --changes N --seed S`: everything is killed while changes go through.
//! `cargo xtask storm sealer --kills N --seed S`: the sealer is killed, and its log gets old copies and is restored.
//! `cargo xtask storm ledger --n N --seed S`: the record is attacked, and the verifier has to find where.
#![expect(clippy::print_stdout, reason = "its report is there to be read")]

use clap::{Parser, Subcommand};
use scenario::storm::{Plan, Report, rage};
use scenario::{ledger_storm, sealer_storm};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "storm", about = "Long runs under attack, with a checker at the end")]
struct Arguments {
    #[command(subcommand)]
    command: Storm,
}

#[derive(Subcommand)]
enum Storm {
    /// kill -9 of every process, broken links and lost answers while changes run.
    Kills {
        /// How many changes go through.
        #[arg(long, default_value_t = 200)]
        changes: u32,
        /// Of every random choice.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Kills of each process at least.
        #[arg(long, default_value_t = 5)]
        kills_each: usize,
    },
    /// kill -9 of the sealer at random moments, and old copies of its log that are restored from the archive.
    Sealer {
        /// How many kills.
        #[arg(long, default_value_t = 100)]
        kills: u32,
        /// Of every random choice.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Random attacks on sealed logs in memory: each is to be detected, where it is, and nothing else.
    Ledger {
        /// How many.
        #[arg(long, default_value_t = 2_000)]
        n: usize,
        /// Of every random choice.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Commits of the large log; most attacks are on smaller ones.
        #[arg(long, default_value_t = 1_000)]
        commits: u64,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    chassis::process::install_crypto();
    let holds = match Arguments::parse().command {
        Storm::Kills { changes, seed, kills_each } => {
            let plan = Plan { changes, seed, kills_each };
            let report = rage(plan, |line| println!("{line}")).await?;
            print(&report);
            report.holds()
        }
        Storm::Sealer { kills, seed } => {
            let plan = sealer_storm::Plan { kills, seed };
            let report = sealer_storm::rage(plan, |line| println!("{line}")).await?;
            print!("{report}");
            report.holds()
        }
        Storm::Ledger { n, seed, commits } => {
            let plan = ledger_storm::Plan { instances: n, seed, commits };
            let report = ledger_storm::rage(plan, |line| println!("{line}\n"))?;
            print!("{report}");
            report.holds()
        }
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    let Report { plan, findings, .. } = report;
    println!("\nseed {}, {} changes, {:.0} s", plan.seed, plan.changes, report.took.as_secs_f64());
    println!("{:<16} {:>6} {:>10} {:>10}", "killed", "times", "p50", "p99");
    for (victim, took) in &report.recoveries {
        let mut took = took.clone();
        took.sort_unstable();
        let (p50, p99) = (at(&took, 50), at(&took, 99));
        println!("{:<16} {:>6} {p50:>7} ms {p99:>7} ms", victim.name(), took.len());
    }
    println!(
        "links broken {}, requests without an answer {}, commands acknowledged {}",
        report.broken_links, report.unanswered, report.acknowledged
    );
    println!("commits {}, journal rows {}", findings.commits, findings.journal_rows);
    let states: Vec<_> = findings.states.iter().map(|(state, n)| format!("{n} {state}")).collect();
    println!("changes: {}", states.join(", "));
    for line in &report.ended_by_themselves {
        println!("ended by itself and started again: {line}");
    }
    for name in report.missing_kills() {
        println!("NOT ENOUGH KILLS of {name}");
    }
    for violation in &findings.violations {
        println!("VIOLATION: {violation}");
    }
    println!("violations: {}", findings.violations.len());
}

/// The value below which `share` percent lie, in milliseconds.
fn at(sorted: &[Duration], share: usize) -> u128 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * share / 100).min(last)).map_or(0, Duration::as_millis)
}
