//! Whatever a test verifies is verified once more in pieces, as if each were by another process: the report must be the
//! same. In each test once for each set of findings: every kind of fault and of state comes to pass somewhere.

use super::Bundle;
use anyhow::ensure;
use countersign_ledger::{
    Kept, Manifest, Policy, Report, Scope, Slug, Snapshot, Verifier, verify_bundle_against,
};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

/// How many processes take part beside the first.
const PIECES: usize = 4;

/// The test, the codes, whether it is a part, and whether it is sealed.
type Kind = (Option<String>, Vec<&'static str>, bool, bool);

static SEEN: Mutex<BTreeSet<Kind>> = Mutex::new(BTreeSet::new());

/// As [`verify_bundle_against`].
pub fn verify(
    bundle: &Bundle,
    policy: &Policy,
    shard: &Slug,
    kept: &Kept<'_>,
) -> anyhow::Result<Report> {
    let report = verify_bundle_against(bundle, policy, shard, kept)?;
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.fault.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    let test = thread::current().name().map(str::to_owned);
    let kind = (test, codes, report.scope != Scope::Log, report.sealed.is_some());
    if !SEEN.lock().map_err(|_| anyhow::anyhow!("another test failed"))?.insert(kind) {
        return Ok(report);
    }
    let at_once = verified(bundle, policy, shard, kept, Ok)?;
    let origin = report.origin.clone();
    let in_pieces = verified(bundle, policy, shard, kept, |verifier| {
        let written = serde_json::to_vec(&verifier)?;
        let snapshot: Snapshot = serde_json::from_slice(&written)?;
        let verifier = snapshot.resume(policy, &origin, shard)?;
        ensure!(serde_json::to_vec(&verifier)? == written, "something was lost on the way");
        Ok(verifier)
    })?;
    ensure!(at_once == in_pieces, "at once: {at_once:?}\nin pieces: {in_pieces:?}");
    Ok(report)
}

/// Lines, proofs and blobs through a verifier that changes hands.
fn verified(
    bundle: &Bundle,
    policy: &Policy,
    shard: &Slug,
    kept: &Kept<'_>,
    hand_over: impl Fn(Verifier) -> anyhow::Result<Verifier>,
) -> anyhow::Result<Report> {
    let file = |name: &str| bundle.files.get(name).cloned().unwrap_or_default();
    let manifest = Manifest::parse(&file("bundle.json"))?;
    let mut verifier = Verifier::new(policy, &manifest.log, shard)?.within(manifest.scope()?);
    if bundle.files.contains_key("checkpoint") {
        verifier = verifier.sealed_by(&file("checkpoint"));
    }
    verifier = verifier.ending_at(manifest.tree_size).against(kept, policy, shard)?;
    let proofs = file("proofs.ndjson");
    let mut proofs = proofs.split_inclusive(|byte| *byte == b'\n');
    let often = (bundle.lines.len() / PIECES).max(1);
    for (n, line) in bundle.lines.iter().enumerate() {
        if n % often == 0 {
            verifier = hand_over(verifier)?;
        }
        if let Some(proof) = proofs.next() {
            verifier.proof(proof);
        }
        verifier.line(line);
    }
    proofs.for_each(|proof| verifier.proof(proof));
    verifier.end_of_lines();
    verifier = hand_over(verifier)?;
    for (name, bytes) in &bundle.files {
        if let Some(Ok(sha256)) = name.strip_prefix("blobs/").map(str::parse) {
            verifier.blob(sha256, bytes);
            verifier = hand_over(verifier)?;
        }
    }
    Ok(verifier.finish())
}
