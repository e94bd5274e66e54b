//! `cargo xtask corpus [DIR]`: real migrations through the whole platform, compared with `psql`.
#![expect(clippy::print_stdout, reason = "its verdicts are there to be read")]

use clap::Parser;
use scenario::corpus::{Plan, play};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(name = "corpus", about = "Real migrations through the whole platform, and through psql")]
struct Arguments {
    /// A folder of migrations; without it the repository's own set, against its checked-in dump as well.
    folder: Option<PathBuf>,
    /// Apply with psql to both sides what the platform refuses by name, count it and go on.
    #[arg(long)]
    skip_refused: bool,
    /// Write the checked-in dump of the own set anew, to be looked at and committed.
    #[arg(long, conflicts_with = "folder")]
    write: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    chassis::process::install_crypto();
    let arguments = Arguments::parse();
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"));
    let expected = arguments.folder.is_none().then(|| own.clone());
    let folder = arguments.folder.unwrap_or_else(|| own.join("migrations"));
    let plan =
        Plan { folder, skip_refused: arguments.skip_refused, expected, write: arguments.write };
    let started = Instant::now();
    let summary = play(&plan, |migration, verdict| {
        println!("{:>7.1} s  {:<60} {verdict}", started.elapsed().as_secs_f64(), migration.name);
    })
    .await?;
    println!("{}: {summary} in {:.1} s", plan.folder.display(), started.elapsed().as_secs_f64());
    // A folder of which nothing ran on both sides shows nothing.
    Ok(if summary.bad == 0 && summary.equal > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
