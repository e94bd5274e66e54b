//! No false alarm: untouched logs of a hundred shapes, whole, unsealed, in parts, and against all that was kept.

use crate::workbench::sealed::SealedLog;
use crate::workbench::{Workbench, id};
use crate::world::receipts;
use countersign_ledger::{Caveat, Kept, Report, Scope, Verdict};
use serde_json::json;

/// Numbers without a pattern, from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A log of some shape: few or many tenants, aggregates, events and blobs, some of which several commits name.
fn shaped(seed: u64) -> anyhow::Result<Workbench> {
    let mut numbers = Numbers(seed);
    let (commits, tenants) = (1 + numbers.below(60), 1 + numbers.below(5));
    let (aggregates, blobs) = (1 + numbers.below(30), 1 + numbers.below(9));
    let mut bench = Workbench::opened()?;
    for _ in 0..commits {
        let tenant = format!("tenant-{}", numbers.below(tenants));
        let (kind, prefix) = match numbers.below(3) {
            0 => ("change", "chg"),
            1 => ("approval", "apr"),
            _ => ("agent", "agt"),
        };
        let data = match numbers.below(4) {
            0 => {
                json!({"sql": bench.store(format!("select {};", numbers.below(blobs)).as_bytes())?})
            }
            1 => json!({"text": "\u{1F980}\u{0}\"\\".repeat(usize::try_from(numbers.below(300))?)}),
            2 => json!({}),
            _ => json!({"n": numbers.below(1 << 30), "none": null, "deep": [[[{"a": []}]]]}),
        };
        let aggregate = id(prefix, numbers.below(aggregates))?;
        bench.append(&tenant, kind, aggregate, "schema.requested", data)?;
    }
    Ok(bench)
}

fn is_silent(report: &Report, caveats: &[Caveat]) -> anyhow::Result<()> {
    anyhow::ensure!(report.verdict == Verdict::Intact, "{:?}", report.findings);
    anyhow::ensure!(report.findings.is_empty() && report.exit_code() == 0);
    anyhow::ensure!(report.caveats == caveats, "{:?}", report.caveats);
    Ok(())
}

#[test]
fn a_hundred_untouched_logs_raise_no_alarm() {
    for seed in 0..100 {
        let log = SealedLog::of(shaped(seed).unwrap()).unwrap();
        let size = log.head().size;
        let promises = receipts(&log.bench).unwrap();
        let whole = log.whole().unwrap();
        let kept: Vec<_> = (0..=log.bench.lines.len()).map(|size| log.kept(size)).collect();
        let kept = kept.into_iter().collect::<anyhow::Result<Vec<_>>>().unwrap();
        let all = Kept { bundle: Some(&whole), checkpoints: &kept, receipts: &promises };
        is_silent(&log.verify(&whole).unwrap(), &[]).unwrap();
        is_silent(&log.verify_against(&whole, &all).unwrap(), &[]).unwrap();
        let unsealed = log.bench.bundle().unwrap();
        is_silent(&log.bench.verify(&unsealed).unwrap(), &[Caveat::NotSealed]).unwrap();
        let mut numbers = Numbers(seed ^ 0x5eed);
        let from = 1 + numbers.below(size);
        let range = log.range(from, from + numbers.below(size - from + 1)).unwrap();
        is_silent(&log.verify(&range).unwrap(), &[Caveat::LaterUnknown]).unwrap();
        let last = log.bench.lines.iter().rfind(|line| line.subject.contains(".change.chg_"));
        if let Some(change) = last.and_then(|line| line.subject.rsplit('.').next()) {
            let scope = Scope::Change(change.parse().unwrap());
            let part =
                log.part(&scope, |line| line.sequence == 1 || line.subject.ends_with(change));
            is_silent(&log.verify(&part.unwrap()).unwrap(), &[Caveat::LaterUnknown]).unwrap();
        }
    }
}
