//! `cargo xtask attack`: generated requests against every route of both APIs.
#![expect(clippy::print_stdout, reason = "its report is there to be read")]

use clap::Parser;
use scenario::attack::{Plan, attack};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(name = "attack", about = "Generated requests against every route of both APIs")]
struct Arguments {
    /// Generated requests of each route and attacker at most.
    #[arg(long, default_value_t = 30)]
    examples: u32,
    /// Of every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    chassis::process::install_crypto();
    let Arguments { examples, seed } = Arguments::parse();
    let started = Instant::now();
    let report = attack(Plan { examples, seed }, |line| println!("{line}")).await?;
    for violation in &report.violations {
        println!("VIOLATION: {violation}");
    }
    println!(
        "seed {seed}: {} requests, {} commits acknowledged, {} appended, {} violations in {:.0} s",
        report.requests,
        report.committed,
        report.appended,
        report.violations.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
