//! What the verifier holds: a process of its own verifies a log in which every commit is an aggregate's first one.

use crate::history::History;
use crate::output::progress;
use crate::plan::Plan;
use crate::report::{Figure, Target, counted};
use crate::servers::{identity, resident, writer};
use crate::statistics::float;
use crate::verification::policy;
use anyhow::Context as _;
use devkit::stack::SHARD;
use ledger::{CommitHash, Line, Stored, Verifier, sign_hash};
use std::process::Command;
use trust::encoding::Timestamp;

const NAME: &str = "verification";
const MIB: f64 = 1_048_576.0;

/// The largest number of aggregates, against a few.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let most = plan.aggregates.iter().copied().max().context("no size")?;
    let (few, many) = tokio::task::spawn_blocking(move || {
        anyhow::Ok((in_a_process(1_000)?, in_a_process(most)?))
    })
    .await??;
    progress(&format!("the verifier of {most} aggregates held {:.0} MiB", many / MIB));
    let configuration =
        format!("RSS of a process that verified {} of them, one commit each", counted(most));
    let figure =
        Figure::of(NAME, "memory for aggregates", configuration, (&[many / MIB], "MiB"), 1);
    Ok(vec![figure.since("1,000 aggregates", few / MIB).should(Target::Below(200.0))])
}

fn in_a_process(aggregates: usize) -> anyhow::Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["--hold-aggregates", &aggregates.to_string()]).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(float(bytes))
}

/// Verifies as many aggregates; answers the memory of this process at the end.
pub fn hold(aggregates: u64) -> anyhow::Result<u64> {
    let (log, policy, key) = (identity()?, policy()?, writer());
    let mut verifier = Verifier::new(&policy, &log.origin, &SHARD.parse()?)?;
    let at: Timestamp = "2026-01-01T00:00:00.000000Z".parse()?;
    let mut model = History::of(log.clone())?.take(2)?.pop().context("no commit")?.envelope;
    (model.version, model.prev) = (1, CommitHash::ZERO);
    for sequence in 1..=aggregates {
        model.aggregate.id = format!("{}_{sequence:026}", model.aggregate.id.prefix()).parse()?;
        let payload = model.encode()?;
        let (hash, subject) = (CommitHash::of(&payload), model.subject(&log.shard).to_string());
        let (text, signature) = (hash.to_string(), sign_hash(&key, &hash).to_string());
        let (hash, signature) = (Some(text.as_str()), Some(signature.as_str()));
        let stored = Stored { sequence, subject: &subject, hash, signature, payload: &payload };
        let commit = verifier.line(&Line::of(&stored, at).encode()?);
        anyhow::ensure!(commit.is_some(), "commit {sequence} is not good");
    }
    let held = resident(i32::try_from(std::process::id())?)?;
    let report = verifier.finish_without_blobs();
    anyhow::ensure!(report.aggregates == aggregates, "not every aggregate was counted");
    Ok(held)
}
