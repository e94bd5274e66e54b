//! An exported bundle of a real log: two verifiers agree on it, and any byte of it counts.

use anyhow::Context as _;
use scenario::change::{approve, submit, wait_for};
use scenario::running::platform;
use scenario::scratch::Scratch;
use std::path::{Path, PathBuf};
use std::process::Command;

const BYTES: usize = 60;

/// A change that was countersigned and applied.
async fn applied(scratch: &Scratch) -> anyhow::Result<()> {
    let platform = platform("evidence").await?;
    let file = scratch.file("a.sql", "CREATE TABLE IF NOT EXISTS public.e (id bigint);\n")?;
    let change = submit(platform, "evidence", &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    approve(platform, "bob", &change).await?;
    approve(platform, "cyd", &change).await?;
    wait_for(platform, &change, "applied").await?;
    Ok(())
}

async fn bundle(scratch: &Scratch) -> anyhow::Result<(PathBuf, PathBuf)> {
    let platform = platform("evidence").await?;
    let bundle = scratch.path().join("bundle");
    let out = bundle.to_str().context("a path that is not UTF-8")?;
    platform.as_somebody("auditor")?.run(&["audit", "export", "--out", out]).await?;
    Ok((bundle, platform.card.verify_policy.clone()))
}

async fn verify(bundle: &Path, policy: &Path) -> anyhow::Result<i32> {
    let platform = platform("evidence").await?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("not UTF-8");
    let arguments = ["audit", "verify", &text(bundle)?, "--policy", &text(policy)?];
    Ok(platform.as_somebody("auditor")?.call(&arguments).await?.code)
}

#[tokio::test]
async fn an_independent_verifier_accepts_the_untouched_bundle() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    applied(&scratch).await?;
    let (bundle, policy) = bundle(&scratch).await?;
    assert_eq!(verify(&bundle, &policy).await?, 0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../domain/ledger/tests/independent_verifier.py");
    let output = Command::new("python3").arg(script).arg(&bundle).arg(&policy).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    Ok(())
}

#[tokio::test]
async fn any_byte_outside_received_at_counts() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (bundle, policy) = bundle(&scratch).await?;
    let commits = bundle.join("commits.ndjson");
    let untouched = std::fs::read(&commits)?;
    let free = received_at(&untouched);
    let step = untouched.len() / BYTES;
    for at in (0..untouched.len()).step_by(step.max(1)).filter(|at| !free.contains(at)) {
        let mut bytes = untouched.clone();
        bytes[at] ^= 1;
        std::fs::write(&commits, &bytes)?;
        assert_eq!(verify(&bundle, &policy).await?, 7, "byte {at} of {}", untouched.len());
    }
    std::fs::write(&commits, &untouched)?;
    assert_eq!(verify(&bundle, &policy).await?, 0, "no false alarm");
    Ok(())
}

/// The places of the values of `received_at`, which nobody attests.
fn received_at(commits: &[u8]) -> Vec<usize> {
    let name = b"\"received_at\":\"";
    let starts = commits.windows(name.len()).enumerate().filter(|(_, window)| window == name);
    let value = "2026-11-20T07:00:00.000000Z".len();
    starts.flat_map(|(at, _)| at + name.len()..at + name.len() + value).collect()
}
