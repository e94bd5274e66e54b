//! The verifier: one thread reads the lines of a bundle, as `countersign audit verify` does.

use crate::history::History;
use crate::holding;
use crate::output::progress;
use crate::plan::Plan;
use crate::proof;
use crate::report::{Figure, Target};
use crate::servers::{identity, writer};
use crate::statistics::rate;
use devkit::stack::SHARD;
use ledger::policy::POLICY_FORMAT;
use ledger::{
    CommitHash, Line, LogPolicy, Policy, Stored, Verdict, Verifier, hash_is_signed, sign_hash,
};
use std::time::Instant;
use trust::encoding::Timestamp;
use trust::keys::NamedSignature;

const NAME: &str = "verification";
const UNIT: &str = "commits/s per core";

/// Every run verifies the same lines from the start.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let (runs, count) = (plan.runs, plan.verified);
    let mut figures = tokio::task::spawn_blocking(move || verify(runs, count)).await??;
    figures.extend(proof::measure(plan).await?);
    figures.extend(holding::measure(plan).await?);
    Ok(figures)
}

fn verify(runs: usize, count: usize) -> anyhow::Result<Vec<Figure>> {
    let log = identity()?;
    let policy = policy()?;
    let (mut lines, mut signed) = (Vec::new(), Vec::new());
    let at: Timestamp = "2026-01-01T00:00:00.000000Z".parse()?;
    for made in History::of(log.clone())?.take(count)? {
        let (subject, hash) = (made.subject(&log), made.hash.to_string());
        let signature = sign_hash(&writer(), &made.hash);
        let text = signature.to_string();
        let stored = Stored {
            sequence: made.sequence,
            subject: &subject,
            hash: Some(&hash),
            signature: Some(&text),
            payload: &made.payload,
        };
        lines.push(Line::of(&stored, at).encode()?);
        signed.push((made.hash, signature));
    }
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let n = u64::try_from(count)?;
    for run in 1..=runs {
        let started = Instant::now();
        let mut verifier = Verifier::new(&policy, &log.origin, &SHARD.parse()?)?;
        for line in &lines {
            verifier.line(line);
        }
        let report = verifier.finish_without_blobs();
        ours.push(rate(n, started.elapsed()));
        anyhow::ensure!(report.verdict == Verdict::Intact, "the history is not intact: {report:?}");
        floor.push(signatures(&signed)?);
        let (lines, floor) = (ours.last(), floor.last());
        progress(&format!(
            "verification, run {run}: {lines:.0?}/s, signatures alone {floor:.0?}/s"
        ));
    }
    let bytes = lines.iter().map(Vec::len).sum::<usize>() / count.max(1);
    let configuration = format!("one thread, lines of {bytes} bytes in memory, every signature");
    let figure = Figure::of(NAME, "lines of commits.ndjson", configuration, (&ours, UNIT), n);
    let peer = Figure::of(NAME, "", "", (&floor, UNIT), n).median;
    let figure = figure.against("only its Ed25519 signatures, one by one", peer);
    Ok(vec![figure.should(Target::AtLeast(50_000.0))])
}

fn signatures(signed: &[(CommitHash, NamedSignature)]) -> anyhow::Result<f64> {
    let key = writer().public();
    let started = Instant::now();
    let good = signed.iter().filter(|(hash, signature)| hash_is_signed(&key, hash, signature));
    let count = good.count();
    anyhow::ensure!(count == signed.len(), "a signature does not hold");
    Ok(rate(u64::try_from(count)?, started.elapsed()))
}

/// The policy of the logs that are made here.
pub fn policy() -> anyhow::Result<Policy> {
    let log = identity()?;
    let log = LogPolicy {
        origin: log.origin,
        keys: Vec::new(),
        writers: log.writers,
        witnesses: Vec::new(),
        witness_quorum: 0,
        max_merge_delay_seconds: 60,
        gaps: Vec::new(),
    };
    let (roots, agent_authorities) = (Vec::new(), Vec::new());
    Ok(Policy { format: POLICY_FORMAT.to_owned(), logs: vec![log], roots, agent_authorities })
}
